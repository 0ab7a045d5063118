"""How an image gets the target's size: resized, padded and cropped as the library that is declared does it, exactly."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from onnxmint.errors import ImagesError
from onnxmint.images.pillow import LARGEST
from onnxmint.images.resizing import resized
from onnxmint.preprocess.resampling import TORCH_FILTERS, resize_like_torch, resize_without_antialias
from onnxmint.preprocess.spec import FILTERS, KEEPING_ASPECT, CropRule, PreprocessSpec, Resampler, Resize, Size

Rounding = Callable[[float], int]

_MOST_WEIGHTS = 6_000_000  # of one side, 50 MB; 224 pixels can come from 26,000
# What a crop does when the rest is odd: (where the half pixel goes when cutting, when padding).
CROP_RULES: Mapping[CropRule, tuple[Rounding, Rounding]] = {
    "torchvision": (round, math.floor),
    "transformers": (math.floor, math.ceil),
    "transformers-fast": (math.floor, math.floor),
}
_OF_RESAMPLER: Mapping[Resampler, tuple[str, ...]] = {
    "pillow": FILTERS,
    "torch": TORCH_FILTERS,
    "no-antialias": ("bilinear",),
}
_RESIZING = ("squash", *KEEPING_ASPECT)  # always; "fit-when-needed", the default, with a crop alone only crops


def contradiction(spec: PreprocessSpec) -> str | None:
    """Return what contradicts itself in a preparation and how to mend it, None when nothing does."""
    if spec.filter not in _OF_RESAMPLER[spec.resampler]:
        there = ", ".join(_OF_RESAMPLER[spec.resampler])
        return f"resampler = {spec.resampler!r} has no filter {spec.filter!r}; it has {there}"
    if spec.crop_fraction is not None and (spec.size is not None or spec.resize in ("fit-when-needed", "none")):
        return (
            "crop_fraction says the size to resize to: leave out size, and set resize to shortest, cover, longest or "
            "squash"
        )
    if spec.resize in _RESIZING and spec.crop is not None and spec.size is None and spec.crop_fraction is None:
        return (
            f"resize = {spec.resize!r} with crop does not say to which size: set size or crop_fraction, or resize = "
            "'none' to crop only"
        )
    if spec.resize == "longest" and spec.pad is None:
        return "resize = 'longest' leaves a border: say its level with pad, for example pad = 0"
    return None


def fit(image: Any, spec: PreprocessSpec) -> Any:
    """Return a Pillow image resized and cropped as a preprocessing says.

    Raises:
        ImagesError: it is too small, too thin, or not of the size that is wanted.
    """
    return _crop(_resize(image, spec), spec)


def _resize(image: Any, spec: PreprocessSpec) -> Any:
    if spec.size is None:
        return image
    height, width = spec.size
    if spec.resize == "none":
        if spec.crop is None and (image.height, image.width) != (height, width):
            raise ImagesError(f"is {image.height}x{image.width} pixels, the model takes {height}x{width}")
        return image
    if spec.resize in KEEPING_ASPECT:
        height, width = _size_of_same_aspect(image, spec.size, spec.resize)
    elif spec.resize == "fit-when-needed" and (image.height, image.width) == (height, width):
        return image
    return _resample(image, (height, width), spec)


def _size_of_same_aspect(image: Any, size: Size, resize: Resize) -> Size:
    """Return (height, width) of the resized image."""
    old = image.height, image.width
    if resize == "shortest":  # torchvision, transformers
        short = min(size)
        longer = int(short * max(old) / min(old))
        new = (longer, short) if image.width <= image.height else (short, longer)
        thin = f"its shorter side as {short} pixels"
    else:  # timm's ResizeKeepRatio
        ratios = old[0] / size[0], old[1] / size[1]
        ratio = max(ratios) if resize == "longest" else min(ratios)
        new = max(1, round(old[0] / ratio)), max(1, round(old[1] / ratio))
        thin = f"covering {size[0]}x{size[1]}"
    if new[0] * new[1] > LARGEST:  # a thin image of a few kB can ask for terabytes
        raise ImagesError(
            f"is {old[0]}x{old[1]} pixels, too thin: {thin} makes {new[0]}x{new[1]} (allowed {LARGEST:,} pixels)"
        )
    return new


def _resample(image: Any, size: Size, spec: PreprocessSpec) -> Any:
    from PIL import Image

    if spec.resampler == "pillow":
        _require_little_between(image, size)
        return resized(image, size[::-1], spec.filter)
    pixels = np.asarray(image)
    deep = pixels[:, :, None] if pixels.ndim == 2 else pixels  # noqa: PLR2004 - gray has two axes
    sides = size[0] * image.height, size[1] * image.width
    if max(sides) > _MOST_WEIGHTS:
        raise ImagesError(f"is {image.height}x{image.width} pixels, too long to be resized as {spec.resampler!r} does")
    _require_little_between(image, size)
    if spec.resampler == "torch":
        made = resize_like_torch(deep, size, spec.filter)
    else:
        made = resize_without_antialias(deep, size)
    return Image.fromarray(made.reshape(*size, *pixels.shape[2:]))


def _require_little_between(image: Any, size: Size) -> None:
    """Refuse an image so tall that what lies between the pass across and the pass down would fill the memory."""
    if size[1] * image.height > LARGEST:
        raise ImagesError(f"is {image.height}x{image.width} pixels, too tall to be resized to a width of {size[1]}")


def _crop(image: Any, spec: PreprocessSpec) -> Any:
    if spec.crop is None:
        return image
    height, width = spec.crop
    when_cutting, when_padding = CROP_RULES[spec.crop_rule]
    if image.height < height or image.width < width:
        if spec.pad is None:
            raise ImagesError(f"is {image.height}x{image.width} pixels, too small for the crop of {height}x{width}")
        image = _pad(image, max(height, image.height), max(width, image.width), spec.pad, when_padding)
    top, left = when_cutting((image.height - height) / 2.0), when_cutting((image.width - width) / 2.0)
    return image.crop((left, top, left + width, top + height))


def _pad(image: Any, height: int, width: int, level: tuple[int, ...], half: Rounding) -> Any:
    """Lay an image in the middle of a larger one of one colour."""
    from PIL import Image

    colour = level[0] if image.mode == "L" else level * (3 // len(level))
    padded = Image.new(image.mode, (width, height), colour)
    padded.paste(image, (half((width - image.width) / 2), half((height - image.height) / 2)))
    return padded
