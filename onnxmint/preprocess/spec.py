"""Everything that is declared of a preprocessing, as one value: what all other modules of images speak of."""

from dataclasses import dataclass

Size = tuple[int, int]


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
    resize: str = "fit-when-needed"
    filter: str = "bilinear"
    resampler: str = "pillow"
    crop: Size | None = None
    crop_fraction: float | None = None
    crop_rule: str = "torchvision"
    pad: tuple[int, ...] | None = None
    channels: str = "rgb"
    transparency: str = "drop"
    layout: str | None = None
    scale: float = 1.0
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
