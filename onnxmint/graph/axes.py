"""Which axis of a tensor holds the channels, and which models keep a token for the class."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

import onnx_ir as ir

from onnxmint.graph.flow import Shapes

FIRST, LAST = "first", "last"
_CHANNELS_FIRST = {
    *("Conv", "ConvInteger", "QLinearConv", "ConvTranspose", "MaxPool", "AveragePool", "GlobalAveragePool"),
    *("GlobalMaxPool", "BatchNormalization", "InstanceNormalization", "GroupNormalization", "LRN"),
    *("QLinearGlobalAveragePool", "QLinearAveragePool"),
}
_CHANNELS_LAST = {"LayerNormalization", "SkipLayerNormalization", "RMSNormalization"}
_RESHAPING = {"Reshape", "Flatten", "Squeeze", "Unsqueeze"}
_TOKENS = 3  # rank of (N, T, C)


def channel_axes(
    nodes: Sequence[ir.Node], carrying: AbstractSet[ir.Value], image: ir.Value, start: str, shapes: Shapes
) -> dict[ir.Value, str]:
    """Follow the channels from the image through the graph; FIRST (behind the batch) or LAST.

    Args:
        nodes: on the way from image to answer, in order.
        carrying: tensors that depend on the image.
        image: the input.
        start: its layout.
        shapes: of all tensors, batch included.
    """
    found = {image: FIRST if start == "NCHW" else LAST}
    for node in nodes:
        source = next((value for value in node.inputs if value in found), None)
        if source is None:
            continue
        after = found[source]
        before, made = shapes.get(source.name or "", ()), shapes.get(node.outputs[0].name or "", ())
        if node.op_type == "Transpose":
            after = _turned(after, list(node.attributes.get_ints("perm", [])))
        elif node.op_type in _RESHAPING and before and made:
            after = _reshaped(after, before, made)
        elif node.op_type in _CHANNELS_FIRST:
            after = FIRST
        elif node.op_type in _CHANNELS_LAST and node.attributes.get_int("axis", -1) in (-1, len(before) - 1):
            after = LAST
        found.update(dict.fromkeys((value for value in node.outputs if value in carrying), after))
    return found


def _turned(axis: str, perm: list[int]) -> str:
    """Return where a transposition moves the channels; unchanged where that is neither first nor last."""
    if not perm:
        return axis
    place = perm.index(1 if axis == FIRST else len(perm) - 1)
    return {1: FIRST, len(perm) - 1: LAST}.get(place, axis)


def _reshaped(axis: str, before: tuple[int, ...], after: tuple[int, ...]) -> str:
    """Say where the channels are after a reshape: on the axis that kept their number, if only one did."""
    if len(before) < 2 or len(after) < 2:  # noqa: PLR2004 - batch and channels
        return axis
    channels = before[1] if axis == FIRST else before[-1]
    first, last = after[1] == channels, after[-1] == channels
    if first == last:
        return axis
    return FIRST if first else LAST


def class_token_counts(nodes: Sequence[ir.Node], shapes: Shapes) -> set[int]:
    """Return the numbers of tokens T of (N, T, C) tensors from which the graph takes the first token by itself.

    A vision transformer with a class token answers from it alone; one without averages over tokens.
    """
    found = set()
    for node in nodes:
        shape = shapes.get(node.inputs[0].name or "", ()) if node.inputs and node.inputs[0] is not None else ()
        if len(shape) == _TOKENS and shape[1] > 1 and _takes_first_token(node):
            found.add(shape[1])
    return found


def _takes_first_token(node: ir.Node) -> bool:
    if node.op_type == "Gather" and node.attributes.get_int("axis", 0) == 1:
        return _numbers(node, 1) == [0]
    if node.op_type != "Slice":
        return False
    starts, ends, axes = (_numbers(node, place) for place in (1, 2, 3))
    if starts is None:  # before opset 10 they were attributes
        starts, ends, axes = (list(node.attributes.get_ints(key, [])) for key in ("starts", "ends", "axes"))
    if starts is None or ends is None or len(starts) != len(ends):
        return False
    ranges = dict(zip(axes or range(len(starts)), zip(starts, ends, strict=True), strict=False))
    return ranges.get(1) == (0, 1)


def _numbers(node: ir.Node, place: int) -> list[int] | None:
    value = node.inputs[place] if place < len(node.inputs) else None
    tensor = None if value is None else ir.convenience.get_const_tensor(value)
    return None if tensor is None else [int(number) for number in tensor.numpy().ravel()]
