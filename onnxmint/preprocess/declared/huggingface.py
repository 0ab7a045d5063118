"""Hugging Face image processors: what a preprocessor_config.json makes of an image.

Only processors whose every step is reproduced here are taken; of their files, every key is understood or refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from onnxmint.errors import UsageError
from onnxmint.preprocess.declared.values import Facts, read_json
from onnxmint.preprocess.resampling import TORCH_FILTERS
from onnxmint.preprocess.spec import Filter, PreprocessSpec, Resize, Size

_FILTERS: Mapping[int, Filter] = {
    0: "nearest",
    1: "lanczos",
    2: "bilinear",
    3: "bicubic",
    4: "box",
    5: "hamming",
}  # PIL.Image.Resampling
_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
_CLIP = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
_LEVIT = 256 / 224
_WARPED = 384  # pixels; ConvNeXT squashes without a crop from there on


@dataclass(frozen=True, slots=True, kw_only=True)
class _Processor:
    """What a processor does where its file says nothing.

    Attributes:
        resample: number of the filter.
        size: the `size` of its file.
        square: whether a `size` that is one number means a square, else the shorter side.
        crop: side of its crop, None without one.
        normalise: mean and deviation, None when it has none.
        convert: whether it converts to RGB, transparency on white.
        extra: keys of its own.
    """

    resample: int = 3
    size: int | Mapping[str, int] = 224
    square: bool = True
    crop: int | None = None
    normalise: tuple[tuple[float, ...], tuple[float, ...]] | None = _HALF
    convert: bool = False
    extra: tuple[str, ...] = ()


PROCESSORS: Mapping[str, _Processor] = {
    "BeitImageProcessor": _Processor(extra=("do_reduce_labels",)),
    "BitImageProcessor": _Processor(square=False, crop=224, normalise=_CLIP, convert=True),
    "BlipImageProcessor": _Processor(size=384, normalise=_CLIP, convert=True),
    "ChineseCLIPImageProcessor": _Processor(square=False, crop=224, normalise=_CLIP, convert=True),
    "CLIPImageProcessor": _Processor(square=False, crop=224, normalise=_CLIP, convert=True, extra=("use_square_size",)),
    "ConvNextImageProcessor": _Processor(size=384, square=False, extra=("crop_pct",)),
    "DeiTImageProcessor": _Processor(size=256, crop=224),
    "EfficientNetImageProcessor": _Processor(size=346, extra=("rescale_offset", "include_top")),
    "LevitImageProcessor": _Processor(square=False, crop=224, normalise=_IMAGENET),
    "MobileNetV1ImageProcessor": _Processor(resample=2, size=256, square=False, crop=224),
    "MobileNetV2ImageProcessor": _Processor(
        resample=2, size=256, square=False, crop=224, extra=("do_reduce_labels",)
    ),
    "MobileViTImageProcessor": _Processor(
        square=False, crop=256, normalise=None, extra=("do_flip_channel_order", "do_reduce_labels")
    ),
    "PoolFormerImageProcessor": _Processor(square=False, crop=224, normalise=_IMAGENET, extra=("crop_pct",)),
    "PvtImageProcessor": _Processor(normalise=_IMAGENET),
    "SegformerImageProcessor": _Processor(resample=2, size=512, normalise=_IMAGENET, extra=("do_reduce_labels",)),
    "SiglipImageProcessor": _Processor(convert=True),
    "ViTImageProcessor": _Processor(resample=2),
}  # fmt: skip
_STEPS = (
    "do_resize", "size", "resample", "do_center_crop", "crop_size", "do_rescale", "rescale_factor", "do_normalize",
    "image_mean", "image_std", "do_convert_rgb", "do_pad", "default_to_square",
)  # fmt: skip
# What says nothing of the pixels: how it was saved, on what it runs, what of a label map is made.
_NO_STEPS = (
    "image_processor_type", "feature_extractor_type", "processor_class", "_processor_class", "_valid_processor_keys",
    "return_tensors", "data_format", "input_data_format", "device", "disable_grouping", "do_reduce_labels",
    "image_seq_length", "transformers_version", "model_input_names",
)  # fmt: skip


class _Geometry(NamedTuple):
    resize: Resize
    size: Size | None
    crop: Size | None


def read_preprocessor_config(path: Path) -> PreprocessSpec:
    """Return what a preprocessor_config.json (or the image_processor of a processor_config.json) declares.

    Raises:
        UsageError: naming the key that cannot be reproduced.
    """
    values = read_json(path)
    inner = values.get("image_processor")
    facts = Facts(str(path), inner if isinstance(inner, dict) else values)
    name, kind = _kind(facts)
    _refuse_unknown(facts, kind, inner if isinstance(inner, dict) else values)
    fast = name.endswith("Fast")
    geometry = _geometry(facts, kind, name.removesuffix("Fast"))
    resample = facts.choice("resample", kind.resample, _FILTERS)
    if fast and resample not in TORCH_FILTERS:
        raise facts.refuse("resample", "a fast processor has no such filter")
    scale, mean, std = _levels(facts, kind)
    flipped = "do_flip_channel_order" in kind.extra and facts.boolean("do_flip_channel_order", default=True)
    return PreprocessSpec(
        name=str(path),
        origin="huggingface",
        size=geometry.size,
        resize=geometry.resize,
        filter=resample,
        resampler="torch" if fast else "pillow",
        crop=geometry.crop,
        crop_rule="transformers-fast" if fast else "transformers",
        pad=(0,) if geometry.crop else None,
        channels="bgr" if flipped else "rgb",
        transparency="white" if facts.boolean("do_convert_rgb", kind.convert) else "drop",
        scale=scale,
        mean=mean[::-1] if flipped else mean,
        std=std[::-1] if flipped else std,
    )


def _kind(facts: Facts) -> tuple[str, _Processor]:
    """Return the name of a processor, as of today, and what it does."""
    key = "image_processor_type" if facts.given("image_processor_type") else "feature_extractor_type"
    said = facts.get(key)
    if said is None:
        raise UsageError(
            f"{facts.place}: image_processor_type is missing, and with it what the file leaves out; add it, for "
            'example "ViTImageProcessor"'
        )
    name = str(said).replace("FeatureExtractor", "ImageProcessor").removesuffix("Pil")
    if name.removesuffix("Fast") not in PROCESSORS:
        raise facts.refuse(key, f"onnxmint reproduces {', '.join(PROCESSORS)}; declare the steps as TOML")
    return name, PROCESSORS[name.removesuffix("Fast")]


def _refuse_unknown(facts: Facts, kind: _Processor, values: Mapping[str, Any]) -> None:
    for key, value in values.items():
        if key not in (*_STEPS, *kind.extra, *_NO_STEPS) and value not in (None, False):
            raise facts.refuse(key, "onnxmint does not know what this does to the pixels; declare the steps as TOML")
    if facts.boolean("do_pad", default=False):
        raise facts.refuse("do_pad", "onnxmint does not pad in this way; declare the steps as TOML")


def _geometry(facts: Facts, kind: _Processor, name: str) -> _Geometry:
    """Return how images are resized and cropped."""
    crop = None
    if facts.boolean("do_center_crop", kind.crop is not None):
        crop = _crop_size(facts, kind.crop or 224)
    if not facts.boolean("do_resize", default=True):
        return _Geometry("none", None, crop)
    sides = _sides(facts, kind)
    if name == "ConvNextImageProcessor":
        return _convnext(facts, sides, crop)
    if name == "PoolFormerImageProcessor" and facts.get("crop_pct", 0.9) is not None:
        share = facts.number("crop_pct", 0.9, least=0, most=1)
        scaled = tuple(int(side / share) for side in sides)
        sides = (scaled[0],) if len(set(scaled)) == 1 else scaled
    if name == "LevitImageProcessor" and len(sides) == 1:
        sides = (int(_LEVIT * sides[0]),)
    if len(sides) == 1:
        if crop is None:
            raise facts.refuse("size", "without do_center_crop images of all sizes come out, and the model takes one")
        return _Geometry("shortest", (sides[0], sides[0]), crop)
    return _Geometry("squash", (sides[0], sides[1]), crop)


def _convnext(facts: Facts, sides: tuple[int, ...], crop: Size | None) -> _Geometry:
    if len(sides) != 1:
        raise facts.refuse("size", "this processor takes a shortest_edge")
    if crop is not None:
        raise facts.refuse("do_center_crop", "this processor crops while it resizes, and onnxmint crops once")
    side = sides[0]
    if side >= _WARPED:
        return _Geometry("squash", (side, side), None)
    larger = int(side / facts.number("crop_pct", 224 / 256, least=0, most=1))
    return _Geometry("shortest", (larger, larger), (side, side))


def _sides(facts: Facts, kind: _Processor) -> tuple[int, ...]:
    """Return (height, width), or (shorter side,)."""
    size = facts.get("size", kind.size)
    square = facts.boolean("default_to_square", kind.square)
    if "use_square_size" in kind.extra and facts.boolean("use_square_size", default=False):
        square, size = True, kind.size
    if type(size) is int:
        height, _ = facts.pixels("size", (size, size))
        return (height, height) if square else (height,)
    if isinstance(size, list):
        return facts.pixels("size", size)
    stated = {key: side for key, side in size.items() if side is not None} if isinstance(size, dict) else {}
    if set(stated) == {"height", "width"}:
        return facts.pixels("size", (stated["height"], stated["width"]))
    if set(stated) == {"shortest_edge"}:
        return (facts.pixels("size", (stated["shortest_edge"],) * 2)[0],)
    raise facts.refuse("size", "onnxmint reproduces a number, height with width, or shortest_edge alone")


def _crop_size(facts: Facts, side: int) -> Size:
    size = facts.get("crop_size", side)
    if type(size) is int:
        size = (size, size)
    elif isinstance(size, dict):
        stated = {key: side for key, side in size.items() if side is not None}
        if set(stated) != {"height", "width"}:
            raise facts.refuse("crop_size", "onnxmint reproduces a number, or height with width")
        size = (stated["height"], stated["width"])
    return facts.pixels("crop_size", size)


def _levels(facts: Facts, kind: _Processor) -> tuple[float, tuple[float, ...], tuple[float, ...]]:
    """Return scale, mean and deviation: the model reads (pixel * scale - mean) / deviation."""
    scale = 1.0
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    rescaled = facts.boolean("do_rescale", default=True)
    if rescaled:
        scale = facts.number("rescale_factor", 1 / 255, least=0)
    stated = kind.normalise or _HALF
    own = _three(facts.colours("image_std", stated[1], above=0))
    if facts.boolean("do_normalize", kind.normalise is not None):
        if kind.normalise is None:
            raise facts.refuse("do_normalize", "this processor never normalises")
        mean, std = _three(facts.colours("image_mean", stated[0])), own
    if "rescale_offset" in kind.extra and rescaled and facts.boolean("rescale_offset", default=False):
        mean = tuple(value + 1 for value in mean)
    if "include_top" in kind.extra and facts.boolean("include_top", default=True):
        std = tuple(first * second for first, second in zip(std, own, strict=True))
    return scale, mean, std


def _three(numbers: tuple[float, ...]) -> tuple[float, ...]:
    return numbers if len(numbers) == 3 else numbers * 3  # noqa: PLR2004 - colours
