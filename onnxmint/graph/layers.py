"""Which tensors of a target are worth exposing, and what a user calls them."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from onnxmint.errors import ModelError
from onnxmint.graph import flow, quantised
from onnxmint.graph.axes import LAST, channel_axes, class_token_counts
from onnxmint.graph.inputs import trial_image
from onnxmint.graph.load import TargetModel, exposing
from onnxmint.graph.naming import human_names
from onnxmint.graph.running import run_once
from onnxmint.graph.suggest import choose_layer, choose_layers, positions, ranks, roles

__all__ = ["Layer", "choose_layer", "choose_layers", "dense_input", "list_layers"]

_ACTIVATIONS = {"Relu", "LeakyRelu", "PRelu", "Elu", "Selu", "Gelu", "Clip", "HardSwish", "Mish", "Sigmoid", "Tanh"}
_ACTIVATIONS |= {"Swish", "QLinearLeakyRelu", "QLinearSigmoid"}
_REFINING = {  # what only these make of a tensor is offered in its place: activations, normalisations, biases
    *_ACTIVATIONS,
    *("HardSigmoid", "Softplus", "Erf", "Exp", "Neg", "Add", "Sub", "Mul", "Div", "Pow", "Sqrt", "Reciprocal", "Min"),
    *("Max", "BatchNormalization", "InstanceNormalization", "LayerNormalization", "GroupNormalization"),
    *("LpNormalization", "ReduceMean", "Scaler", "Normalizer", "DequantizeLinear"),
}
_PASSING = {"Identity", "Cast", "Dropout", "Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "QuantizeLinear"}
_RESTATING = {"DynamicQuantizeLinear", "QuantizeLinear", "Cast", "Identity", "Dropout"}
_PASSING |= {"Pad", "DynamicQuantizeLinear", "Expand"}
_DENSE = {"Gemm": 0, "MatMul": 0, "MatMulInteger": 0, "QLinearMatMul": 0, "QGemm": 0}  # where each reads the image
_STRAIGHT = {*_DENSE, *_RESTATING, "DequantizeLinear", "Add", "Mul"}  # between the last dense layer's input and logits
_KINDS = {1: "vector", 2: "tokens", 3: "map"}
_LAYOUTS = {("map", "first"): "NCHW", ("map", "last"): "NHWC", ("tokens", "first"): "NCT", ("tokens", "last"): "NTC"}
_FEWEST = 2  # bottlenecks beside the answer; models with fewer (dense skips) offer their activations
_TRIAL = 2  # images: one would not tell the batch from other axes
_SMALL = 64_000_000  # bytes of weights that the trial run may give out, where their shapes are not known otherwise


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A tensor of the target that can be exposed.

    Attributes:
        index: position in the list, from 0.
        name: what people call it; unique in the list.
        tensor: exact name in the graph: its identity.
        op: operator that makes it.
        shape: per image, without the batch axis.
        dtype: "float32", "float16" or "float64"; of a quantised tensor what it is dequantised to.
        depth: share of the target's multiply-accumulates spent up to and including it, 0 to 1.
        macs: the same as a count, per image.
        bytes: size per image as the graph holds it.
        kind: "map" (three axes), "tokens" (two) or "vector" (one).
        layout: of a map, "NCHW" or "NHWC"; of tokens "NTC" or "NCT"; empty for vectors.
        role: "stage" (the last layer of its size), "penultimate" (what the last dense layer reads), what the answer
            is ("logits", "probabilities", ...) for the last, or empty.
        rank: 1 for the layer that "auto" takes, then the others by how much they promise.
        class_token: whether the first of its tokens is the one that the model answers from.
        quantised: names of scale and zero point where the graph holds whole numbers, None for others.
    """

    index: int
    name: str
    tensor: str
    op: str
    shape: tuple[int, ...]
    dtype: str
    depth: float
    macs: int
    bytes: int
    kind: str
    layout: str
    role: str
    rank: int
    class_token: bool = False
    quantised: tuple[str, str] | None = None

    @property
    def suggested(self) -> bool:
        """Say whether "auto" takes it."""
        return self.rank == 1


def list_layers(target: TargetModel) -> tuple[Layer, ...]:
    """Return the layers of a target from image to answer, the last being the answer itself.

    Shapes come from one run of blank images with every tensor exposed, so that nothing has to be inferred.

    Raises:
        ModelError: the graph cannot be run, or no tensor has the images on its first axis.
    """
    graph = target.model.graph
    values = dict(ir.convenience.create_value_mapping(graph, include_subgraphs=False))
    image, answer = values[target.input.name], values[target.answer.tensor]
    nodes, carrying = flow.image_nodes(graph, image, answer)
    batch = target.input.batch or _TRIAL
    arrays = _run_tapped(target, nodes, carrying, batch)
    shapes = _constant_shapes(nodes) | {name: array.shape for name, array in arrays.items()}
    fits = {value.name for value in carrying if _fits(value, arrays.get(value.name or ""), batch, target.opset)}
    chosen = _choose(nodes, carrying, image, answer, shapes, fits)
    if not chosen:
        raise ModelError(f"{target.path}: no tensor between image and answer has the images on its first axis")
    return _described(target, nodes, carrying, image, chosen, arrays, shapes, batch)


def _described(
    target: TargetModel,
    nodes: list[ir.Node],
    carrying: set[ir.Value],
    image: ir.Value,
    chosen: list[ir.Value],
    arrays: dict[str, np.ndarray],
    shapes: flow.Shapes,
    batch: int,
) -> tuple[Layer, ...]:
    """Return what there is to know of the chosen tensors."""
    spent = _spent(nodes, shapes, batch)
    axes = channel_axes(nodes, carrying, image, target.input.layout, shapes)
    tokens = class_token_counts(nodes, shapes)
    of = {value: shapes[value.name or ""][1:] for value in chosen}
    places = [positions(of[value], channels_last=axes.get(value) == LAST) for value in chosen]
    behind = _penultimate(nodes, carrying)
    known = target.answer.kind if chosen[-1].name == target.answer.tensor else ""
    names = roles(places, chosen.index(behind) if behind in chosen[:-1] else None, known)
    total = max(spent[chosen[-1].producer()], 1)
    depths = [spent[value.producer()] / total for value in chosen]
    found = []
    for number, (name, value, rank) in enumerate(
        zip(human_names(chosen), chosen, ranks(places, names, depths), strict=True)
    ):
        array, node = arrays[value.name or ""], value.producer()
        kind = _KINDS[array.ndim - 1]
        layout = _LAYOUTS.get((kind, axes.get(value, "first")), "")
        found.append(
            Layer(
                index=number,
                name=name,
                tensor=value.name or "",
                op="" if node is None else node.op_type,
                shape=of[value],
                dtype="float32" if array.dtype.name in quantised.TYPES else array.dtype.name,
                depth=depths[number],
                macs=spent[node],
                bytes=array.nbytes // batch,
                kind=kind,
                layout=layout,
                role=names[number],
                rank=rank,
                class_token=layout == "NTC" and of[value][0] in tokens,
                quantised=quantised.parameters(value) if array.dtype.name in quantised.TYPES else None,
            )
        )
    return tuple(found)


def _run_tapped(
    target: TargetModel, nodes: list[ir.Node], carrying: set[ir.Value], batch: int
) -> dict[str, np.ndarray]:
    """Run blank images with every tensor on the way exposed, weights made of other small weights included."""
    names = []
    for node in nodes:
        weights = [value.const_value for value in node.inputs if value is not None and value.const_value is not None]
        small = sum(weight.nbytes for weight in weights) < _SMALL
        names += [value.name for value in node.outputs if value.name and (value in carrying or small)]
    feeds = {target.input.name: trial_image(target.input, batch)}
    return run_once(exposing(target.model, names), feeds, list(dict.fromkeys(names)), target.path)


def _constant_shapes(nodes: list[ir.Node]) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the weights that some nodes read."""
    read = {value for node in nodes for value in node.inputs if value is not None}
    found = {value.name or "": flow.constant_shape(value) for value in read}
    return {name: shape for name, shape in found.items() if shape is not None}


def _fits(value: ir.Value, array: np.ndarray | None, batch: int, opset: int) -> bool:
    """Say whether a tensor can be a layer: numbers, images on its first axis, one to three further axes."""
    if array is None or array.ndim - 1 not in _KINDS or len(array) != batch or array.size == 0:
        return False
    if array.dtype.name in quantised.TYPES:
        return opset >= quantised.OLDEST_OPSET and quantised.parameters(value) is not None
    return array.dtype.name in ("float16", "float32", "float64")


def _choose(
    nodes: list[ir.Node],
    carrying: set[ir.Value],
    image: ir.Value,
    answer: ir.Value,
    shapes: flow.Shapes,
    fits: set[str | None],
) -> list[ir.Value]:
    """Return the tensors worth offering, in order."""
    runs = list(_runs(flow.bottlenecks(nodes, carrying, image, answer), nodes, carrying, shapes))
    inner = [run for run in runs[1:] if answer not in run]
    chosen = {value for run in inner if (value := _representative(run, shapes, fits)) is not None}
    if len(chosen - {answer}) < _FEWEST:
        made = (node.outputs[0] for node in nodes if node.op_type in _ACTIVATIONS)
        chosen |= {value for value in made if value in carrying and value.name in fits}
    before = _penultimate(nodes, carrying)
    if before is not None and before.name in fits:
        chosen.add(before)
    if answer.name in fits:
        chosen.add(answer)
    chosen.discard(image)
    return [value for node in nodes for value in node.outputs if value in chosen]


def _runs(
    bottlenecks: list[ir.Value], nodes: list[ir.Node], carrying: set[ir.Value], shapes: flow.Shapes
) -> Iterator[list[ir.Value]]:
    """Yield runs of bottlenecks that are one layer: only activation, normalisation, bias or other order between them.

    The first run, which starts from the image, holds the image in other forms.
    """
    place = {node: number for number, node in enumerate(nodes)}
    run: list[ir.Value] = []
    start, size = 0, 0
    for value in bottlenecks:
        end = place[value.producer()] + 1  # type: ignore[index]
        between = [node for node in nodes[start:end] if any(made in carrying for made in node.outputs)]
        here = math.prod(shapes.get(value.name or "", ()))
        kept = size in (0, here) or all(node.op_type == "Pad" for node in between)
        if not kept or not all(node.op_type in _REFINING | _PASSING for node in between):
            yield run
            run = []
        run.append(value)
        start, size = end, here
    yield run


def _representative(run: list[ir.Value], shapes: flow.Shapes, fits: set[str | None]) -> ir.Value | None:
    """Return the last tensor of a run that is more than another order of the one before, None without any.

    Of a pooled (C, 1, 1) map, or a single token, the vector behind it.
    """
    whole = [value for value in run if value.name in fits and value.producer().op_type not in _PASSING]  # type: ignore[union-attr]
    if not whole:
        return None
    last = whole[-1]
    shape = shapes[last.name or ""]
    if len(shape) > 2 and math.prod(shape[1:]) == max(shape[1:]):  # noqa: PLR2004
        behind = (value for value in run if value.name in fits and len(shapes[value.name or ""]) == 2)  # noqa: PLR2004
        return next(behind, last)
    return last


def dense_input(target: TargetModel) -> str | None:
    """Return the tensor that the last dense layer reads, None when the logits do not come straight from one."""
    if target.answer.kind != "logits":
        return None
    graph = target.model.graph
    values = ir.convenience.create_value_mapping(graph, include_subgraphs=False)
    nodes, carrying = flow.image_nodes(graph, values[target.input.name], values[target.answer.tensor])
    found = _penultimate(nodes, carrying)
    if found is None:
        return None
    reached, products = {found}, 0
    for node in nodes:
        read = set(flow.inputs_of(node)) & carrying
        if read & reached:
            if not read <= reached or node.op_type not in _STRAIGHT:
                return None
            reached.update(node.outputs)
            products += node.op_type in _DENSE
    return found.name if products == 1 else None


def _penultimate(nodes: list[ir.Node], carrying: set[ir.Value]) -> ir.Value | None:
    """Return what the last product with weights reads, before it was quantised for that."""
    for node in reversed(nodes):
        if node.op_type not in _DENSE:
            continue
        value = node.inputs[_DENSE[node.op_type]]
        if value is None or value not in carrying or sum(entry in carrying for entry in _factors(node)) > 1:
            continue  # a product of two things made of the image, as in attention
        maker = value.producer()
        while maker is not None and maker.op_type in _RESTATING and value is not None:
            value = maker.inputs[0]
            maker = None if value is None else value.producer()
        return value if value is not None and value.producer() is not None else None
    return None


def _factors(node: ir.Node) -> list[ir.Value]:
    """Return the two matrices that a node multiplies."""
    places = (0, 3) if node.op_type in {"QLinearMatMul", "QGemm"} else (0, 1)
    return [value for place in places if place < len(node.inputs) and (value := node.inputs[place]) is not None]


def _spent(nodes: list[ir.Node], shapes: flow.Shapes, batch: int) -> dict[ir.Node | None, int]:
    """Return the multiply-accumulates per image spent up to and including each node."""
    total, spent = 0, {}
    for node in nodes:
        total += flow.macs(node, shapes) // batch
        spent[node] = total
    return spent  # type: ignore[return-value]
