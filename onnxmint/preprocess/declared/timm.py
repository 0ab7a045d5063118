"""timm: what the evaluation transform of a pretrained_cfg makes of an image (timm.data.transforms_factory)."""

import math
from pathlib import Path
from typing import Any

from onnxmint.preprocess.declared.values import Facts, read_json
from onnxmint.preprocess.spec import FILTERS, PreprocessSpec, Resize, Size

_FILTERS = {name: name for name in FILTERS}
_MODES = {"center": "center", "squash": "squash", "border": "border"}
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def is_timm(values: Any) -> bool:
    """Return whether the content of a JSON file is timm's: a pretrained_cfg, or a file that holds one."""
    return "pretrained_cfg" in values or {"input_size", "mean", "std"} <= set(values)


def read_pretrained_cfg(path: Path) -> PreprocessSpec:
    """Return what a config.json of timm declares; timm itself reads six of its keys to prepare images.

    Raises:
        UsageError: naming the key that cannot be reproduced.
    """
    values = read_json(path)
    inner = values.get("pretrained_cfg", values)
    facts = Facts(str(path), inner if isinstance(inner, dict) else values)
    if not isinstance(inner, dict):
        raise facts.refuse("pretrained_cfg", "expected an object")
    if not is_timm(values):
        raise facts.refuse("pretrained_cfg", "this is no config.json of timm; expected input_size, mean and std")
    shape = facts.get("input_size", [3, 224, 224])
    if not isinstance(shape, list) or len(shape) != 3 or shape[0] not in (1, 3):  # noqa: PLR2004
        raise facts.refuse("input_size", "expected [channels, height, width]")
    crop = facts.pixels("input_size", shape[1:])
    share = facts.number("crop_pct", 0.875, least=0.01, most=1)
    mode = facts.choice("crop_mode", "center", _MODES)
    larger = math.floor(crop[0] / share), math.floor(crop[1] / share)
    mean = facts.colours("mean", _MEAN)
    return PreprocessSpec(
        name=str(path),
        origin="timm",
        size=larger,
        resize=_resize(mode, larger),
        filter=facts.choice("interpolation", "bicubic", _FILTERS),
        crop=crop,
        pad=tuple(min(255, max(0, round(255 * value))) for value in mean) if mode == "border" else (0,),
        channels="gray" if shape[0] == 1 else "rgb",
        scale=1 / 255,
        mean=mean,
        std=facts.colours("std", _STD, above=0),
    )


def _resize(mode: str, size: Size) -> Resize:
    if mode == "center":
        return "shortest" if size[0] == size[1] else "cover"
    return "squash" if mode == "squash" else "longest"
