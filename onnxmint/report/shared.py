"""A result as it may be shared: names of files without the folders above them, which tell about who ran the audit."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import PurePath
from typing import Any, TypeVar

from onnxmint.places.words import uri_of
from onnxmint.results.audit import AuditResult

Value = TypeVar("Value")
_PLACES = ("model", "images", "members", "nonmembers", "auditor_file", "preprocess", "classes", "reference", "output")
_FOLDER = "folder"
_IN_WORDS = ("controls", "verdict", "questioned", "evidence", "warnings")  # parts of a result with sentences in them


def without_folders(result: AuditResult, settings: Mapping[str, object]) -> tuple[AuditResult, dict[str, object]]:
    """Return a result and the words of its command in which places are named by their last part alone.

    Args:
        result: the audit; its scores are left as they are: paths in them begin below the place of the images.
        settings: the command's words, which name the places.
    """
    folders = sorted(set(_above(settings, result.target.path)), key=len, reverse=True)
    above = re.compile("|".join(rf"(?<![\w/\\.-]){re.escape(folder)}" for folder in folders) or "(?!)")
    shorter = {name: _shorter(getattr(result, name), above) for name in _IN_WORDS}
    target = replace(result.target, path=last_part(result.target.path))
    words = {name: _named(name, value, above) for name, value in settings.items() if name != _FOLDER}
    return replace(result, **shorter | {"target": target}), words


def last_part(place: str) -> str:
    """Return the name of a file or folder of either kind of system; what chooses rows in it (?split=train) stays."""
    path, mark, rows = place.partition("?")
    parts = [part for part in re.split(r"[/\\]", path) if part]
    return (parts[-1] if parts and parts[-1] not in (".", "..") else path) + mark + rows


def _above(settings: Mapping[str, object], model: str) -> Iterable[str]:
    """Yield the folders above all places, as they can stand in sentences."""
    here = settings.get(_FOLDER)
    if isinstance(here, str) and here:
        yield f"{here.rstrip('/')}/"
    for place in (model, *_places(settings)):
        path = place.partition("?")[0]
        parent = str(PurePath(path).parent) if uri_of(path) is None else path.rpartition("/")[0]
        if parent not in (".", "/", "") and not parent.endswith(":/"):
            yield f"{parent}/"


def _places(settings: Mapping[str, object]) -> Iterable[str]:
    for name in _PLACES:
        value = settings.get(name)
        for one in value if isinstance(value, (list, tuple)) else (value,):
            if isinstance(one, str):
                yield one


def _named(name: str, value: object, above: re.Pattern[str]) -> object:
    if name not in _PLACES:
        return _shorter(value, above)
    if isinstance(value, (list, tuple)):
        return [last_part(str(one)) for one in value]
    return last_part(value) if isinstance(value, str) else value


def _shorter(value: Value, above: re.Pattern[str]) -> Value:
    """Return a value with the folders taken out of every text in it."""
    found: Any = value
    if isinstance(value, str):
        found = above.sub("", value)
    elif isinstance(value, tuple):
        found = tuple(_shorter(one, above) for one in value)
    elif is_dataclass(value) and not isinstance(value, type):
        found = replace(value, **{one.name: _shorter(getattr(value, one.name), above) for one in fields(value)})
    return found  # type: ignore[no-any-return]
