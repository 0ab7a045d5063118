"""Everything that is declared of a preprocessing, as one value: what all other modules of images speak of."""

import math
from dataclasses import dataclass
from typing import Literal

Size = tuple[int, int]
Resize = Literal["fit-when-needed", "squash", "shortest", "cover", "longest", "none"]
Filter = Literal["nearest", "bilinear", "bicubic", "lanczos", "box", "hamming"]
Resampler = Literal["pillow", "torch", "no-antialias"]
CropRule = Literal["torchvision", "transformers", "transformers-fast"]
Channels = Literal["rgb", "bgr", "gray"]
Transparency = Literal["drop", "white"]
Layout = Literal["NCHW", "NHWC", "flat", "flat-hwc", "flat-chw"]  # flat: rows of pixels, as numpy's reshape makes them

LARGEST = 50_000_000  # pixels; a file of a few kB can claim far more
_LEVELS = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class PreprocessSpec:
    """Everything between an image file and the target's input.

    Attributes:
        name: the preset or file it came from.
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
        layout: "NCHW" or "NHWC" when stated; the graph decides, and a contradiction is refused. Where the target takes
            rows of pixels, "flat-chw" says that channels come first, "flat-hwc" (or "flat", the default) last.
        scale, mean, std: the target reads (pixel * scale - mean) / std, per channel.
    """

    name: str
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
    layout: Layout | None = None
    scale: float = 1.0
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)

    def __post_init__(self) -> None:
        """Refuse numbers that no preparation can have."""
        for size in (self.size, self.crop):
            if size is not None and (min(size) < 1 or size[0] * size[1] > LARGEST):
                raise ValueError(f"expected (height, width) of 1 to {LARGEST:,} pixels, got {size}")
        if self.crop_fraction is not None and not 0 < self.crop_fraction <= 1:
            raise ValueError(f"expected a crop_fraction above 0, at most 1, got {self.crop_fraction}")
        for numbers in (self.mean, self.std, (0.0,) if self.pad is None else self.pad):
            if len(numbers) not in (1, 3) or not all(math.isfinite(number) for number in numbers):
                raise ValueError(f"expected one number, or three (red, green, blue), got {numbers}")
        if not (math.isfinite(self.scale) and self.scale != 0 and min(self.std) > 0):
            raise ValueError(f"expected a scale that is not 0 and a std above 0, got {self.scale} and {self.std}")
        if self.pad is not None and not 0 <= min(self.pad) <= max(self.pad) <= _LEVELS:
            raise ValueError(f"expected levels of pad from 0 to {_LEVELS}, got {self.pad}")
