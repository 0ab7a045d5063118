"""Preprocessing in onnxmint's own words: what a TOML file declares, and the file that declares a preparation."""

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from onnxmint.errors import UsageError
from onnxmint.images import foreign
from onnxmint.images.foreign import ForeignError
from onnxmint.images.pillow import LARGEST
from onnxmint.preprocess.declared.values import is_number
from onnxmint.preprocess.geometry import contradiction
from onnxmint.preprocess.spec import CHOICES, LEAST_FRACTION, PreprocessSpec, Size

_NOT_DECLARED = ("name", "origin")  # said by the file itself
_LEVELS = 255


def read_toml(path: Path) -> PreprocessSpec:
    """Return what a TOML file declares.

    Raises:
        UsageError: it is none, or a key or value means nothing.
    """
    try:
        facts = foreign.read_toml(path)
    except ForeignError as problem:
        raise UsageError(f"--preprocess {path}: {problem}") from None
    known = [field.name for field in fields(PreprocessSpec) if field.name not in _NOT_DECLARED]
    read: dict[str, Any] = {}
    for key, value in facts.items():
        if key not in known:
            raise UsageError(f"{path}: unknown key {key!r}; known: {', '.join(known)}")
        if key in CHOICES and value not in CHOICES[key]:
            raise UsageError(f"{path}: {key} = {value!r}; expected one of {', '.join(CHOICES[key])}")
        read[key] = _READ[key](value, key, path) if key in _READ else value
    if any(number <= 0 for number in read.get("std", ())):
        raise UsageError(f"{path}: std = {list(read['std'])}; a deviation must be above 0")
    spec = PreprocessSpec(name=str(path), origin="toml", **read)
    wrong = contradiction(spec)
    if wrong is not None:
        raise UsageError(f"{path}: {wrong}")
    return spec


def _size(value: Any, key: str, path: Path) -> Size:
    sizes = [value, value] if isinstance(value, int) else value
    if isinstance(sizes, list) and len(sizes) == 2 and all(type(size) is int and size > 0 for size in sizes):  # noqa: PLR2004
        if sizes[0] * sizes[1] <= LARGEST:
            return sizes[0], sizes[1]
        raise UsageError(f"{path}: {key} = {value!r} is absurdly large; at most {LARGEST:,} pixels")
    raise UsageError(f"{path}: {key} = {value!r}; expected [height, width] or one number, in pixels")


def _numbers(value: Any, key: str, path: Path) -> tuple[float, ...]:
    numbers = [value] if is_number(value) else value
    if isinstance(numbers, list) and len(numbers) in (1, 3) and all(is_number(number) for number in numbers):
        return tuple(float(number) for number in numbers)
    raise UsageError(f"{path}: {key} = {value!r}; expected one number, or three (red, green, blue)")


def _scale(value: Any, key: str, path: Path) -> float:
    if not is_number(value) or value == 0:
        raise UsageError(f"{path}: {key} = {value!r}; expected a number, not 0, such as 0.00392156862745098 for 1/255")
    return float(value)


def _fraction(value: Any, key: str, path: Path) -> float:
    if not is_number(value) or not LEAST_FRACTION <= value <= 1:
        raise UsageError(f"{path}: {key} = {value!r}; expected a number from 0.01 to 1, such as 0.875")
    return float(value)


def _levels(value: Any, key: str, path: Path) -> tuple[int, ...]:
    levels = [value] if isinstance(value, int) else value
    good = isinstance(levels, list) and len(levels) in (1, 3)
    if good and all(type(level) is int and 0 <= level <= _LEVELS for level in levels):
        return tuple(levels)
    raise UsageError(f"{path}: {key} = {value!r}; expected one level from 0 to 255, or three (red, green, blue)")


_READ = {
    "size": _size,
    "crop": _size,
    "crop_fraction": _fraction,
    "pad": _levels,
    "scale": _scale,
    "mean": _numbers,
    "std": _numbers,
}


def spec_toml(spec: PreprocessSpec) -> str:
    """Return the TOML file that declares a preparation; what is as by default is left out."""
    default = asdict(PreprocessSpec(name=spec.name))
    stated: Mapping[str, Any] = {key: value for key, value in asdict(spec).items() if value != default[key]}
    # JSON's strings, numbers and lists of numbers are TOML's
    return "".join(f"{key} = {json.dumps(value)}\n" for key, value in stated.items() if key not in _NOT_DECLARED)
