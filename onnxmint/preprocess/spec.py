"""Everything that is declared of a preprocessing, as one plain value: what all other modules of this room speak of."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from onnxmint.images.pillow import LARGEST

Size = tuple[int, int]
Resize = Literal["fit-when-needed", "squash", "shortest", "cover", "longest", "none"]
Filter = Literal["nearest", "bilinear", "bicubic", "lanczos", "box", "hamming"]
Resampler = Literal["pillow", "torch", "no-antialias"]
CropRule = Literal["torchvision", "transformers", "transformers-fast"]
Channels = Literal["rgb", "bgr", "gray"]
Transparency = Literal["drop", "white"]
Orientation = Literal["ignore", "apply"]
Layout = Literal["NCHW", "NHWC", "flat", "flat-hwc", "flat-chw"]  # flat: rows of pixels, as numpy's reshape makes them
Origin = Literal["preset", "keras", "torchvision", "huggingface", "timm", "metadata", "toml", "made"]

FILTERS: tuple[Filter, ...] = get_args(Filter)
LAYOUTS: tuple[Layout, ...] = get_args(Layout)
KEEPING_ASPECT: tuple[Resize, ...] = ("shortest", "cover", "longest")
LIBRARIES: tuple[Origin, ...] = ("torchvision", "huggingface", "timm")  # whose files always say how pixels are scaled
NAMED: tuple[Origin, ...] = ("preset", "keras", "torchvision")  # what --preprocess takes by the name alone
LEAST_FRACTION = 0.01  # a smaller crop of a larger image would be gigapixels
_LEVELS = 255
_COUNTS = (1, 3)  # one number for all colours, or one for each


@dataclass(frozen=True, slots=True, kw_only=True)
class PreprocessSpec:
    """Everything between an image file and the target's input.

    Attributes:
        name: the preset or file it came from, for people.
        origin: who declared it; "made" is by onnxmint itself, to try it. No part of what it does: two that do the same
            are equal whoever declared them.
        size: (height, width) to resize to; for "shortest" the shorter side becomes the smaller of the two.
        resize: "squash" changes the aspect; "shortest" keeps it and cuts the longer side to whole pixels (as
            torchvision), "cover" and "longest" keep it and round: the image covers the size, or fits into it (as
            timm); "none" leaves the image, "fit-when-needed" squashes only images that do not have the size yet.
        filter: resampling filter.
        resampler: whose: "pillow", "torch" (torchvision on uint8 tensors) or "no-antialias" (bilinear only).
        crop: (height, width) of a central crop after resizing.
        crop_fraction: share of the resized image that the crop keeps; says the size, rounded down, in place of `size`.
        crop_rule: where a crop lies when it cannot lie in the middle, see `geometry.CROP_RULES`.
        pad: level of what surrounds an image that is smaller than the crop, one or one per colour; None refuses it.
        channels: "rgb", "bgr" or "gray": what the target reads.
        transparency: "drop" takes the colours as stored, "white" lays them on white first.
        orientation: "apply" turns an image first as its EXIF says (photographs from the camera), as Hugging Face's
            datasets do when they decode; "ignore" takes it as stored, as torchvision does.
        layout: "NCHW" or "NHWC" when stated; the graph decides, and a contradiction is refused. Where the target takes
            rows of pixels, "flat-chw" says that channels come first, "flat-hwc" (or "flat", the default) last.
        scale, mean, std: the target reads (pixel * scale - mean) / std, per channel.

    Raises:
        ValueError: a value that nothing can mean, with the rule.
    """

    name: str
    origin: Origin = field(default="made", compare=False)
    size: Size | None = None
    resize: Resize = "fit-when-needed"
    filter: Filter = "bilinear"
    resampler: Resampler = "pillow"
    crop: Size | None = None
    crop_fraction: float | None = None
    crop_rule: CropRule = "torchvision"
    pad: tuple[int, ...] | None = None
    channels: Channels = "rgb"
    transparency: Transparency = "drop"
    orientation: Orientation = "ignore"
    layout: Layout | None = None
    scale: float = 1.0
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)

    def __post_init__(self) -> None:
        """Refuse what nothing can mean."""
        for key, choices in CHOICES.items():
            value = getattr(self, key)
            if value not in choices and not (key == "layout" and value is None):
                raise ValueError(f"{key} must be one of {', '.join(choices)}, got {value!r}")
        _refuse_odd_geometry(self)
        _refuse_odd_levels(self)

    @property
    def of_library(self) -> bool:
        """Return whether torchvision's weights or a file of Hugging Face or timm declared it."""
        return self.origin in LIBRARIES


def _refuse_odd_geometry(spec: PreprocessSpec) -> None:
    for key, size in (("size", spec.size), ("crop", spec.crop)):
        if size is not None and (min(size) < 1 or size[0] * size[1] > LARGEST):
            raise ValueError(f"{key} must be of at least 1 and at most {LARGEST:,} pixels, got {size[0]}x{size[1]}")
    if spec.crop_fraction is not None and not LEAST_FRACTION <= spec.crop_fraction <= 1:
        raise ValueError(f"crop_fraction must be from {LEAST_FRACTION} to 1, got {spec.crop_fraction:g}")
    if spec.pad is not None and not (len(spec.pad) in _COUNTS and 0 <= min(spec.pad) <= max(spec.pad) <= _LEVELS):
        raise ValueError(f"pad must be one or three levels from 0 to {_LEVELS}, got {spec.pad}")


def _refuse_odd_levels(spec: PreprocessSpec) -> None:
    if not math.isfinite(spec.scale) or spec.scale == 0:
        raise ValueError(f"scale must be a number, not 0, got {spec.scale:g}")
    if len(spec.mean) not in _COUNTS or not all(map(math.isfinite, spec.mean)):
        raise ValueError(f"mean must be one or three numbers, got {spec.mean}")
    if len(spec.std) not in _COUNTS or not all(0 < value < math.inf for value in spec.std):
        raise ValueError(f"std must be one or three numbers above 0, got {spec.std}")


CHOICES: Mapping[str, tuple[str, ...]] = {
    "origin": get_args(Origin),
    "resize": get_args(Resize),
    "filter": FILTERS,
    "resampler": get_args(Resampler),
    "crop_rule": get_args(CropRule),
    "channels": get_args(Channels),
    "transparency": get_args(Transparency),
    "orientation": get_args(Orientation),
    "layout": LAYOUTS,
}


def layout_named(text: str) -> Layout:
    """Return a layout by its name.

    Raises:
        ValueError: there is none of that name.
    """
    for layout in LAYOUTS:
        if layout == text:
            return layout
    raise ValueError(f"layout must be one of {', '.join(LAYOUTS)}, got {text!r}")
