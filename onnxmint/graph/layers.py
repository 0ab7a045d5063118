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
from onnxmint.graph.layer import Float, Kind, Layer, Layout, choose_layer, choose_layers
from onnxmint.graph.load import TargetModel
from onnxmint.graph.naming import human_names
from onnxmint.graph.running import look_inside
from onnxmint.graph.suggest import positions, ranks, roles
from onnxmint.graph.wire import Arrays

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
_FLOATS: dict[str, Float] = {"float16": "float16", "float32": "float32", "float64": "float64"}
_FLOATS |= dict.fromkeys(quantised.TYPES, "float32")  # what they are dequantised to
_KINDS: dict[int, Kind] = {1: "vector", 2: "tokens", 3: "map"}  # by axes beside the batch
_LAYOUTS: dict[tuple[Kind, str], Layout] = {
    ("map", "first"): "NCHW",
    ("map", "last"): "NHWC",
    ("tokens", "first"): "NCT",
    ("tokens", "last"): "NTC",
}
_FEWEST = 2  # bottlenecks beside the answer; models with fewer (dense skips) offer their activations
_TRIAL = 2  # images: one would not tell the batch from other axes
_SMALL = 64_000_000  # bytes of weights that the trial run may give out, where their shapes are not known otherwise


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """What lies between image and answer, and what a run of blank images showed of it."""

    nodes: list[ir.Node]  # in order
    carrying: set[ir.Value]  # tensors that depend on the image
    image: ir.Value
    answer: ir.Value
    types: dict[str, str]  # by tensor name, as NumPy calls them
    shapes: flow.Shapes  # of these, batch first where the tensor has one, and of the weights
    batch: int  # images in the run


def list_layers(target: TargetModel) -> tuple[Layer, ...]:
    """Return the layers of a target from image to answer, the last being the answer itself.

    Shapes come from one run of blank images with every tensor exposed, so that nothing has to be inferred.

    Raises:
        ModelError: the graph cannot be run, or no tensor has the images on its first axis.
    """
    way = _walked(target)
    fits = {value.name for value in way.carrying if _fits(value, way, target.opset)}
    chosen = _choose(way, fits)
    if not chosen:
        raise ModelError(f"{target.path}: no tensor between image and answer has the images on its first axis")
    return _described(target, way, chosen)


def _walked(target: TargetModel) -> _Way:
    """Run blank images from image to answer."""
    graph = target.model.graph
    values = dict(ir.convenience.create_value_mapping(graph, include_subgraphs=False))
    image, answer = values[target.input.name], values[target.answer.tensor]
    nodes, carrying = flow.image_nodes(graph, image, answer)
    batch = target.input.batch or _TRIAL
    found = look_inside(target.model, _names(nodes, carrying), _blank(target, batch), target.path)
    return _Way(
        nodes=nodes,
        carrying=carrying,
        image=image,
        answer=answer,
        types={name: dtype for name, (dtype, _) in found.items()},
        shapes=_constant_shapes(nodes) | {name: shape for name, (_, shape) in found.items()},
        batch=batch,
    )


def _described(target: TargetModel, way: _Way, chosen: list[ir.Value]) -> tuple[Layer, ...]:
    """Return what there is to know of the chosen tensors."""
    spent = _spent(way)
    axes = channel_axes(way.nodes, way.carrying, way.image, target.input.layout, way.shapes)
    tokens = class_token_counts(way.nodes, way.shapes)
    places = [positions(_per_image(way, value), channels_last=axes.get(value) == LAST) for value in chosen]
    behind = _penultimate(way.nodes, way.carrying)
    known = target.answer.kind if chosen[-1].name == target.answer.tensor else ""
    names = roles(places, chosen.index(behind) if behind in chosen[:-1] else None, known)
    total = max(spent[chosen[-1].producer()], 1)
    depths = [spent[value.producer()] / total for value in chosen]
    order = ranks(places, names, depths)
    found = []
    for number, (name, value) in enumerate(zip(human_names(chosen), chosen, strict=True)):
        dtype, node, shape = way.types[value.name or ""], value.producer(), _per_image(way, value)
        kind = _KINDS[len(shape)]
        layout = _LAYOUTS.get((kind, axes.get(value, "first")), "")
        found.append(
            Layer(
                index=number,
                name=name,
                tensor=value.name or "",
                op="" if node is None else node.op_type,
                shape=shape,
                dtype=_FLOATS[dtype],
                depth=depths[number],
                macs=spent[node],
                bytes=math.prod(shape) * np.dtype(dtype).itemsize,
                kind=kind,
                layout=layout,
                role=names[number],
                rank=order[number],
                suggested=order[number] == 1,
                class_token=layout == "NTC" and shape[0] in tokens,
                quantised=quantised.parameters(value) if dtype in quantised.TYPES else None,
            )
        )
    return tuple(found)


def _per_image(way: _Way, value: ir.Value) -> tuple[int, ...]:
    """Return the shape of a tensor without its batch axis."""
    return way.shapes[value.name or ""][1:]


def _blank(target: TargetModel, batch: int) -> Arrays:
    """Return blank images as the target takes them."""
    return {target.input.name: trial_image(target.input, batch)}


def _names(nodes: list[ir.Node], carrying: set[ir.Value]) -> list[str]:
    """Return the tensors on the way, weights made of other small weights included."""
    names = []
    for node in nodes:
        weights = [value.const_value for value in node.inputs if value is not None and value.const_value is not None]
        small = sum(weight.nbytes for weight in weights) < _SMALL
        names += [value.name for value in node.outputs if value.name and (value in carrying or small)]
    return list(dict.fromkeys(names))


def _constant_shapes(nodes: list[ir.Node]) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the weights that some nodes read."""
    read = {value for node in nodes for value in node.inputs if value is not None}
    found = {value.name or "": flow.constant_shape(value) for value in read}
    return {name: shape for name, shape in found.items() if shape is not None}


def _fits(value: ir.Value, way: _Way, opset: int) -> bool:
    """Say whether a tensor can be a layer: numbers, images on its first axis, one to three further axes."""
    dtype, shape = way.types.get(value.name or ""), way.shapes.get(value.name or "", ())
    if dtype not in _FLOATS or len(shape) - 1 not in _KINDS or shape[0] != way.batch or 0 in shape:
        return False
    return dtype not in quantised.TYPES or (opset >= quantised.OLDEST_OPSET and quantised.parameters(value) is not None)


def _choose(way: _Way, fits: set[str | None]) -> list[ir.Value]:
    """Return the tensors worth offering, in order."""
    nodes, carrying, answer = way.nodes, way.carrying, way.answer
    runs = list(_runs(flow.bottlenecks(nodes, carrying, way.image, answer), way))
    inner = [run for run in runs[1:] if answer not in run]
    chosen = {value for run in inner if (value := _representative(run, way.shapes, fits)) is not None}
    if len(chosen - {answer}) < _FEWEST:
        made = (node.outputs[0] for node in nodes if node.op_type in _ACTIVATIONS)
        chosen |= {value for value in made if value in carrying and value.name in fits}
    before = _penultimate(nodes, carrying)
    if before is not None and before.name in fits:
        chosen.add(before)
    if answer.name in fits:
        chosen.add(answer)
    chosen.discard(way.image)
    return [value for node in nodes for value in node.outputs if value in chosen]


def _runs(bottlenecks: list[ir.Value], way: _Way) -> Iterator[list[ir.Value]]:
    """Yield runs of bottlenecks that are one layer: only activation, normalisation, bias or other order between them.

    The first run, which starts from the image, holds the image in other forms.
    """
    place = {node: number for number, node in enumerate(way.nodes)}
    run: list[ir.Value] = []
    start, size = 0, 0
    for value in bottlenecks:
        end = place[value.producer()] + 1  # type: ignore[index]
        between = [node for node in way.nodes[start:end] if any(made in way.carrying for made in node.outputs)]
        here = math.prod(way.shapes.get(value.name or "", ()))
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


def _spent(way: _Way) -> dict[ir.Node | None, int]:
    """Return the multiply-accumulates per image spent up to and including each node."""
    total = 0
    spent: dict[ir.Node | None, int] = {}
    for node in way.nodes:
        total += flow.macs(node, way.shapes) // way.batch
        spent[node] = total
    return spent
