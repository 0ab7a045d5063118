"""Normalisation that a graph does to its image itself: a preprocessing that does it too would do it twice."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from onnxmint.graph.load import TargetModel

_PASSING = {"Identity", "Cast", "Transpose", "Dropout"}
_LARGE = 4.0  # a mean or deviation beyond it is one of levels 0 to 255, not 0 to 1
_EPSILON = 1e-5  # of BatchNormalization, by ONNX's default
_FULL = 255.0
_NEAR = 0.05  # share by which a range of pixels may differ, as 1/256 does from 1/255

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphNormalisation:
    """What a graph does to the image first: (x - mean) / std, one number or one per channel.

    Attributes:
        mean: taken off.
        std: divided by.
        range: the pixels that fit, "0-255" or "0-1"; None when the numbers do not tell.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    range: Literal["0-255", "0-1"] | None

    @property
    def text(self) -> str:
        """Return it as a sentence."""
        advice = f": declare {self.range}" if self.range else ""
        return f"The graph itself subtracts {_shown(self.mean)} and divides by {_shown(self.std)}{advice}."

    def contradiction(self, scale: float, mean: tuple[float, ...], std: tuple[float, ...]) -> str | None:
        """Return what is wrong with a declaration of (pixel * scale - mean) / std, None when nothing is."""
        low = min((0 - m) / s for m, s in zip(mean, std, strict=True))
        high = max((_FULL * scale - m) / s for m, s in zip(mean, std, strict=True))
        most = {"0-255": _FULL, "0-1": 1.0}.get(self.range or "")
        if most is None or (math.isclose(low, 0, abs_tol=_NEAR) and math.isclose(high, most, rel_tol=_NEAR)):
            return None
        return (
            f"{self.text.removesuffix('.')}, but the declared preprocessing hands it {low:.3g} to {high:.3g}: images "
            "may be prepared twice (onnxmint check compares)."
        )


def find_normalisation(target: TargetModel) -> GraphNormalisation | None:
    """Return the normalisation by constants that a graph does before anything else, None when it does none.

    Followed are casts, transpositions (not of rows of pixels), and arithmetic with one number or one per channel: Sub,
    Add, Mul, Div and BatchNormalization.
    """
    value: ir.Value | None = next(one for one in target.model.graph.inputs if one.name == target.input.name)
    flat = target.input.features is not None  # then channels have no axis of their own
    axis, channels = (-1 if flat else 1 if target.input.layout == "NCHW" else 3), target.input.channels
    factor, offset = np.ones(channels), np.zeros(channels)
    while value is not None and len(uses := list(value.uses())) == 1:
        node = uses[0].node
        if node.op_type == "Transpose" and flat:
            break
        if node.op_type == "Transpose":
            axis = list(node.attributes.get_ints("perm", [])).index(axis) if "perm" in node.attributes else 3 - axis
        elif node.op_type not in _PASSING:
            step = _affine(node, value, axis, channels)
            if step is None:
                break
            factor, offset = factor * step[0], offset * step[0] + step[1]
        value = node.outputs[0]
    if (np.allclose(factor, 1) and np.allclose(offset, 0)) or not factor.all():
        return None
    return _described(0 - offset / factor, 1 / factor)  # never -0


def _described(mean: Floats, std: Floats) -> GraphNormalisation:
    extent = max(float(np.abs(mean).max()), float(np.abs(std).max()))
    tells = extent > _LARGE or (float(mean.min()) > 0.05 and float(mean.max()) < 1)  # noqa: PLR2004 - of levels 0 to 1
    known: Literal["0-255", "0-1"] = "0-255" if extent > _LARGE else "0-1"
    return GraphNormalisation(mean=_merged(mean), std=_merged(std), range=known if tells else None)


def _affine(node: ir.Node, image: ir.Value, axis: int, channels: int) -> tuple[Floats, Floats] | None:
    """Return the factor and the offset per channel that a node applies to the image, None for anything else."""
    if node.domain in ("", "ai.onnx") and node.op_type == "BatchNormalization":
        return _batch_norm(node, image, axis, channels)
    if node.domain not in ("", "ai.onnx") or node.op_type not in ("Sub", "Add", "Mul", "Div"):
        return None
    first = node.inputs[0] is image
    number = _per_channel(node.inputs[1 if first else 0], axis, channels)
    if number is None or (node.op_type == "Div" and not (first and number.all())):
        return None
    one, zero = np.ones(channels), np.zeros(channels)
    if node.op_type in ("Mul", "Div"):
        return (number if node.op_type == "Mul" else 1 / number), zero
    if node.op_type == "Add":
        return one, number
    return (one, -number) if first else (-one, number)


def _batch_norm(node: ir.Node, image: ir.Value, axis: int, channels: int) -> tuple[Floats, Floats] | None:
    parts = [_constant(value) for value in node.inputs[1:5]]
    if axis != 1 or node.inputs[0] is not image or any(part is None or part.size != channels for part in parts):
        return None
    scale, bias, mean, variance = (part.reshape(-1) for part in parts if part is not None)
    factor = scale / np.sqrt(variance + node.attributes.get_float("epsilon", _EPSILON))
    return factor, bias - mean * factor


def _per_channel(value: ir.Value | None, axis: int, channels: int) -> Floats | None:
    """Return one number per channel of a constant that is broadcast over images, None when it is anything else."""
    array = _constant(value)
    if array is None or array.ndim > 4:  # noqa: PLR2004 - rank of a batch of images
        return None
    if array.size == 1:
        return np.full(channels, float(array.reshape(-1)[0]))
    shape = (1,) * (4 - array.ndim) + array.shape
    expected = tuple(channels if place == axis else 1 for place in range(4))
    return array.reshape(-1) if shape == expected else None


def _constant(value: ir.Value | None) -> Floats | None:
    """Return what an initialiser or a Constant node holds, through casts and copies."""
    while value is not None and value.const_value is None:
        node = value.producer()
        if node is None:
            return None
        if node.op_type == "Constant":
            tensor = node.attributes.get_tensor("value", None)
            number = node.attributes.get_float("value_float", None)
            if tensor is not None:
                return np.asarray(tensor.numpy(), np.float64)
            return None if number is None else np.array(number)
        if node.op_type not in ("Identity", "Cast"):
            return None
        value = node.inputs[0]
    if value is None or value.const_value is None or value.is_graph_input():
        return None
    return np.asarray(value.const_value.numpy(), np.float64)


def _merged(numbers: Floats) -> tuple[float, ...]:
    listed = tuple(float(number) for number in numbers)
    return listed[:1] if np.allclose(numbers, numbers[0]) else listed


def _shown(numbers: tuple[float, ...]) -> str:
    texts = [f"{number:.4g}" for number in numbers]
    return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
