"""Which tensors of a target are worth exposing, and what a user calls them."""

import difflib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from onnxmint.errors import ModelError, UsageError
from onnxmint.graph import flow
from onnxmint.graph.load import TargetModel, trial_image
from onnxmint.graph.naming import human_names
from onnxmint.graph.running import run_once
from onnxmint.graph.serial import serialize

_REFINING = {  # a tensor read only by one of these is half a layer: what comes after it is offered instead
    *(
        "Relu",
        "LeakyRelu",
        "PRelu",
        "Elu",
        "Selu",
        "Gelu",
        "Clip",
        "HardSwish",
        "Mish",
        "Softplus",
        "BatchNormalization",
    ),
    *("InstanceNormalization", "LayerNormalization", "GroupNormalization", "Cast", "Dropout", "Identity"),
    *("QuantizeLinear", "DequantizeLinear"),
}
_ACTIVATIONS = ("Relu", "LeakyRelu", "PRelu", "Elu", "Selu", "Gelu", "Clip", "HardSwish", "Mish", "Sigmoid", "Tanh")
_PASSING = {"Identity", "Cast", "Dropout", "Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "QuantizeLinear"}
_FLATTENING = {"Flatten", "Reshape", "Squeeze"}
_DENSE = {"Gemm", "MatMul"}
_KINDS = {1: "vector", 2: "tokens", 3: "map"}
_FEWEST = 2  # bottlenecks beside the answer; models with fewer (dense skips) offer their activations


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A tensor of the target that can be exposed.

    Attributes:
        index: position in the list, from 0.
        name: what people call it; unique in the list.
        tensor: exact name in the graph: its identity.
        op: operator that makes it.
        shape: per image, without the batch axis.
        dtype: "float32", "float16" or "float64".
        depth: share of the target's multiply-accumulates spent up to and including it, 0 to 1.
        macs: the same as a count, per image.
        bytes: size per image as the graph holds it.
        kind: "map" (three axes), "tokens" (two) or "vector" (one).
        layout: of a map, "NCHW" or "NHWC"; empty for others.
        suggested: whether "auto" takes it.
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
    suggested: bool


def list_layers(target: TargetModel) -> tuple[Layer, ...]:
    """Return the layers of a target from image to answer, the last being the answer itself.

    Shapes come from one run of a blank image with every tensor exposed, so that nothing has to be inferred.

    Raises:
        ModelError: the graph cannot be run, or no tensor has the images on its first axis.
    """
    model = target.model.clone()
    values = _by_name(model.graph)
    image, answer = values[target.input.name], values[target.answer.tensor]
    nodes, carrying = flow.image_nodes(model.graph, image, answer)
    arrays = _run_tapped(model, nodes, target)
    shapes = {name: array.shape for name, array in arrays.items()}
    shapes |= _constant_shapes(model.graph)
    batch = target.input.batch or 1
    fits = {
        name
        for name, array in arrays.items()
        if array.dtype in (np.float32, np.float16, np.float64) and array.ndim - 1 in _KINDS and len(array) == batch
    }
    chosen = _choose(nodes, carrying, image, answer, shapes, fits)
    if not chosen:
        raise ModelError(f"{target.path}: no tensor between image and answer has the images on its first axis")
    spent = _spent(nodes, shapes, batch)
    layouts = _layouts(nodes, image, target.input.layout)
    names = human_names(chosen)
    suggested = _suggest(chosen, shapes)
    total = max(spent[answer.producer()], 1)
    return tuple(
        Layer(
            index=number,
            name=name,
            tensor=value.name or "",
            op=value.producer().op_type,  # type: ignore[union-attr]
            shape=shapes[value.name or ""][1:],
            dtype=str(arrays[value.name or ""].dtype),
            depth=spent[value.producer()] / total,
            macs=spent[value.producer()],
            bytes=arrays[value.name or ""].nbytes // batch,
            kind=(kind := _KINDS[len(shapes[value.name or ""]) - 1]),
            layout=layouts.get(value, "NCHW") if kind == "map" else "",
            suggested=value is suggested,
        )
        for number, (name, value) in enumerate(zip(names, chosen, strict=True))
    )


def choose_layer(layers: Sequence[Layer], wanted: str) -> Layer:
    """Return the layer a user means: a human name, an exact tensor name, an index, or a word.

    The words: "auto" (the suggested one), "logits" (the last: what the target says), "penultimate" (before it).

    Raises:
        UsageError: there is none; near names are given.
    """
    if wanted == "auto":
        return next(layer for layer in layers if layer.suggested)
    for layer in layers:
        if wanted in (layer.name, layer.tensor):
            return layer
    if wanted == "logits":
        return layers[-1]
    if wanted == "penultimate" and len(layers) > 1:
        return layers[-2]
    if wanted.isdecimal() and int(wanted) < len(layers):
        return layers[int(wanted)]
    known = [name for layer in layers for name in (layer.name, layer.tensor)]
    near = list(dict.fromkeys(difflib.get_close_matches(wanted, known, n=3, cutoff=0.4)))
    hint = f"closest: {', '.join(map(repr, near))}" if near else f"there are 0 to {len(layers) - 1}"
    raise UsageError(f"no layer {wanted!r}; {hint}; see them all with: onnxmint layers MODEL")


def _by_name(graph: ir.Graph) -> dict[str, ir.Value]:
    return dict(ir.convenience.create_value_mapping(graph, include_subgraphs=False))


def _run_tapped(model: ir.Model, nodes: list[ir.Node], target: TargetModel) -> dict[str, np.ndarray]:
    """Run a blank image with every tensor on the way exposed."""
    graph = model.graph
    known = {value.name for value in graph.outputs}
    for node in nodes:
        for value in node.outputs:
            if value.name and value.name not in known:
                graph.outputs.append(value)
    names = [value.name or "" for node in nodes for value in node.outputs if value.name]
    feeds = {target.input.name: trial_image(target.input, 1)}
    return run_once(serialize(model), feeds, list(dict.fromkeys(names)), target.path)


def _constant_shapes(graph: ir.Graph) -> dict[str, tuple[int, ...]]:
    return {
        name: tuple(value.const_value.shape.numpy())
        for name, value in graph.initializers.items()
        if value.const_value is not None
    }


def _choose(
    nodes: list[ir.Node],
    carrying: set[ir.Value],
    image: ir.Value,
    answer: ir.Value,
    shapes: flow.Shapes,
    fits: set[str],
) -> list[ir.Value]:
    """Return the tensors worth offering, in order."""
    found = [value for value in flow.bottlenecks(nodes, carrying, image, answer) if value.name in fits]
    chosen = {value for value in found if _is_whole(value, shapes)}
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


def _is_whole(value: ir.Value, shapes: flow.Shapes) -> bool:
    """Say whether a bottleneck is the end of a layer, not half of one or a mere change of shape."""
    node = value.producer()
    readers = {user.op_type for user in value.consumers()}
    shape = shapes[value.name or ""]
    if readers and all(user.op_type in _REFINING or _adds_bias(user, value) for user in value.consumers()):
        return False
    if readers and readers <= _FLATTENING and math.prod(shape[2:]) == 1 and len(shape) > 2:  # noqa: PLR2004
        return False  # a pooled (C, 1, 1) map: the vector behind it is offered
    if node is not None and node.op_type in _PASSING:
        source = shapes.get(node.inputs[0].name or "", ()) if node.inputs[0] is not None else ()
        return len(shape) == 2 and len(source) > 2 and math.prod(source[2:]) == 1  # noqa: PLR2004
    return True


def dense_input(target: TargetModel) -> str | None:
    """Return the tensor that the last dense layer reads, None when the logits do not come straight from one."""
    if target.answer.kind != "logits":
        return None
    value: ir.Value | None = _by_name(target.model.graph)[target.answer.tensor]
    while value is not None and (node := value.producer()) is not None:
        moving = [entry for entry in node.inputs if entry is not None and not _is_constant(entry)]
        if len(moving) != 1:
            return None
        (value,) = moving
        if node.op_type in _DENSE:
            return value.name
        if node.op_type not in {"Add", "Identity", "Cast"}:
            return None
    return None


def _is_constant(value: ir.Value) -> bool:
    """Say whether a value is an initialiser, or one that was only cast."""
    node = value.producer()
    if node is None:
        return value.is_initializer()
    return all(entry is None or _is_constant(entry) for entry in node.inputs)


def _adds_bias(node: ir.Node, value: ir.Value) -> bool:
    """Say whether a node only adds or multiplies a constant to a value."""
    others = [other for other in node.inputs if other is not None and other is not value]
    return node.op_type in {"Add", "Mul", "Sub", "Div"} and all(other.is_initializer() for other in others)


def _penultimate(nodes: list[ir.Node], carrying: set[ir.Value]) -> ir.Value | None:
    """Return what the last dense layer reads."""
    for node in reversed(nodes):
        if node.op_type in _DENSE:
            return next((v for v in node.inputs if v is not None and v in carrying and v.producer() is not None), None)
    return None


def _spent(nodes: list[ir.Node], shapes: flow.Shapes, batch: int) -> dict[ir.Node | None, int]:
    """Return the multiply-accumulates per image spent up to and including each node."""
    total, spent = 0, {}
    for node in nodes:
        total += flow.macs(node, shapes) // batch
        spent[node] = total
    return spent  # type: ignore[return-value]


def _layouts(nodes: list[ir.Node], image: ir.Value, start: str) -> dict[ir.Value, str]:
    """Follow the layout of maps from the image through transpositions."""
    found = {image: start}
    for node in nodes:
        before = next((found[value] for value in node.inputs if value in found), None)
        perm = list(node.attributes.get_ints("perm", [])) if node.op_type == "Transpose" else []
        after = before
        if perm in ([0, 3, 1, 2], [0, 2, 3, 1]):
            after = "NCHW" if perm[1] == 3 else "NHWC"  # noqa: PLR2004 - where the channels were
        if node.op_type in {"Conv", "MaxPool", "AveragePool", "GlobalAveragePool", "BatchNormalization"}:
            after = "NCHW"
        if after is not None:
            found.update(dict.fromkeys(node.outputs, after))
    return found


def _suggest(chosen: list[ir.Value], shapes: flow.Shapes) -> ir.Value:
    """Return the deepest map with room in it, else the last layer before the answer."""
    smallest = 4  # positions: below 2 x 2 a map is a vector
    for value in reversed(chosen):
        shape = shapes[value.name or ""]
        if len(shape) == 4 and math.prod(sorted(shape[1:])[:2]) >= smallest:  # noqa: PLR2004 - batch and a map
            return value
    return chosen[-2] if len(chosen) > 1 else chosen[-1]
