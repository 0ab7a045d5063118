"""Resizing as other libraries than Pillow do it: PyTorch's on uint8 tensors, and without antialiasing.

Pillow and PyTorch agree up to one level: PyTorch keeps weights in 16 bits, which is reproduced here bit for bit.
"""

import math
from collections.abc import Callable, Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from onnxmint.preprocess.spec import Filter

TORCH_FILTERS: tuple[Filter, ...] = ("nearest", "bilinear", "bicubic", "lanczos")
_PRECISION = 22  # bits of a weight at most, and 15 of its value
_LANCZOS = 3
_STRIP = 1 << 21  # values that are floating-point numbers at once
_KEPT = 1 << 20  # weights that are worth keeping: 8 MB

Pixels = NDArray[np.uint8]
Weights = NDArray[np.float64]


def resize_like_torch(pixels: Pixels, size: tuple[int, int], name: Filter) -> Pixels:
    """Return (H, W, C) pixels resized as torchvision resizes uint8 tensors with antialias on a CPU.

    Args:
        pixels: (h, w, C).
        size: (H, W).
        name: one of TORCH_FILTERS; "nearest" is its "nearest-exact".
    """
    if name == "nearest":
        rows, columns = (
            np.minimum(
                np.floor((np.arange(new, dtype=np.float32) + np.float32(0.5)) * np.float32(old / new)).astype(int),
                old - 1,
            )
            for new, old in zip(size, pixels.shape[:2], strict=True)
        )
        nearest: Pixels = pixels[rows][:, columns]
        return nearest
    across = _across(pixels, _fixed_point(pixels.shape[1], size[1], name))
    return _down(across, _fixed_point(pixels.shape[0], size[0], name))


def resize_without_antialias(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """Return (H, W, C) pixels interpolated bilinearly between the four nearest ones, as TensorFlow does by default."""
    left, right, share = _between(pixels.shape[1], size[1])
    across = np.empty((len(pixels), size[1], pixels.shape[2]), np.float32)
    for rows in _strips(len(pixels), pixels.shape[1] * pixels.shape[2]):
        strip = pixels[rows]
        across[rows] = strip[:, left] * (1 - share)[:, None] + strip[:, right] * share[:, None]
    above, below, share = _between(pixels.shape[0], size[0])
    values = across[above] * (1 - share)[:, None, None] + across[below] * share[:, None, None]
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _between(old: int, new: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Return for each new pixel the two old ones that its centre is between, and the share of the second.

    The border is repeated. Whole arrays are multiplied and added, not matrices: their sums depend on the machine.
    """
    place = np.clip((np.arange(new) + 0.5) * (old / new) - 0.5, 0, old - 1)
    low = np.minimum(np.floor(place).astype(np.int64), max(old - 2, 0))
    return low, np.minimum(low + 1, old - 1), (place - low).astype(np.float32)


def _strips(count: int, width: int) -> Iterator[slice]:
    """Yield slices of rows of so many values that a strip of them fits the memory in any type."""
    rows = max(1, _STRIP // max(1, width))
    for start in range(0, count, rows):
        yield slice(start, start + rows)


def _triangle(x: float) -> float:
    return max(0.0, 1.0 - abs(x))


def _cubic(x: float) -> float:
    """Return Keys' cubic with a = -0.5."""
    x, a = abs(x), -0.5
    if x < 1:
        return ((a + 2) * x - (a + 3)) * x * x + 1
    return (((x - 5) * x + 8) * x - 4) * a if x < 2 else 0.0  # noqa: PLR2004 - its support


def _lanczos(x: float) -> float:
    return float(np.sinc(x) * np.sinc(x / _LANCZOS)) if abs(x) < _LANCZOS else 0.0


_KERNELS: dict[Filter, tuple[Callable[[float], float], int]] = {
    "bilinear": (_triangle, 2),
    "bicubic": (_cubic, 4),
    "lanczos": (_lanczos, 2 * _LANCZOS),
}


def _antialiased(old: int, new: int, name: Filter) -> Weights:
    """Return the (new, old) weights of a kernel that is widened when the image shrinks."""
    kernel, width = _KERNELS[name]
    scale = old / new
    stretch = max(scale, 1.0)
    support = width * 0.5 * stretch
    matrix = np.zeros((new, old))
    for row in range(new):
        centre = scale * (row + 0.5)
        start, end = max(int(centre - support + 0.5), 0), min(int(centre + support + 0.5), old)
        weights = [kernel((column - centre + 0.5) * (1.0 / stretch)) for column in range(start, end)]
        matrix[row, start:end] = np.array(weights) / math.fsum(weights)
    return matrix


def _fixed_point(old: int, new: int, name: Filter) -> tuple[Weights, int]:
    """Return weights as 16-bit integers, and by how many bits they were shifted."""
    # Images of a set often have one size.
    return _kept(old, new, name) if old * new <= _KEPT else _computed(old, new, name)


def _computed(old: int, new: int, name: Filter) -> tuple[Weights, int]:
    """Return weights as 16-bit integers, and by how many bits they were shifted: as many as their largest allows."""
    weights = _antialiased(old, new, name)
    largest, bits = float(weights.max()), 0
    while bits < _PRECISION and int(0.5 + largest * (1 << (bits + 1))) < 1 << 15:
        bits += 1
    shifted = np.multiply(weights, 1 << bits, out=weights)
    shifted += np.copysign(0.5, shifted)
    return np.trunc(shifted, out=shifted), bits


_kept = lru_cache(maxsize=8)(_computed)


def _across(pixels: Pixels, weights: tuple[Weights, int]) -> Pixels:
    """Apply weights along rows."""
    made = np.empty((len(pixels), len(weights[0]), pixels.shape[2]), np.uint8)
    for rows in _strips(len(pixels), pixels.shape[1] * pixels.shape[2]):
        made[rows] = _summed(pixels[rows], weights, axis=1).swapaxes(0, 1)
    return made


def _down(pixels: Pixels, weights: tuple[Weights, int]) -> Pixels:
    """Apply weights along columns."""
    made = np.empty((len(weights[0]), *pixels.shape[1:]), np.uint8)
    for columns in _strips(pixels.shape[1], len(pixels) * pixels.shape[2]):
        made[:, columns] = _summed(pixels[:, columns], weights, axis=0)
    return made


def _summed(pixels: Pixels, weights: tuple[Weights, int], axis: int) -> Pixels:
    """Apply weights along an axis, which comes first then, and round to whole levels."""
    matrix, bits = weights
    # float64 holds these sums of 8-bit times 16-bit integers exactly, and multiplies matrices fast
    sums = np.tensordot(matrix, pixels.astype(np.float64), (1, axis))
    sums += 1 << (bits - 1)
    sums *= 0.5**bits  # a power of two: exact, so that rounding down is that of whole numbers
    np.floor(sums, out=sums)
    rounded: Pixels = np.clip(sums, 0, 255, out=sums).astype(np.uint8)
    return rounded
