"""Operators of ONNX as PyTorch computes them: a table from the name to a function of a call and its inputs.

Shapes are whole numbers in tensors on the CPU, so that a graph that computes shapes is made anew as it stands.
"""

import math
from collections.abc import Callable

import onnx_ir as ir
import torch
from torch import Tensor
from torch.nn import functional

from onnxmint.remaking import shapes, windows
from onnxmint.remaking.calls import AXES_AS_INPUT, FLOAT, Call, Given, beside, needed, optional

Operator = Callable[[Call, Given], Tensor | tuple[Tensor, ...]]

_INTEGERS = {ir.DataType.INT64: torch.int64, ir.DataType.INT32: torch.int32, ir.DataType.UINT8: torch.uint8}
_INTEGERS |= {ir.DataType.INT8: torch.int8, ir.DataType.INT16: torch.int16, ir.DataType.BOOL: torch.bool}
_FLOATS = (ir.DataType.FLOAT, ir.DataType.FLOAT16, ir.DataType.DOUBLE, ir.DataType.BFLOAT16)
_LAST_FLATTENED = 13  # opset from which Softmax is along one axis, and not along all from it on
_REDUCED = 18  # from which the other reductions do


def _plain(compute: Callable[..., Tensor]) -> Operator:
    """Return the operator that gives all its inputs to a function."""
    return lambda call, given: compute(*given)


def _paired(compute: Callable[[Tensor, Tensor], Tensor]) -> Operator:
    """Return the operator that joins all its inputs, two by two; whole numbers on the CPU go where the others are."""

    def operate(call: Call, given: Given) -> Tensor:
        found = needed(given, 0)
        for place in range(1, len(given)):
            found = compute(*beside(found, needed(given, place)))
        return found

    return operate


def _sum(given: Given) -> Tensor:
    """Return the sum of all inputs."""
    found = needed(given, 0)
    for place in range(1, len(given)):
        found = found + needed(given, place)
    return found


def _divide(first: Tensor, second: Tensor) -> Tensor:
    if first.is_floating_point() or second.is_floating_point():
        return first / second
    return torch.div(first, second, rounding_mode="trunc")


def _reduced(compute: Callable[..., Tensor], since: int = _REDUCED) -> Operator:
    """Return a reduction."""

    def operate(call: Call, given: Given) -> Tensor:
        value, axes = needed(given, 0), call.axes(given, 1, since)
        if not axes and call.get("noop_with_empty_axes", 0):
            return value
        return compute(value, dim=tuple(axes or range(value.dim())), keepdim=bool(call.get("keepdims", 1)))

    return operate


def _sum_of_squares(value: Tensor, dim: tuple[int, ...], keepdim: bool) -> Tensor:
    return value.square().sum(dim=dim, keepdim=keepdim)


def _softmax(call: Call, given: Given) -> Tensor:
    value, compute = needed(given, 0), functional.log_softmax if call.kind == "LogSoftmax" else functional.softmax
    if call.opset >= _LAST_FLATTENED:
        return compute(value, dim=call.get("axis", -1))
    axis = call.get("axis", 1) % value.dim()
    return compute(value.reshape(math.prod(value.shape[:axis]), -1), dim=1).reshape(value.shape)


def _clip(call: Call, given: Given) -> Tensor:
    low, high = (
        (call.get("min"), call.get("max")) if call.opset < 11 else (optional(given, 1), optional(given, 2))  # noqa: PLR2004
    )
    return torch.clamp(needed(given, 0), None if low is None else float(low), None if high is None else float(high))


def _gemm(call: Call, given: Given) -> Tensor:
    first, second, third = needed(given, 0), needed(given, 1), optional(given, 2)
    first = first.T if call.get("transA", 0) else first
    second = second.T if call.get("transB", 0) else second
    alpha, beta = call.get("alpha", 1.0), call.get("beta", 1.0)
    found = first @ second if alpha == 1 else alpha * (first @ second)
    return found if third is None else found + (third if beta == 1 else beta * third)


def _cast(call: Call, given: Given) -> Tensor:
    wanted, value = ir.DataType(call.get("to")), needed(given, 0)
    if wanted in _FLOATS:
        return value.to(FLOAT)
    if wanted not in _INTEGERS:
        raise call.refused(f"to {wanted.name}")
    return value.to(_INTEGERS[wanted])


def _layer_norm(call: Call, given: Given) -> Tensor:
    value, axis = needed(given, 0), call.get("axis", -1)
    if call.outputs > 1:
        raise call.refused("with further outputs")
    shape = value.shape[axis:]
    bias = optional(given, 2)
    return functional.layer_norm(
        value, shape, needed(given, 1).expand(shape), None if bias is None else bias.expand(shape),
        call.get("epsilon", 1e-5),
    )  # fmt: skip


def _instance_norm(call: Call, given: Given) -> Tensor:
    return functional.instance_norm(
        needed(given, 0), weight=needed(given, 1), bias=needed(given, 2), eps=call.get("epsilon", 1e-5)
    )


def _group_norm(call: Call, given: Given) -> Tensor:
    value, scale, bias, groups = needed(given, 0), needed(given, 1), needed(given, 2), call.get("num_groups")
    if len(scale) != value.shape[1]:
        raise call.refused("with a scale for each group")
    return functional.group_norm(value, groups, scale, bias, call.get("epsilon", 1e-5))


def _prelu(call: Call, given: Given) -> Tensor:
    value, slope = needed(given, 0), needed(given, 1)
    return torch.where(value < 0, value * slope, value)


def _where(call: Call, given: Given) -> Tensor:
    first, second = beside(needed(given, 1), needed(given, 2))
    mask, first = beside(needed(given, 0).bool(), first)
    return torch.where(mask, first, second.to(first.device))


def _range(call: Call, given: Given) -> Tensor:
    start, end, step = (needed(given, place).item() for place in (0, 1, 2))
    return torch.arange(start, end, step, dtype=needed(given, 0).dtype)


OPERATORS: dict[str, Operator] = {
    "Add": _paired(torch.add),
    "Sub": _paired(torch.sub),
    "Mul": _paired(torch.mul),
    "Div": _paired(_divide),
    "Pow": _paired(torch.pow),
    "Sum": _paired(torch.add),
    "Min": _paired(torch.minimum),
    "Max": _paired(torch.maximum),
    "MatMul": _paired(torch.matmul),
    "Equal": _paired(torch.eq),
    "Less": _paired(torch.lt),
    "Greater": _paired(torch.gt),
    "Mean": lambda call, given: _sum(given) / len(given),
    "Relu": _plain(functional.relu),
    "Sigmoid": _plain(torch.sigmoid),
    "Tanh": _plain(torch.tanh),
    "Erf": _plain(torch.erf),
    "Exp": _plain(torch.exp),
    "Log": _plain(torch.log),
    "Sqrt": _plain(torch.sqrt),
    "Reciprocal": _plain(torch.reciprocal),
    "Abs": _plain(torch.abs),
    "Neg": _plain(torch.neg),
    "Floor": _plain(torch.floor),
    "Ceil": _plain(torch.ceil),
    "Not": _plain(torch.logical_not),
    "Softplus": _plain(functional.softplus),
    "Softsign": _plain(functional.softsign),
    "Mish": _plain(functional.mish),
    "HardSwish": _plain(functional.hardswish),
    "Identity": _plain(lambda value: value),
    "LeakyRelu": lambda call, given: functional.leaky_relu(needed(given, 0), call.get("alpha", 0.01)),
    "Elu": lambda call, given: functional.elu(needed(given, 0), call.get("alpha", 1.0)),
    "Celu": lambda call, given: functional.celu(needed(given, 0), call.get("alpha", 1.0)),
    "Selu": lambda call, given: functional.selu(needed(given, 0)),
    "Gelu": lambda call, given: functional.gelu(needed(given, 0), approximate=call.get("approximate", "none")),
    "HardSigmoid": lambda call, given: torch.clamp(
        needed(given, 0) * call.get("alpha", 0.2) + call.get("beta", 0.5), 0.0, 1.0
    ),
    "PRelu": _prelu,
    "Clip": _clip,
    "Softmax": _softmax,
    "LogSoftmax": _softmax,
    "Gemm": _gemm,
    "Conv": windows.convolution,
    "ConvTranspose": windows.transposed_convolution,
    "MaxPool": windows.max_pool,
    "AveragePool": windows.average_pool,
    "GlobalAveragePool": windows.over_all_places,
    "GlobalMaxPool": windows.over_all_places,
    "Pad": windows.pad,
    "ReduceMean": _reduced(torch.mean),
    "ReduceSum": _reduced(torch.sum, AXES_AS_INPUT),
    "ReduceMax": _reduced(torch.amax),
    "ReduceMin": _reduced(torch.amin),
    "ReduceL2": _reduced(lambda value, dim, keepdim: _sum_of_squares(value, dim, keepdim).sqrt()),
    "ReduceSumSquare": _reduced(_sum_of_squares),
    "LayerNormalization": _layer_norm,
    "InstanceNormalization": _instance_norm,
    "GroupNormalization": _group_norm,
    "Cast": _cast,
    "Reshape": shapes.reshape,
    "Flatten": shapes.flatten,
    "Squeeze": shapes.squeeze,
    "Unsqueeze": shapes.unsqueeze,
    "Split": shapes.split,
    "Slice": shapes.cut,
    "Gather": shapes.gather,
    "Transpose": shapes.transpose,
    "Concat": shapes.concat,
    "Shape": shapes.shape,
    "ConstantOfShape": shapes.filled,
    "Expand": shapes.expand,
    "Where": _where,
    "Range": _range,
}
"""What can be computed; Constant, Dropout and BatchNormalization are the network's own business."""
