"""How encoded images become the pixels that a target expects: declared, exact, and recorded in every report.

Decoding, resizing and cropping are Pillow's and happen here; scaling, mean and deviation happen inside the graph.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxmint.errors import UsageError
from onnxmint.images.pillow import FORMATS, decoded, in_mode, upright
from onnxmint.preprocess.geometry import fit
from onnxmint.preprocess.spec import KEEPING_ASPECT, PreprocessSpec, Size, layout_named

__all__ = ["FORMATS", "PRESETS", "decode", "final_size", "resolve"]

PRESETS: Mapping[str, PreprocessSpec] = {
    "imagenet": PreprocessSpec(
        name="imagenet", origin="preset", scale=1 / 255, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)
    ),
    "cifar10": PreprocessSpec(
        name="cifar10", origin="preset", scale=1 / 255, mean=(0.4914, 0.4822, 0.4465), std=(0.247, 0.2435, 0.2616)
    ),
    "0-1": PreprocessSpec(name="0-1", origin="preset", scale=1 / 255),
    "-1-1": PreprocessSpec(name="-1-1", origin="preset", scale=1 / 255, mean=(0.5,), std=(0.5,)),
    "0-255": PreprocessSpec(name="0-255", origin="preset"),
}


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
    _refuse_other_input(spec, channels, layout)
    graph = _size_of_input(spec, height, width)
    size, crop = spec.size, spec.crop
    if spec.crop_fraction is not None:
        size = (math.floor(graph[0] / spec.crop_fraction), math.floor(graph[1] / spec.crop_fraction))
        crop = graph
    if size is None and crop is None:
        size = graph  # with resize "none" a check, not a change
    if spec.resize in KEEPING_ASPECT and crop is None:
        crop = graph
    return replace(
        spec,
        size=size,
        crop=crop,
        crop_fraction=None,
        layout=layout_named(layout),
        channels="gray" if channels == 1 else spec.channels,
        mean=_broadcast(spec.mean, channels),
        std=_broadcast(spec.std, channels),
    )


def _refuse_other_input(spec: PreprocessSpec, channels: int, layout: str) -> None:
    """Refuse what is declared of channels and layout and contradicts the target's input."""
    if spec.layout is not None and spec.layout != layout:
        raise UsageError(f"preprocessing {spec.name} says layout {spec.layout}, but the model's input is {layout}")
    if (spec.channels == "gray") != (channels == 1) and spec.channels != "rgb":
        raise UsageError(f"preprocessing {spec.name} says channels {spec.channels!r}, but the model takes {channels}")
    if len(spec.mean) > channels or len(spec.std) > channels:
        raise UsageError(f"preprocessing {spec.name} has mean and std of 3 channels, but the model takes {channels}")
    if spec.pad is not None and len(spec.pad) > channels:
        raise UsageError(f"preprocessing {spec.name} has pad of 3 channels, but the model takes {channels}")


def _size_of_input(spec: PreprocessSpec, height: int | None, width: int | None) -> Size:
    """Return (height, width) of the target's input, by the declaration where the target leaves them open."""
    final = spec.crop or (None if spec.crop_fraction else spec.size)
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
    return graph


def final_size(spec: PreprocessSpec) -> Size | None:
    """Return the (height, width) that decoding makes; None when images are taken as they are."""
    return spec.crop or spec.size


def _broadcast(numbers: tuple[float, ...], channels: int) -> tuple[float, ...]:
    return numbers * channels if len(numbers) == 1 else numbers


def decode(data: bytes, spec: PreprocessSpec) -> NDArray[np.uint8]:
    """Return the pixels of an encoded image, resized and cropped: (H, W, C) uint8, red first (bgr is made later).

    Colour profiles are left alone, and EXIF orientation too unless it is to be applied: as torchvision reads files.

    Raises:
        ImagesError: the image is broken, too large, deeper than 8 bits, or not of the size that is wanted.
    """
    with decoded(data, partial(_as_declared, spec=spec)) as image:
        pixels = np.asarray(fit(image, spec))
    return np.ascontiguousarray(pixels if pixels.ndim == 3 else pixels[:, :, None])  # noqa: PLR2004 - gray has two axes


def _as_declared(image: Any, spec: PreprocessSpec) -> Any:
    """Return an opened image in the colours that a preprocessing wants."""
    image = upright(image) if spec.orientation == "apply" else image
    image = _on_white(image) if spec.transparency == "white" else image
    return in_mode(image, "L" if spec.channels == "gray" else "RGB")


def _on_white(image: Any) -> Any:
    """Return an image whose transparent parts show white, as transformers 5 does where it converts to RGB."""
    from PIL import Image

    if "A" not in image.getbands() and image.info.get("transparency") is None:
        return image
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, (255, 255, 255, 255)), image)
