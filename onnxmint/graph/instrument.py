"""Graphs that audits run: raw pixels in, preprocessing and views inside, activations and the target's answer out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import onnx_ir as ir

from onnxmint.errors import ModelError
from onnxmint.graph import views
from onnxmint.graph.batching import with_dynamic_batch
from onnxmint.graph.layers import Layer
from onnxmint.graph.load import TargetModel
from onnxmint.graph.parts import Writer, to_channels_first
from onnxmint.graph.running import run_once
from onnxmint.graph.serial import serialize
from onnxmint.graph.surgery import TYPES, declare, extract

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
        model: input (N, H, W, C) uint8 in RGB order, float32 outputs.
        input: name of that input.
        activations: layer name -> output name.
        activation_shapes: layer name -> shape per image, channels first, after pooling.
        answer: output name of the (N, classes) answer.
        label: name of the optional (N,) int64 input, None when the graph takes no labels.
    """

    model: ir.Model
    input: str
    activations: dict[str, str]
    activation_shapes: dict[str, tuple[int, ...]]
    answer: str
    label: str | None = None


def instrument(
    target: TargetModel, layers: Sequence[Layer], preprocess: GraphPreprocess, *, pool: tuple[int, int] | None
) -> Instrumented:
    """Return the graph that audits run: raw pixels in, activations and the answer out, nothing else computed.

    Args:
        target: the model.
        layers: what to expose; maps come out channels first.
        preprocess: what happens to the pixels before they reach the target.
        pool: average maps larger than this to it; None leaves them.

    Raises:
        ModelError: a fixed batch size cannot be made free.
    """
    model = target.model.clone()
    if target.input.batch is not None:
        model = with_dynamic_batch(model, target.input, target.path)
    values = ir.convenience.create_value_mapping(model.graph, include_subgraphs=False)
    writer = Writer(model, taken=values)
    shapes, outputs = {}, {}
    for layer in layers:
        value, shape = _as_module_input(writer, values[layer.tensor], layer, pool)
        outputs[layer.name], shapes[layer.name] = value, shape
    answer = writer.identity(writer.cast(values[target.answer.tensor], ir.DataType.FLOAT), "answer")
    pixels = _prepend_pixels(model, writer, target, preprocess)
    size = (preprocess.height, preprocess.width, preprocess.channels)
    for name, value in outputs.items():
        declare(value, ir.DataType.FLOAT, ("N", *shapes[name]))
    declare(answer, ir.DataType.FLOAT, ("N", target.answer.classes))
    part = extract(model, [*outputs.values(), answer])
    part.graph.name = "onnxmint"
    found = Instrumented(
        model=part,
        input=pixels.name or "",
        activations={name: value.name or "" for name, value in outputs.items()},
        activation_shapes=shapes,
        answer=answer.name or "",
    )
    _check_shapes(found, size, target)
    return found


def instrument_views(target: TargetModel, name: str, preprocess: GraphPreprocess) -> Instrumented:
    """Return the graph that shows the target every view of each image; its answers to them make the activation.

    The graph has a second, optional input, the labels (N,) int64; -1, the default, stands for the target's top class.

    Args:
        target: the model.
        name: what to call the activation, (N, views) log-odds of one class.
        preprocess: what happens to the pixels before they reach the target.

    Raises:
        ModelError: a fixed batch size cannot be made free.
    """
    model = target.model.clone()
    if target.input.batch is not None:
        model = with_dynamic_batch(model, target.input, target.path)
    values = ir.convenience.create_value_mapping(model.graph, include_subgraphs=False)
    writer = Writer(model, taken=values)
    said = writer.cast(values[target.answer.tensor], ir.DataType.FLOAT)
    answers = views.gather(writer, said, target.answer.classes)
    first = writer.op("Gather", [answers, writer.constant(np.int64(0), "first")], {"axis": 1})
    if views.LABEL in values:
        writer.release(values[views.LABEL])
    label = writer.constant(np.array([-1]), views.LABEL, prefix="")
    odds = views.scaled_confidence(
        writer,
        answers,
        first,
        label,
        classes=target.answer.classes,
        kind=target.answer.kind,
        opset=target.opset,
    )
    activation, answer = writer.identity(odds, "activation"), writer.identity(first, "answer")
    pixels = _prepend_pixels(model, writer, target, preprocess, spread=True)
    shape = (len(views.VIEWS),)
    declare(activation, ir.DataType.FLOAT, ("N", *shape))
    declare(answer, ir.DataType.FLOAT, ("N", target.answer.classes))
    part = extract(model, [activation, answer])
    part.graph.name = "onnxmint"
    # An input with an initialiser of the same name is optional: without labels, -1 stands for every image.
    optional = part.graph.initializers[label.name or ""]
    optional.shape = ir.Shape(["L"])
    part.graph.inputs.append(optional)
    found = Instrumented(
        model=part,
        input=pixels.name or "",
        activations={name: activation.name or ""},
        activation_shapes={name: shape},
        answer=answer.name or "",
        label=label.name,
    )
    _check_shapes(found, (preprocess.height, preprocess.width, preprocess.channels), target)
    return found


def settle_label(found: Instrumented, *, given: bool) -> Instrumented:
    """Return a views graph whose label input is required, or gone.

    P-values hold only for scores made as the calibration's were: with labels or without. An optional input would let
    one be mixed with the other.

    Args:
        found: from `instrument_views`; its model is changed.
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
    """Run two blank images: shapes must be as promised for the size that the preprocessing makes."""
    feeds = {found.input: np.zeros((2, *size), np.uint8)}
    names = list(found.activations.values())
    values = run_once(serialize(found.model), feeds, [*names, found.answer], target.path)
    for layer, name in found.activations.items():
        if values[name].shape != (2, *found.activation_shapes[layer]):
            got, promised = list(values[name].shape[1:]), list(found.activation_shapes[layer])
            raise ModelError(
                f"{target.path}: layer {layer!r} gives {got} per image at {size[0]}x{size[1]} pixels, not {promised}: "
                "take another --layer, or a preprocessing size for which it does"
            )


def _as_module_input(
    writer: Writer, value: ir.Value, layer: Layer, pool: tuple[int, int] | None
) -> tuple[ir.Value, tuple[int, ...]]:
    """Return a layer as float32, channels first, pooled when large, under a name of its own."""
    shape = layer.shape
    value = writer.cast(value, ir.DataType.FLOAT)
    if layer.kind == "map":
        value, shape = to_channels_first(writer, value, layer)
        if pool is not None and (shape[1] > pool[0] or shape[2] > pool[1]):
            size = (min(pool[0], shape[1]), min(pool[1], shape[2]))
            value, shape = writer.pool(value, shape, size), (shape[0], *size)
    return writer.identity(value, "activation"), shape


def _prepend_pixels(
    model: ir.Model, writer: Writer, target: TargetModel, preprocess: GraphPreprocess, *, spread: bool = False
) -> ir.Value:
    """Put a uint8 (N, H, W, C) input, its views when `spread`, and the preprocessing before the target's own input."""
    graph = model.graph
    image = next(value for value in graph.inputs if value.name == target.input.name)
    uses = [(use.node, use.idx) for use in image.uses()]
    writer.release(image)
    pixels = ir.Value(name=writer.free(PIXELS), type=ir.TensorType(ir.DataType.UINT8))
    pixels.shape = ir.Shape(["N", preprocess.height, preprocess.width, preprocess.channels])
    first = next(iter(graph))
    writer.before = first
    value = views.spread(writer, pixels, (preprocess.height, preprocess.width)) if spread else pixels
    if target.input.dtype != "uint8":
        value = writer.cast(value, ir.DataType.FLOAT)
        value = _normalise(writer, value, preprocess)
        value = writer.cast(value, TYPES[target.input.dtype])
    if target.input.layout == "NCHW":
        value = writer.op("Transpose", [value], {"perm": [0, 3, 1, 2]})
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
