"""Operators that look at windows of an image, as PyTorch computes them: convolutions, pooling, padding."""

import itertools
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from onnxmint.remaking.calls import Call, Given, needed, optional, whole

Operator = Callable[[Call, Given], Tensor | tuple[Tensor, ...]]

_CONVOLUTIONS: dict[int, Callable[..., Tensor]] = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}
_BACKWARDS: dict[int, Callable[..., Tensor]] = {
    1: functional.conv_transpose1d,
    2: functional.conv_transpose2d,
    3: functional.conv_transpose3d,
}
_LARGEST: dict[int, Callable[..., Tensor]] = {
    1: functional.max_pool1d,
    2: functional.max_pool2d,
    3: functional.max_pool3d,
}
_MODES = {"constant": "constant", "reflect": "reflect", "edge": "replicate"}


def convolution(call: Call, given: Given) -> Tensor:
    """Compute Conv."""
    image, weight = needed(given, 0), needed(given, 1)
    axes = image.dim() - 2
    strides, dilations = call.get("strides", [1] * axes), call.get("dilations", [1] * axes)
    before, after = _pads(call, image, list(weight.shape[2:]), strides, dilations)
    padding = before if before == after else [0] * axes
    if before != after:
        image = functional.pad(image, _last_first(before, after))
    return _CONVOLUTIONS[axes](
        image,
        weight,
        optional(given, 2),
        stride=strides,
        padding=padding,
        dilation=dilations,
        groups=call.get("group", 1),
    )


def transposed_convolution(call: Call, given: Given) -> Tensor:
    """Compute ConvTranspose."""
    image, weight = needed(given, 0), needed(given, 1)
    axes = image.dim() - 2
    pads = call.get("pads", [0] * 2 * axes)
    if call.get("auto_pad", "NOTSET") != "NOTSET" or call.get("output_shape") or pads[:axes] != pads[axes:]:
        raise call.refused("with an output shape, or uneven pads,")
    return _BACKWARDS[axes](
        image,
        weight,
        optional(given, 2),
        stride=call.get("strides", [1] * axes),
        padding=pads[:axes],
        output_padding=call.get("output_padding", [0] * axes),
        groups=call.get("group", 1),
        dilation=call.get("dilations", [1] * axes),
    )


def max_pool(call: Call, given: Given) -> Tensor:
    """Compute MaxPool: what is added at the border is smaller than everything."""
    image, kernel = needed(given, 0), call.get("kernel_shape")
    axes = len(kernel)
    if call.outputs > 1 or call.get("storage_order", 0):
        raise call.refused("with indices")
    strides, dilations = call.get("strides", [1] * axes), call.get("dilations", [1] * axes)
    before, after = _pads(call, image, kernel, strides, dilations)
    after = _to_the_ceiling(call, image, (kernel, strides, dilations), (before, after))
    if any((*before, *after)):
        image = functional.pad(image, _last_first(before, after), value=-torch.inf)
    return _LARGEST[axes](image, kernel, stride=strides, dilation=dilations)


def average_pool(call: Call, given: Given) -> Tensor:
    """Compute AveragePool: the sum of a window, divided by the places that count."""
    image, kernel = needed(given, 0), call.get("kernel_shape")
    axes = len(kernel)
    strides, dilations = call.get("strides", [1] * axes), call.get("dilations", [1] * axes)
    before, after = _pads(call, image, kernel, strides, dilations)
    further = _to_the_ceiling(call, image, (kernel, strides, dilations), (before, after))
    ones = torch.ones((1, 1, *image.shape[2:]), dtype=image.dtype, device=image.device)
    if call.get("count_include_pad", 0):
        ones = functional.pad(ones, _last_first(before, after), value=1.0)
        ones = functional.pad(ones, _last_first([0] * axes, [x - y for x, y in zip(further, after, strict=True)]))
    else:
        ones = functional.pad(ones, _last_first(before, further))
    image = functional.pad(image, _last_first(before, further))
    channels, window = image.shape[1], torch.ones((1, 1, *kernel), dtype=image.dtype, device=image.device)
    convolve = _CONVOLUTIONS[axes]
    total = convolve(image, window.expand(channels, 1, *kernel), stride=strides, dilation=dilations, groups=channels)
    return total / convolve(ones, window, stride=strides, dilation=dilations)


def over_all_places(call: Call, given: Given) -> Tensor:
    """Compute GlobalAveragePool and GlobalMaxPool."""
    image = needed(given, 0)
    places = tuple(range(2, image.dim()))
    return image.mean(dim=places, keepdim=True) if "Average" in call.kind else image.amax(dim=places, keepdim=True)


def pad(call: Call, given: Given) -> Tensor:
    """Compute Pad; negative pads cut off."""
    image = needed(given, 0)
    mode = call.get("mode", "constant")
    pads = whole(needed(given, 1)) if call.opset >= 11 else call.get("pads")  # noqa: PLR2004 - pads became an input
    level = optional(given, 2)
    value = (float(level) if level is not None else 0.0) if call.opset >= 11 else call.get("value", 0.0)  # noqa: PLR2004
    axes = optional(given, 3)
    if axes is not None:
        chosen = [axis % image.dim() for axis in whole(axes)]
        both = dict(zip(chosen, zip(pads[: len(chosen)], pads[len(chosen) :], strict=True), strict=True))
        pads = [both.get(axis, (0, 0))[side] for side in (0, 1) for axis in range(image.dim())]
    before, after = pads[: image.dim()], pads[image.dim() :]
    if mode not in _MODES:
        raise call.refused(f"of mode {mode}")
    if mode == "constant":
        return functional.pad(image, _last_first(before, after), value=value)
    if any((*before[:2], *after[:2])):
        raise call.refused(f"of mode {mode} over images or channels")
    return functional.pad(image, _last_first(before[2:], after[2:]), mode=_MODES[mode])


def _pads(
    call: Call, image: Tensor, kernel: list[int], strides: list[int], dilations: list[int]
) -> tuple[list[int], list[int]]:
    """Return what is added before and after each axis of places."""
    axes, rule = len(kernel), call.get("auto_pad", "NOTSET")
    if rule in ("NOTSET", "VALID"):
        pads = list(call.get("pads", [0] * 2 * axes)) if rule == "NOTSET" else [0] * 2 * axes
        return pads[:axes], pads[axes:]
    sizes = zip(image.shape[2:], kernel, strides, dilations, strict=True)
    total = [max((-(-size // by) - 1) * by + (wide - 1) * apart + 1 - size, 0) for size, wide, by, apart in sizes]
    small = [one // 2 for one in total]
    large = [one - half for one, half in zip(total, small, strict=True)]
    return (small, large) if rule == "SAME_UPPER" else (large, small)


def _to_the_ceiling(
    call: Call,
    image: Tensor,
    window: tuple[list[int], list[int], list[int]],
    pads: tuple[list[int], list[int]],
) -> list[int]:
    """Return what is added after each axis, with what lets a last window begin where sizes are rounded up."""
    if not call.get("ceil_mode", 0):
        return pads[1]
    found = []
    for size, wide, by, apart, before, after in zip(image.shape[2:], *window, *pads, strict=True):
        reach = (wide - 1) * apart + 1
        count = -(-(size + before + after - reach) // by) + 1
        if (count - 1) * by >= size + before:  # a window that would begin in what was added after
            count -= 1
        found.append(max((count - 1) * by + reach - size - before, after))
    return found


def _last_first(before: list[int], after: list[int]) -> list[int]:
    """Return pads as PyTorch takes them: of the last axis first."""
    return list(itertools.chain.from_iterable(zip(reversed(before), reversed(after), strict=True)))
