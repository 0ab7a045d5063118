"""Names of what was brought here from elsewhere: people read where it comes from, never a temporary folder."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from onnxmint.places.words import without_secrets

_LOCK = threading.Lock()
_MEANT: dict[str, str] = {}  # temporary folders in use: what they stand for


@contextmanager
def standing_for(folder: Path, meant: str) -> Iterator[None]:
    """Let a temporary folder be shown under another name while it is used."""
    with _LOCK:
        _MEANT[str(folder)] = meant
    try:
        yield
    finally:
        with _LOCK:
            del _MEANT[str(folder)]


def as_given(text: str) -> str:
    """Return a text in which temporary folders have the names of what was brought, and no URI has secrets."""
    for folder, meant in tuple(_MEANT.items()):
        text = text.replace(folder, meant)
    return without_secrets(text)


def renamed(value: Any) -> Any:
    """Return a result, values in it looked through, in which no temporary folder is named."""
    if isinstance(value, str):
        return as_given(value) if any(folder in value for folder in _MEANT) else value
    if isinstance(value, tuple) and not hasattr(value, "_fields"):
        return tuple(map(renamed, value))
    if isinstance(value, dict):
        return {key: renamed(one) for key, one in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        held = {one.name: getattr(value, one.name) for one in fields(value) if one.init}
        texts = {name: old for name, old in held.items() if isinstance(old, (str, tuple, dict)) or is_dataclass(old)}
        return replace(value, **{name: renamed(old) for name, old in texts.items()})
    return value
