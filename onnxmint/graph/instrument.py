"""Graphs that audits run: raw pixels in, preprocessing and views inside, activations and the target's answer out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import onnx_ir as ir

from onnxmint.errors import ModelError
from onnxmint.graph.answers import Answer
from onnxmint.graph.batching import with_dynamic_batch
from onnxmint.graph.layers import Layer
from onnxmint.graph.load import TargetModel
from onnxmint.graph.parts import TYPES, Writer, pool_tokens, read_layer, to_channels_first
from onnxmint.graph.running import run_once
from onnxmint.graph.surgery import declare, extract
from onnxmint.graph.views import LABEL, View, first_view, scaled_confidence, spread

_RAW = {"int32": ir.DataType.INT32, "int64": ir.DataType.INT64}
_LAST = np.float32(2**-24)  # from 1 to the number before it
PIXELS = "image"  # name of the uint8 input, where the target leaves it free


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphPreprocess:
    """The part of the preprocessing that runs inside the graph: everything after resizing and cropping.

    Pixels become (x * scale - mean) / std in float32, in that order; steps that change nothing are left out.
    """

    height: int
    width: int
    channels: int
    channel_order: str  # "rgb", "bgr" or "gray"
    scale: float
    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrumented:
    """A graph that takes raw pixels and gives activations and the target's answer.

    Attributes:
        model: input (N, H, W, C) uint8 in RGB order, float32 outputs; (1, H, W, C) for targets that mix images.
        input: name of that input.
        activations: layer name -> output name.
        activation_shapes: layer name -> shape per image, channels first, after pooling.
        answer: output name of the (N, classes) answer.
        odds: output name of the (N, views) log-odds of one class, None without views.
        label: name of the optional (N,) int64 input, None when the graph takes no labels.
    """

    model: ir.Model
    input: str
    activations: dict[str, str]
    activation_shapes: dict[str, tuple[int, ...]]
    answer: str
    odds: str | None = None
    label: str | None = None


def instrument(
    target: TargetModel,
    layers: Sequence[Layer],
    preprocess: GraphPreprocess,
    *,
    pool: tuple[int, int] | None,
    views: tuple[View, ...] = (),
    joined: bool = False,
) -> Instrumented:
    """Return the graph that audits run: raw pixels in, activations and the answer out, nothing else computed.

    With views the target is shown every view of each image; activations and answer are those of the image itself, and
    a further output holds the log-odds of one class in every view. The graph then has a second, optional input, the
    labels (N,) int64; -1, the default, stands for the target's top class.

    Args:
        target: the model.
        layers: what to expose; maps come out channels first.
        preprocess: what happens to the pixels before they reach the target.
        pool: average maps larger than this to it; None leaves them.
        views: one of VIEW_SETS, or nothing.
        joined: give out the layers as one, named after all: maps of one size by their channels, others averaged over
            their positions first.

    Raises:
        ModelError: a fixed batch size cannot be made free.
    """
    model = target.model.clone()
    if target.input.batch is not None:
        model = with_dynamic_batch(model, target.input, target.path)
    values = ir.convenience.create_value_mapping(model.graph, include_subgraphs=False)
    writer = Writer(model, taken=values)
    read = {layer.name: _as_module_input(writer, read_layer(writer, values, layer), layer, pool) for layer in layers}
    if joined and len(read) > 1:
        read = {joined_name(layers): _joined(writer, list(read.values()))}
    shapes, outputs = {}, {}
    for name, (value, shape) in read.items():
        value = first_view(writer, value, shape, len(views) or 1)
        outputs[name], shapes[name] = writer.identity(value, "activation"), shape
        declare(outputs[name], ir.DataType.FLOAT, ("N", *shape))
    said = _rows(writer, values[target.answer.tensor], target.answer)
    classes = target.answer.classes
    answer = writer.identity(first_view(writer, said, (classes,), len(views) or 1), "answer")
    declare(answer, ir.DataType.FLOAT, ("N", classes))
    odds, label = _log_odds(writer, values, target, (said, answer), len(views)) if views else (None, None)
    pixels = _prepend_pixels(model, writer, target, preprocess, views)
    part = _extracted(model, [*outputs.values(), answer, *([odds] if odds is not None else [])], label)
    found = Instrumented(
        model=part,
        input=pixels.name or "",
        activations={name: value.name or "" for name, value in outputs.items()},
        activation_shapes=shapes,
        answer=answer.name or "",
        odds=None if odds is None else odds.name,
        label=None if label is None else label.name,
    )
    _check_shapes(found, (preprocess.height, preprocess.width, preprocess.channels), target)
    return found


def _extracted(model: ir.Model, outputs: Sequence[ir.Value], label: ir.Value | None) -> ir.Model:
    """Return what the outputs need; the label, so far a constant, becomes an optional input."""
    part = extract(model, outputs)
    part.graph.name = "onnxmint"
    if label is not None:  # an input with an initialiser of its name is optional
        optional = part.graph.initializers[label.name or ""]
        optional.shape = ir.Shape(["L"])
        part.graph.inputs.append(optional)
    return part


def _log_odds(
    writer: Writer, values: Mapping[str, ir.Value], target: TargetModel, said: tuple[ir.Value, ir.Value], count: int
) -> tuple[ir.Value, ir.Value]:
    """Write the (N, V) log-odds of one class; `said` are the answers to all views and to the images themselves.

    Returns:
        The log-odds and the label, so far a constant.
    """
    if LABEL in values:
        writer.release(values[LABEL])
    label = writer.constant(np.array([-1]), LABEL, prefix="")
    odds = scaled_confidence(
        writer,
        *said,
        label,
        classes=target.answer.classes,
        kind=target.answer.kind,
        opset=target.opset,
        count=count,
    )
    odds = writer.identity(odds, "odds")
    declare(odds, ir.DataType.FLOAT, ("N", count))
    return odds, label


def settle_label(found: Instrumented, *, given: bool) -> Instrumented:
    """Return a views graph whose label input is required, or gone.

    P-values hold only for scores made as the calibration's were: with labels or without. An optional input would let
    one be mixed with the other.

    Args:
        found: from `instrument` with views; its model is changed.
        given: true when every image comes with a label; false fixes it at -1, the target's own top class.
    """
    graph, name = found.model.graph, found.label or ""
    label = graph.initializers[name]
    if not given:
        graph.inputs.remove(label)
        return replace(found, label=None)
    del graph.initializers[name]
    label.const_value = None
    return found


def _check_shapes(found: Instrumented, size: tuple[int, int, int], target: TargetModel) -> None:
    """Run blank images: shapes must be as promised for the size that the preprocessing makes."""
    count = 1 if target.input.mixes else 2
    feeds = {found.input: np.zeros((count, *size), np.uint8)}
    names = [*found.activations.values(), found.answer, *([found.odds] if found.odds else [])]
    values = run_once(found.model, feeds, names, target.path)
    for layer, name in found.activations.items():
        if values[name].shape != (count, *found.activation_shapes[layer]):
            got, promised = list(values[name].shape[1:]), list(found.activation_shapes[layer])
            raise ModelError(
                f"{target.path}: layer {layer!r} gives {got} per image at {size[0]}x{size[1]} pixels, not {promised}: "
                "take another --layer, or a preprocessing size for which it does"
            )


def _as_module_input(
    writer: Writer, value: ir.Value, layer: Layer, pool: tuple[int, int] | None
) -> tuple[ir.Value, tuple[int, ...]]:
    """Return a layer as float32: maps channels first and pooled when large, tokens pooled, vectors as they are."""
    shape = layer.shape
    value = writer.cast(value, ir.DataType.FLOAT)
    if layer.kind == "map":
        value, shape = to_channels_first(writer, value, layer)
        if pool is not None and (shape[1] > pool[0] or shape[2] > pool[1]):
            size = (min(pool[0], shape[1]), min(pool[1], shape[2]))
            value, shape = writer.pool(value, shape, size), (shape[0], *size)
    if layer.kind == "tokens":
        value, shape = pool_tokens(writer, value, layer)
    return value, shape


def joined_name(layers: Sequence[Layer]) -> str:
    """Return what one or several layers read as one are called."""
    return " + ".join(layer.name for layer in layers)


def _joined(writer: Writer, parts: list[tuple[ir.Value, tuple[int, ...]]]) -> tuple[ir.Value, tuple[int, ...]]:
    """Return layers side by side: along their channels where all are maps of one size, else averaged to vectors."""
    sizes = {shape[1:] for _, shape in parts}
    if len(sizes) > 1:
        parts = [_averaged(writer, value, shape) for value, shape in parts]
    channels = sum(shape[0] for _, shape in parts)
    return writer.op("Concat", [value for value, _ in parts], {"axis": 1}), (channels, *parts[0][1][1:])


def _averaged(writer: Writer, value: ir.Value, shape: tuple[int, ...]) -> tuple[ir.Value, tuple[int, ...]]:
    """Return (N, C) of (N, C, H, W) or (N, C)."""
    if len(shape) == 1:
        return value, shape
    mean = writer.op("GlobalAveragePool", [value])
    return writer.op("Reshape", [mean, writer.constant(np.array([-1, shape[0]]), "averaged")]), shape[:1]


def _rows(writer: Writer, value: ir.Value, answer: Answer) -> ir.Value:
    """Return the answer as float32 (N, classes): of a single column z, the logits (0, z), or of p, (1 - p, p).

    Probabilities of labels become their log-odds; of one that float32 rounds to 1, those of the last number before 1.
    """
    value = writer.cast(value, ir.DataType.FLOAT)
    if answer.rank != 2:  # noqa: PLR2004 - batch and classes
        columns = 1 if answer.single else answer.classes
        value = writer.op("Reshape", [value, writer.constant(np.array([-1, columns]), "rows")])
    if answer.squashed:
        rest = writer.op("Sub", [writer.constant(np.float32(1), "one"), value])
        sides = [(value, writer.constant(np.float32(1e-30), "smallest")), (rest, writer.constant(_LAST, "last"))]
        logs = [writer.op("Log", [writer.op("Add", list(side))]) for side in sides]
        return writer.op("Sub", logs)
    if not answer.single:
        return value
    if answer.kind == "logits":
        return writer.op("MatMul", [value, writer.constant(np.array([[0, 1]], np.float32), "second")])
    both = writer.op("MatMul", [value, writer.constant(np.array([[-1, 1]], np.float32), "both")])
    return writer.op("Add", [both, writer.constant(np.array([1, 0], np.float32), "rest")])


def _prepend_pixels(
    model: ir.Model, writer: Writer, target: TargetModel, preprocess: GraphPreprocess, views: tuple[View, ...]
) -> ir.Value:
    """Put a uint8 (N, H, W, C) input, its views, and the preprocessing before the target's own input."""
    graph = model.graph
    image = next(value for value in graph.inputs if value.name == target.input.name)
    uses = [(use.node, use.idx) for use in image.uses()]
    writer.release(image)
    pixels = ir.Value(name=writer.free(PIXELS), type=ir.TensorType(ir.DataType.UINT8))
    pixels.shape = ir.Shape(
        [1 if target.input.mixes else "N", preprocess.height, preprocess.width, preprocess.channels]
    )
    first = next(iter(graph))
    writer.before = first
    value = spread(writer, pixels, (preprocess.height, preprocess.width), views) if len(views) > 1 else pixels
    if target.input.raw:
        value = (
            value
            if target.input.dtype == "uint8"
            else writer.op("Cast", [value], {"to": int(_RAW[target.input.dtype])})
        )
    else:
        value = writer.cast(value, ir.DataType.FLOAT)
        value = _normalise(writer, value, preprocess)
        value = writer.cast(value, TYPES[target.input.dtype])
    if target.input.layout in ("NCHW", "flat-chw"):
        value = writer.op("Transpose", [value], {"perm": [0, 3, 1, 2]})
    if target.input.features is not None:
        value = writer.op("Reshape", [value, writer.constant(np.array([-1, *target.input.row]), "flat")])
    for node, place in uses:
        node.replace_input_with(place, value)
    _replace_captures(graph, image, value)
    graph.inputs.remove(image)
    graph.inputs.append(pixels)
    return pixels


def _replace_captures(graph: ir.Graph, old: ir.Value, new: ir.Value) -> None:
    for node in ir.traversal.RecursiveGraphIterator(graph):
        for place, value in enumerate(node.inputs):
            if value is old and node is not new.producer():
                node.replace_input_with(place, new)


def _normalise(writer: Writer, value: ir.Value, preprocess: GraphPreprocess) -> ir.Value:
    """Write (x * scale - mean) / std, channels last, in float32."""
    if preprocess.channel_order == "bgr":
        value = writer.op("Gather", [value, writer.constant(np.array([2, 1, 0]), "bgr")], {"axis": 3})
    if preprocess.scale != 1:
        value = writer.op("Mul", [value, writer.constant(np.float32(preprocess.scale), "scale")])
    mean, std = np.array(preprocess.mean, np.float32), np.array(preprocess.std, np.float32)
    if mean.any():
        value = writer.op("Sub", [value, writer.constant(mean, "mean")])
    if (std != 1).any():
        value = writer.op("Div", [value, writer.constant(std, "std")])
    return value
