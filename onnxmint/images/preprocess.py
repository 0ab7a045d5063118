"""How encoded images become the pixels that a target expects: declared, exact, and recorded in every report.

Decoding, resizing and cropping are Pillow's and happen here; scaling, mean and deviation happen inside the graph.
"""

import io
import os
import threading
import tomllib
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxmint.errors import ImagesError, UsageError

LARGEST = 50_000_000  # pixels; a file of a few kB can claim far more
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
FILTERS = ("nearest", "bilinear", "bicubic", "lanczos", "box", "hamming")
RESIZES = ("fit-when-needed", "squash", "shortest", "none")
CHANNELS = ("rgb", "bgr", "gray")
LAYOUTS = ("NCHW", "NHWC", "flat", "flat-hwc", "flat-chw")  # flat: rows of pixels, as numpy's reshape makes them
HEADER_LOCK = threading.Lock()  # warnings.catch_warnings is not safe in threads, and images are decoded in several
DEEP_MODES = ("I;16", "I;16B", "I;16L", "I", "F")

Size = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class PreprocessSpec:
    """Everything between an image file and the target's input.

    Attributes:
        name: the preset or file it came from.
        size: (height, width) to resize to; for "shortest" the shorter side becomes the smaller of the two.
        resize: "squash" changes the aspect, "shortest" keeps it (crop follows), "none" leaves the image,
            "fit-when-needed" squashes only images that do not have the size yet.
        filter: Pillow's resampling filter.
        crop: (height, width) of a central crop after resizing, rounded as torchvision does.
        channels: "rgb", "bgr" or "gray": what the target reads.
        layout: "NCHW" or "NHWC" when stated; the graph decides, and a contradiction is refused. Where the target takes
            rows of pixels, "flat-chw" says that channels come first, "flat-hwc" (or "flat", the default) last.
        scale, mean, std: the target reads (pixel * scale - mean) / std, per channel.
    """

    name: str
    size: Size | None = None
    resize: str = "fit-when-needed"
    filter: str = "bilinear"
    crop: Size | None = None
    channels: str = "rgb"
    layout: str | None = None
    scale: float = 1.0
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)


PRESETS: Mapping[str, PreprocessSpec] = {
    "imagenet": PreprocessSpec(name="imagenet", scale=1 / 255, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),
    "cifar10": PreprocessSpec(
        name="cifar10", scale=1 / 255, mean=(0.4914, 0.4822, 0.4465), std=(0.247, 0.2435, 0.2616)
    ),
    "0-1": PreprocessSpec(name="0-1", scale=1 / 255),
    "-1-1": PreprocessSpec(name="-1-1", scale=1 / 255, mean=(0.5,), std=(0.5,)),
    "0-255": PreprocessSpec(name="0-255"),
}


def load_spec(text: str) -> PreprocessSpec:
    """Return a preset, or what a TOML file declares.

    Raises:
        UsageError: no such preset or file, or a key or value that means nothing.
    """
    if text in PRESETS:
        return PRESETS[text]
    path = Path(text)
    if not os.path.isfile(path):  # noqa: PTH113 - Path.is_file raises on names that are too long
        raise UsageError(f"--preprocess {text!r} is neither a preset ({', '.join(PRESETS)}) nor a TOML file")
    try:
        facts = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as problem:
        raise UsageError(f"--preprocess {text}: no readable TOML: {problem}") from None
    return _from_toml(facts, path)


def _from_toml(facts: Mapping[str, Any], path: Path) -> PreprocessSpec:
    known = [field.name for field in fields(PreprocessSpec) if field.name != "name"]
    choices = {"resize": RESIZES, "filter": FILTERS, "channels": CHANNELS, "layout": LAYOUTS}
    read: dict[str, Any] = {}
    for key, value in facts.items():
        if key not in known:
            raise UsageError(f"{path}: unknown key {key!r}; known: {', '.join(known)}")
        if key in choices and value not in choices[key]:
            raise UsageError(f"{path}: {key} = {value!r}; expected one of {', '.join(choices[key])}")
        if key in ("size", "crop"):
            value = _size(value, key, path)
        elif key in ("mean", "std"):
            value = _numbers(value, key, path)
        elif key == "scale" and (not _is_number(value) or value == 0):
            raise UsageError(
                f"{path}: scale = {value!r}; expected a number, not 0, such as 0.00392156862745098 for 1/255"
            )
        read[key] = float(value) if key == "scale" else value
    if any(number <= 0 for number in read.get("std", ())):
        raise UsageError(f"{path}: std = {list(read['std'])}; a deviation must be above 0")
    return PreprocessSpec(name=str(path), **read)


def _size(value: Any, key: str, path: Path) -> Size:
    sizes = [value, value] if isinstance(value, int) else value
    if isinstance(sizes, list) and len(sizes) == 2 and all(type(size) is int and size > 0 for size in sizes):  # noqa: PLR2004
        if sizes[0] * sizes[1] <= LARGEST:
            return sizes[0], sizes[1]
        raise UsageError(f"{path}: {key} = {value!r} is absurdly large; at most {LARGEST:,} pixels")
    raise UsageError(f"{path}: {key} = {value!r}; expected [height, width] or one number, in pixels")


def _numbers(value: Any, key: str, path: Path) -> tuple[float, ...]:
    numbers = [value] if _is_number(value) else value
    if isinstance(numbers, list) and len(numbers) in (1, 3) and all(_is_number(number) for number in numbers):
        return tuple(float(number) for number in numbers)
    raise UsageError(f"{path}: {key} = {value!r}; expected one number, or three (red, green, blue)")


def _is_number(value: Any) -> bool:
    """Return whether it is a number that float32 can hold: TOML also knows nan, inf and integers of any length."""
    limit = float(np.finfo(np.float32).max)
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= limit


def resolve(
    spec: PreprocessSpec, *, height: int | None, width: int | None, channels: int, layout: str
) -> PreprocessSpec:
    """Return the preprocessing with everything that a target leaves no choice about filled in.

    Args:
        spec: what was declared.
        height: of the target's input, None where it takes any.
        width: the same.
        channels: of the target's input, 1 or 3.
        layout: of the target's input.

    Raises:
        UsageError: the size is open, or declaration and target contradict each other.
    """
    if spec.layout is not None and spec.layout != layout:
        raise UsageError(f"preprocessing {spec.name} says layout {spec.layout}, but the model's input is {layout}")
    if (spec.channels == "gray") != (channels == 1) and spec.channels != "rgb":
        raise UsageError(f"preprocessing {spec.name} says channels {spec.channels!r}, but the model takes {channels}")
    if len(spec.mean) > channels or len(spec.std) > channels:
        raise UsageError(f"preprocessing {spec.name} has mean and std of 3 channels, but the model takes {channels}")
    size, crop = spec.size, spec.crop
    final = crop or size
    graph = (height or (final or (0, 0))[0], width or (final or (0, 0))[1])
    if 0 in graph:
        raise UsageError(
            f"the model takes images of any size and preprocessing {spec.name} does not say which: set size in a TOML "
            "file, for example size = [224, 224], scale = 0.00392156862745098, mean = [...], std = [...]"
        )
    if final is not None and final != graph:
        raise UsageError(
            f"preprocessing {spec.name} makes images of {final[0]}x{final[1]}, the model takes {graph[0]}x{graph[1]}"
        )
    if size is None and crop is None:
        size = graph  # with resize "none" a check, not a change
    if spec.resize == "shortest" and crop is None:
        crop = graph
    return replace(
        spec,
        size=size,
        crop=crop,
        layout=layout,
        channels="gray" if channels == 1 else spec.channels,
        mean=_broadcast(spec.mean, channels),
        std=_broadcast(spec.std, channels),
    )


def final_size(spec: PreprocessSpec) -> Size | None:
    """Return the (height, width) that decoding makes; None when images are taken as they are."""
    return spec.crop or spec.size


def _broadcast(numbers: tuple[float, ...], channels: int) -> tuple[float, ...]:
    return numbers * channels if len(numbers) == 1 else numbers


def decode(data: bytes, spec: PreprocessSpec) -> NDArray[np.uint8]:
    """Return the pixels of an encoded image, resized and cropped: (H, W, C) uint8, red first (bgr is made later).

    EXIF orientation and colour profiles are left alone, transparency is dropped: as torchvision reads files.

    Raises:
        ImagesError: the image is broken, too large, deeper than 8 bits, or not of the size that is wanted.
    """
    from PIL import Image, UnidentifiedImageError

    if not data:
        raise ImagesError("is empty")
    try:
        with HEADER_LOCK, warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image: Image.Image = Image.open(io.BytesIO(data), formats=FORMATS)
        if image.width * image.height > LARGEST:
            raise ImagesError(f"is absurdly large: {image.width} x {image.height} pixels (allowed {LARGEST:,})")
        if image.mode in DEEP_MODES:
            raise ImagesError(
                f"has more than 8 bits a channel (mode {image.mode}); convert it to 8 bits as the model saw it"
            )
        image = image.convert("L" if spec.channels == "gray" else "RGB")
    except UnidentifiedImageError:
        raise ImagesError(f"is not an image in {', '.join(FORMATS)}") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise ImagesError(f"is absurdly large (more than {LARGEST:,} pixels)") from None
    except (OSError, SyntaxError, ValueError, EOFError) as problem:
        raise ImagesError(f"is broken: {problem}") from None
    pixels = np.asarray(_crop(_resize(image, spec), spec))
    return np.ascontiguousarray(pixels if pixels.ndim == 3 else pixels[:, :, None])  # noqa: PLR2004 - gray has two axes


def _resize(image: Any, spec: PreprocessSpec) -> Any:
    from PIL import Image

    if spec.size is None:
        return image
    height, width = spec.size
    if spec.resize == "none":
        if spec.crop is None and (image.height, image.width) != (height, width):
            raise ImagesError(f"is {image.height}x{image.width} pixels, the model takes {height}x{width}")
        return image
    if spec.resize == "shortest":
        short = min(height, width)
        if image.width <= image.height:
            width, height = short, int(short * image.height / image.width)
        else:
            width, height = int(short * image.width / image.height), short
        if width * height > LARGEST:  # a thin image of a few kB can ask for terabytes
            raise ImagesError(
                f"is {image.height}x{image.width} pixels, too thin: its shorter side as {short} pixels makes "
                f"{height}x{width} (allowed {LARGEST:,} pixels)"
            )
    elif spec.resize == "fit-when-needed" and (image.height, image.width) == (height, width):
        return image
    return image.resize((width, height), getattr(Image.Resampling, spec.filter.upper()))


def _crop(image: Any, spec: PreprocessSpec) -> Any:
    if spec.crop is None:
        return image
    height, width = spec.crop
    if image.height < height or image.width < width:
        raise ImagesError(f"is {image.height}x{image.width} pixels, too small for the crop of {height}x{width}")
    top, left = round((image.height - height) / 2.0), round((image.width - width) / 2.0)
    return image.crop((left, top, left + width, top + height))


def to_dict(spec: PreprocessSpec) -> dict[str, Any]:
    """Return the JSON form."""
    return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(spec).items()}


def from_dict(facts: Mapping[str, Any]) -> PreprocessSpec:
    """Read `to_dict` back."""
    read: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in facts.items()}
    return PreprocessSpec(**read)
