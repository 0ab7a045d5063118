"""Operators that order, cut and join, as PyTorch does them; sizes are whole numbers in tensors on the CPU."""

import math

import torch
from torch import Tensor

from onnxmint.remaking.calls import AXES_AS_INPUT, Call, Given, as_tensor, needed, optional, whole


def reshape(call: Call, given: Given) -> Tensor:
    """Compute Reshape."""
    value, wanted = needed(given, 0), whole(needed(given, 1))
    if not call.get("allowzero", 0):
        wanted = [value.shape[axis] if size == 0 else size for axis, size in enumerate(wanted)]
    return value.reshape(wanted)


def flatten(call: Call, given: Given) -> Tensor:
    """Compute Flatten."""
    value = needed(given, 0)
    axis = call.get("axis", 1)
    axis = axis + value.dim() if axis < 0 else axis
    return value.reshape(math.prod(value.shape[:axis]), math.prod(value.shape[axis:]))


def squeeze(call: Call, given: Given) -> Tensor:
    """Compute Squeeze."""
    axes = call.axes(given, 1, AXES_AS_INPUT)
    return needed(given, 0).squeeze() if axes is None else needed(given, 0).squeeze(tuple(axes))


def unsqueeze(call: Call, given: Given) -> Tensor:
    """Compute Unsqueeze."""
    value, axes = needed(given, 0), call.axes(given, 1, AXES_AS_INPUT) or []
    for axis in sorted(axis % (value.dim() + len(axes)) for axis in axes):
        value = value.unsqueeze(axis)
    return value


def split(call: Call, given: Given) -> tuple[Tensor, ...]:
    """Compute Split."""
    value, axis = needed(given, 0), call.get("axis", 0)
    sizes = call.get("split") if call.opset < AXES_AS_INPUT else None
    if call.opset >= AXES_AS_INPUT and (told := optional(given, 1)) is not None:
        sizes = whole(told)
    if sizes is None:
        return torch.split(value, -(-value.shape[axis] // call.outputs), dim=axis)
    return torch.split(value, list(sizes), dim=axis)


def cut(call: Call, given: Given) -> Tensor:
    """Compute Slice."""
    value = needed(given, 0)
    if call.opset < 10:  # noqa: PLR2004 - these were attributes
        starts, ends, axes, steps = call.get("starts"), call.get("ends"), call.get("axes"), None
    else:
        starts, ends = whole(needed(given, 1)), whole(needed(given, 2))
        axes, steps = (None if (one := optional(given, place)) is None else whole(one) for place in (3, 4))
    for place, axis in enumerate(axes if axes is not None else range(len(starts))):
        step = 1 if steps is None else steps[place]
        rows = range(value.shape[axis])[slice(*_ends(starts[place], ends[place], step, value.shape[axis]))]
        if step == 1:
            value = value.narrow(axis, rows.start, len(rows))
        else:
            value = value.index_select(axis, torch.tensor(list(rows), device=value.device))
    return value


def _ends(start: int, end: int, step: int, size: int) -> tuple[int, int | None, int]:
    """Return a slice as Python has it; an end before the first element is none at all there."""
    return start, None if step < 0 and end < -size else end, step


def gather(call: Call, given: Given) -> Tensor:
    """Compute Gather."""
    value, index, axis = needed(given, 0), needed(given, 1), call.get("axis", 0)
    axis %= value.dim()
    index = torch.where(index < 0, index + value.shape[axis], index).to(value.device, torch.int64)
    found = value.index_select(axis, index.reshape(-1))
    return found.reshape((*value.shape[:axis], *index.shape, *value.shape[axis + 1 :]))


def transpose(call: Call, given: Given) -> Tensor:
    """Compute Transpose."""
    value = needed(given, 0)
    return value.permute(call.get("perm", tuple(reversed(range(value.dim())))))


def concat(call: Call, given: Given) -> Tensor:
    """Compute Concat."""
    values = [value for value in given if value is not None]
    device = next((value.device for value in values if value.device.type != "cpu"), values[0].device)
    return torch.cat([value.to(device) for value in values], dim=call.get("axis", 1))


def shape(call: Call, given: Given) -> Tensor:
    """Compute Shape."""
    sizes = list(needed(given, 0).shape)
    return torch.tensor(sizes[call.get("start", 0) : call.get("end")], dtype=torch.int64)


def filled(call: Call, given: Given) -> Tensor:
    """Compute ConstantOfShape."""
    value = call.get("value")
    level = torch.zeros(1) if value is None else as_tensor(value.numpy())
    return torch.full(whole(needed(given, 0)), level.reshape(-1)[0].item(), dtype=level.dtype)


def expand(call: Call, given: Given) -> Tensor:
    """Compute Expand."""
    value, wanted = needed(given, 0), whole(needed(given, 1))
    return value.expand(torch.broadcast_shapes(value.shape, tuple(wanted)))
