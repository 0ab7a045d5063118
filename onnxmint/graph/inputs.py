"""The input that takes images: which one it is, and how its numbers are laid out."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from onnxmint.errors import ModelError, UsageError
from onnxmint.graph.flow import constant_shape

ASSUMED_SIZE = 224  # height and width of the trial image where the graph leaves them open
Layout = Literal["NCHW", "NHWC", "flat-hwc", "flat-chw"]
FLAT: tuple[Layout, Layout] = ("flat-hwc", "flat-chw")
"""Layouts of an image as one row of numbers; the first is how numpy's reshape flattens an array of pixels."""
_AS_ROW: dict[str, Layout] = {"flat": FLAT[0], "NHWC": FLAT[0], "NCHW": FLAT[1], FLAT[0]: FLAT[0], FLAT[1]: FLAT[1]}
_TYPES = {
    ir.DataType.FLOAT: "float32",
    ir.DataType.FLOAT16: "float16",
    ir.DataType.DOUBLE: "float64",
    ir.DataType.UINT8: "uint8",
    ir.DataType.INT32: "int32",
    ir.DataType.INT64: "int64",
}
_MOST_BYTES = 256 * 256 * 256 * 3 * 4  # of a trial batch: 256 colour images of 256 x 256 in float32
_CHANNELS = (1, 3)
_TAKEN_FOR_CHANNELS = (1, 3, 4)  # sizes that say on which axis the channels are; four of them are refused
_IMAGE_RANK, _ROW_RANK = 4, 2
_ROW_OF_ONES_RANK = 3  # a row of numbers with a further axis of size one, as (N, 784, 1)
_ELEMENTWISE = {"Cast", "Identity", "Sub", "Div", "Mul", "Add", "Dropout", "Scaler", "QuantizeLinear"}
_ELEMENTWISE |= {"DequantizeLinear", "DynamicQuantizeLinear"}
_CONVOLUTIONS = {"Conv": 1, "ConvInteger": 1, "QLinearConv": 3}  # where each reads its weights
_PRODUCTS = {"MatMul": 1, "Gemm": 1, "MatMulInteger": 1, "QLinearMatMul": 3}


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageInput:
    """The input that takes images.

    Attributes:
        name: of the input.
        shape: as the file says; None where it says nothing.
        dtype: "float32", "float16", "float64", or "uint8", "int32", "int64" for raw pixels.
        layout: "NCHW" or "NHWC"; "flat-hwc" or "flat-chw" where an image is one row of numbers.
        batch: fixed batch size, None when free.
        channels: 1 or 3.
        height: None when free.
        width: None when free.
        features: numbers in a row of a flat input, None for others.
        mixes: what is said of an image depends on the others in its batch (dynamic quantisation takes its scale from
            all of them), or a batch size of 1 cannot be made free, so that images have to be shown one by one.
    """

    name: str
    shape: tuple[int | str | None, ...]
    dtype: str
    layout: Layout
    batch: int | None
    channels: int
    height: int | None
    width: int | None
    features: int | None = None
    mixes: bool = False

    @property
    def raw(self) -> bool:
        """Say whether the input takes whole numbers, that is pixels as they are."""
        return not self.dtype.startswith("float")

    @property
    def row(self) -> tuple[int, ...]:
        """Return the shape of one image of a flat input: its features, and perhaps axes of size one."""
        return tuple(1 if size == 1 else self.features or 0 for size in self.shape[1:])

    def trial_shape(self, batch: int) -> tuple[int, ...]:
        """Return the shape of a batch for a trial run."""
        if self.features is not None:
            return batch, *self.row
        height, width = self.height or ASSUMED_SIZE, self.width or ASSUMED_SIZE
        if self.layout == "NCHW":
            return batch, self.channels, height, width
        return batch, height, width, self.channels

    def settled(self, size: tuple[int, int] | None, layout: str | None = None) -> "ImageInput":
        """Return the input with (height, width) settled, and for a flat one how rows are laid out.

        Args:
            size: None leaves what is known or inferred.
            layout: as declared: one of FLAT, "flat" or "NHWC" (channels last), "NCHW" (channels first).

        Raises:
            UsageError: a flat input cannot hold images of that size, or its size is unknown.
        """
        if self.features is None:
            return self if size is None else replace(self, height=size[0], width=size[1])
        height, width = size or (self.height, self.width)
        if height is None or width is None:
            raise UsageError(
                f"the model takes {self.features} numbers per image, which is no square in gray or colour: set size = "
                '[height, width] in a preprocessing file, and layout = "flat-chw" if channels come first'
            )
        channels, rest = divmod(self.features, height * width)
        if rest or channels not in _CHANNELS:
            raise UsageError(
                f"the model takes {self.features} numbers per image, which is not {height}x{width} pixels of 1 or 3 "
                "channels: mend size in the preprocessing file"
            )
        as_row = _AS_ROW[layout or self.layout]
        return replace(self, height=height, width=width, channels=channels, layout=as_row)


def fits_trial(image: ImageInput, batch: int) -> bool:
    """Say whether a trial batch is small enough to be made, whatever the file declares."""
    return _trial_bytes(image, batch) <= _MOST_BYTES


def _trial_bytes(image: ImageInput, batch: int) -> int:
    """Return the memory of a trial batch; noise is made in float32, whatever it becomes."""
    return math.prod(image.trial_shape(batch)) * max(np.dtype(image.dtype).itemsize, 4)


def require_trial(image: ImageInput, batch: int, path: Path) -> None:
    """Refuse a file that declares more than can be tried.

    Raises:
        ModelError: saying how much.
    """
    if not fits_trial(image, batch):
        listed = " x ".join(map(str, image.trial_shape(batch)))
        raise ModelError(
            f"{path} takes batches of {listed} numbers ({_trial_bytes(image, batch) / 1e9:.4g} GB), and no more than "
            f"{_MOST_BYTES / 1e9:.1f} GB are tried: export it with a smaller batch or image"
        )


def trial_image(image: ImageInput, batch: int, rng: np.random.Generator | None = None) -> NDArray[Any]:
    """Return images for a trial run: zeros, or noise when a generator is given; values 0 to 1 (raw: 0 to 255)."""
    shape = image.trial_shape(batch if image.batch is None else image.batch)
    if rng is None:
        return np.zeros(shape, image.dtype)
    noise = rng.random(shape, np.float32)
    if image.raw:
        noise *= 255
    return noise.astype(image.dtype, copy=False)


def find_input(model: ir.Model, path: Path) -> ImageInput:
    """Return the one input that takes images; inputs that are also initialisers have a value and do not count.

    Raises:
        ModelError: there is none or several, another input has no value, or it is nothing that pixels can be fed to.
    """
    free = [value for value in model.graph.inputs if value.name not in model.graph.initializers]
    images = [value for value in free if _rank(value) in (_IMAGE_RANK, None)]
    images = images or [value for value in free if _rank(value) == _ROW_RANK or _is_row_of_ones(value)]
    if len(images) > 1:
        names = ", ".join(repr(value.name) for value in images)
        raise ModelError(f"{path} takes {len(images)} images ({names}); only classifiers of one image can be audited")
    listed = ", ".join(f"{value.name!r} {value.shape}" for value in free) or "none"
    if not images:
        raise ModelError(
            f"{path} has no image input (batch, and height, width, channels; or rows of pixels); its inputs: {listed}"
        )
    (value,) = images
    if len(free) > 1:
        other = next(entry for entry in free if entry is not value)
        raise ModelError(
            f"{path} has no single image input: it also asks for {other.name!r}; give that a value in the file (an "
            f"initialiser of its name), or export without it; its inputs: {listed}"
        )
    dtype = None if value.dtype is None else _TYPES.get(value.dtype)
    if dtype is None:
        raise ModelError(f"{path}: its input {value.name!r} takes {value.dtype}; onnxmint feeds float or uint8 images")
    return _laid_out(value, dtype, path)


def _laid_out(value: ir.Value, dtype: str, path: Path) -> ImageInput:
    """Say how the numbers of an image lie in an input."""
    seen = _seen_by_weights(value)
    shape = () if value.shape is None else tuple(size if isinstance(size, int) else size.value for size in value.shape)
    if value.shape is None and seen is None:
        raise ModelError(f"{path}: its input {value.name!r} has no shape; export it with one")
    sizes = [size if isinstance(size, int) and size > 0 else None for size in shape]
    sizes = sizes or [None] * (_ROW_RANK if seen is not None and seen.layout is None else _IMAGE_RANK)
    name = value.name or ""
    if len(sizes) == _ROW_OF_ONES_RANK:
        return _flat(name, shape, dtype, sizes[0], max(sizes[1] or 1, sizes[2] or 1))
    if len(sizes) == _ROW_RANK:
        features = sizes[1] or (seen.size if seen is not None and seen.layout is None else None)
        if features is None:
            raise ModelError(
                f"{path}: its input {name!r} says not how many numbers a row holds; export it with a shape"
            )
        return _flat(name, shape or (None, features), dtype, sizes[0], features)
    layout = _layout(sizes, seen)
    channels = (sizes[1] if layout == "NCHW" else sizes[3]) or (seen.size if seen is not None else None)
    if channels not in _CHANNELS:
        raise ModelError(f"{path}: its input {name!r} has shape {list(shape)}; expected 1 or 3 channels")
    height, width = sizes[2:] if layout == "NCHW" else sizes[1:3]
    return ImageInput(
        name=name,
        shape=shape or (None,) * _IMAGE_RANK,
        dtype=dtype,
        layout=layout,
        batch=sizes[0],
        channels=channels,
        height=height,
        width=width,
    )


def _flat(name: str, shape: tuple[int | str | None, ...], dtype: str, batch: int | None, features: int) -> ImageInput:
    """Return a flat input; a square number of features, or three times one, are taken for square images."""
    side, channels = None, 1
    for count in _CHANNELS:
        root = math.isqrt(features // count)
        if count * root * root == features:
            side, channels = root, count
    return ImageInput(
        name=name,
        shape=shape,
        dtype=dtype,
        layout=FLAT[0],
        batch=batch,
        channels=channels,
        height=side,
        width=side,
        features=features,
    )


def _rank(value: ir.Value) -> int | None:
    return None if value.shape is None else len(value.shape)


def _is_row_of_ones(value: ir.Value) -> bool:
    """Say whether an input is (N, features, 1) or (N, 1, features)."""
    if value.shape is None or len(value.shape) != _ROW_OF_ONES_RANK:
        return False
    sizes = [size for size in value.shape[1:] if isinstance(size, int)]
    return len(sizes) == _ROW_OF_ONES_RANK - 1 and min(sizes) == 1 < max(sizes)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What the first weights that the input meets say of it: so many channels, or (no layout) numbers in a row."""

    layout: Layout | None
    size: int


def _seen_by_weights(image: ir.Value) -> _Seen | None:
    """Follow an input through elementwise operators to the first convolution or product with weights."""
    layouts: dict[ir.Value, Layout] = {image: "NCHW"}
    pending = [image]
    while pending:
        value = pending.pop()
        for node in value.consumers():
            found = _weights_of(node, layouts[value])
            if found is not None:
                return found
            turned = node.op_type == "Transpose" and list(node.attributes.get_ints("perm", [])) == [0, 3, 1, 2]
            if (turned or node.op_type in _ELEMENTWISE) and node.outputs[0] not in layouts:
                layouts[node.outputs[0]] = "NHWC" if turned else layouts[value]
                pending.append(node.outputs[0])
    return None


def _weights_of(node: ir.Node, layout: Layout) -> _Seen | None:
    if node.op_type in _CONVOLUTIONS:
        shape = _shape_at(node, _CONVOLUTIONS[node.op_type])
        if shape is None or len(shape) < _ROW_RANK:
            return None
        return _Seen(layout=layout, size=shape[1] * node.attributes.get_int("group", 1))
    shape = _shape_at(node, _PRODUCTS.get(node.op_type, len(node.inputs)))
    if shape is None or len(shape) != _ROW_RANK:
        return None
    return _Seen(layout=None, size=shape[-1 if node.attributes.get_int("transB", 0) else 0])


def _shape_at(node: ir.Node, place: int) -> tuple[int, ...] | None:
    weights = node.inputs[place] if place < len(node.inputs) else None
    return None if weights is None else constant_shape(weights)


def _layout(sizes: Sequence[int | None], seen: _Seen | None) -> Layout:
    """Tell channels first from channels last: by the channel count, else by what the graph does with the input."""
    first, last = sizes[1] in _TAKEN_FOR_CHANNELS, sizes[3] in _TAKEN_FOR_CHANNELS
    if first != last:
        return "NCHW" if first else "NHWC"
    return seen.layout or "NCHW" if seen is not None else "NCHW"
