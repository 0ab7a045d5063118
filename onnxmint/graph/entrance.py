"""How raw pixels enter a target: views of them, what remains of the preprocessing, and the order the target takes."""

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from onnxmint.graph.inputs import ImageInput
from onnxmint.graph.load import TargetModel
from onnxmint.graph.parts import TYPES, Writer
from onnxmint.graph.views import View, spread

_RAW = {"int32": ir.DataType.INT32, "int64": ir.DataType.INT64}
PIXELS = "image"  # name of the uint8 input, where the target leaves it free


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphPreprocess:
    """The part of the preprocessing that runs inside the graph: everything after resizing and cropping.

    Pixels become (x * scale - mean) / std in float32, in that order; steps that change nothing are left out.
    """

    height: int
    width: int
    channels: int
    channel_order: str  # "rgb", "bgr" or "gray", as the declaration of the preprocessing names it
    scale: float
    mean: tuple[float, ...]
    std: tuple[float, ...]


def prepend_pixels(
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
    value = _as_the_target_takes_it(writer, value, target.input, preprocess)
    for node, place in uses:
        node.replace_input_with(place, value)
    _replace_captures(graph, image, value)
    graph.inputs.remove(image)
    graph.inputs.append(pixels)
    return pixels


def _as_the_target_takes_it(
    writer: Writer, value: ir.Value, taken: ImageInput, preprocess: GraphPreprocess
) -> ir.Value:
    """Write from uint8 (N, H, W, C) to the numbers, their type and their order that the target takes."""
    if not taken.raw:
        value = _normalise(writer, writer.cast(value, ir.DataType.FLOAT), preprocess)
        value = writer.cast(value, TYPES[taken.dtype])
    elif taken.dtype != "uint8":
        value = writer.op("Cast", [value], {"to": int(_RAW[taken.dtype])})
    if taken.layout in ("NCHW", "flat-chw"):
        value = writer.op("Transpose", [value], {"perm": [0, 3, 1, 2]})
    if taken.features is not None:
        value = writer.op("Reshape", [value, writer.constant(np.array([-1, *taken.row]), "flat")])
    return value


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
