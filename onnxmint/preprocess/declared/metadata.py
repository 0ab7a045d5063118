"""Preprocessing in an ONNX file's metadata_props: Ultralytics' classifiers, ONNX's image keys, plain mean and std."""

import ast
from collections.abc import Mapping
from typing import Any

from onnxmint.errors import UsageError
from onnxmint.images.foreign import parse_json
from onnxmint.preprocess.declared.values import Facts
from onnxmint.preprocess.spec import Channels, PreprocessSpec

_LONGEST = 1 << 20  # letters of a value; the names of 21,000 classes take half of it
_ULTRALYTICS = ("task", "imgsz", "channels")
_FORMAT, _RANGE, _GAMMA = "image.bitmappixelformat", "image.nominalpixelrange", "image.colorspacegamma"
_CHANNELS: Mapping[str, Channels] = {"gray8": "gray", "rgb8": "rgb", "bgr8": "bgr"}
_RANGES = {"nominalrange_0_255": "0-255", "normalized_0_1": "0-1", "normalized_1_1": "-1-1"}
_SCALES = {"0-255": (1.0, 0.0), "0-1": (1 / 255, 0.0), "-1-1": (1 / 127.5, 1.0)}


def read_metadata(props: Mapping[str, str], place: str) -> PreprocessSpec | None:
    """Return what the metadata of a model declare, None when they say nothing of it.

    Args:
        props: key and value, as text.
        place: named in errors and as the preprocessing's name.

    Raises:
        UsageError: naming the key that cannot be reproduced.
    """
    lower = {key.lower(): value for key, value in props.items()}
    if "imgsz" in props and ("task" in props or "names" in props):
        return _ultralytics(Facts(place, {key: parsed(props[key]) for key in _ULTRALYTICS if key in props}))
    if _RANGE in lower:
        return _image_keys(Facts(place, {key: value.lower() for key, value in lower.items()}))
    if "mean" in props and "std" in props:
        return _mean_and_std(Facts(place, {key: parsed(props[key]) for key in ("mean", "std")}))
    return None


def parsed(text: str) -> Any:
    """Return the value that a text writes in JSON or Python, else the text."""
    if len(text) > _LONGEST:
        return text
    for parse in (parse_json, ast.literal_eval):
        try:
            value = parse(text)
            return list(value) if isinstance(value, tuple) else value
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
    return text


def _ultralytics(facts: Facts) -> PreprocessSpec:
    """Return classify_transforms(imgsz): shorter side, central crop, 0 to 1."""
    if facts.get("task") != "classify":
        raise facts.refuse("task", 'onnxmint reproduces Ultralytics\' "classify" only; declare the steps as TOML')
    size = facts.get("imgsz")
    sides = facts.pixels("imgsz", [size, size] if type(size) is int else size)
    return PreprocessSpec(
        name=facts.place,
        origin="metadata",
        size=sides,
        resize="shortest" if sides[0] == sides[1] else "squash",
        crop=sides,
        pad=(0,),
        channels="gray" if facts.get("channels", 3) == 1 else "rgb",
        scale=1 / 255,
    )


def _image_keys(facts: Facts) -> PreprocessSpec:
    """Return what ONNX's own keys for images say (docs/MetadataProps.md); they do not say how to resize."""
    if facts.get(_GAMMA, "srgb") != "srgb":
        raise facts.refuse(_GAMMA, "onnxmint reproduces SRGB")
    scale, mean = _SCALES[facts.choice(_RANGE, None, _RANGES)]
    return PreprocessSpec(
        name=facts.place,
        origin="metadata",
        channels=facts.choice(_FORMAT, "rgb8", _CHANNELS),
        scale=scale,
        mean=(mean,),
    )


def _mean_and_std(facts: Facts) -> PreprocessSpec:
    """Return a normalisation whose units its own size tells: ImageNet's mean is 0.45 of 0-1 and 115 of 0-255."""
    mean, std = facts.colours("mean", ()), facts.colours("std", (), above=0)
    if max(std) > 1 or max(mean) > 1:
        return PreprocessSpec(name=facts.place, origin="metadata", mean=mean, std=std)
    if min(std) < 1 and min(mean) >= 0:
        return PreprocessSpec(name=facts.place, origin="metadata", scale=1 / 255, mean=mean, std=std)
    raise UsageError(
        f"{facts.place}: mean = {list(mean)} and std = {list(std)} do not tell whether pixels are 0-1 or 0-255; say it "
        "with --preprocess"
    )
