"""Values from somebody else's file: checked one by one, refused with the file, the key and what was expected."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from onnxmint.errors import UsageError
from onnxmint.images import foreign
from onnxmint.images.foreign import ForeignError
from onnxmint.images.pillow import LARGEST
from onnxmint.preprocess.spec import Size

Meaning = TypeVar("Meaning", bound=str)
_LONGEST = 80  # letters of a value in a message


def read_json(path: Path) -> Mapping[str, Any]:
    """Return the object in a JSON file.

    Raises:
        UsageError: it cannot be read, or is none.
    """
    try:
        facts = foreign.read_json(path)
    except ForeignError as problem:
        raise UsageError(f"{path}: {problem}") from None
    if not isinstance(facts, dict):
        raise UsageError(f"{path}: holds no JSON object; expected keys with values")
    return facts


@contextmanager
def said_by(place: str) -> Iterator[None]:
    """Add the place to the reason why what is said there makes no preprocessing.

    Raises:
        UsageError: in place of ValueError.
    """
    try:
        yield
    except ValueError as problem:
        raise UsageError(f"{place}: {problem}") from None


class Facts:
    """What a file says, read key by key; a key that is missing or null has the default."""

    def __init__(self, place: str, values: Mapping[str, Any]) -> None:
        """Read `values`, named `place` in errors."""
        self.place = place
        self._values = values

    def given(self, key: str) -> bool:
        """Return whether a key has a value."""
        return self._values.get(key) is not None

    def get(self, key: str, default: Any = None) -> Any:
        """Return a value as it is."""
        return self._values[key] if self.given(key) else default

    def refuse(self, key: str, expected: str) -> UsageError:
        """Return the error that a value deserves."""
        return UsageError(f"{self.place}: {key} = {_shown(self._values.get(key))}; {expected}")

    def boolean(self, key: str, default: bool) -> bool:
        """Return true or false."""
        value = self.get(key, default)
        if not isinstance(value, bool):
            raise self.refuse(key, "expected true or false")
        return value

    def number(self, key: str, default: float, *, least: float = -np.inf, most: float = np.inf) -> float:
        """Return a number above `least`, and at most `most`."""
        value = self.get(key, default)
        if not is_number(value) or not least < value <= most:
            between = f" above {least:g}" if np.isfinite(least) else ""
            between += f" and at most {most:g}" if np.isfinite(most) else ""
            raise self.refuse(key, f"expected a number{between}")
        return float(value)

    def choice(self, key: str, default: Any, known: Mapping[Any, Meaning]) -> Meaning:
        """Return what a value stands for."""
        value = self.get(key, default)
        if isinstance(value, bool) or not isinstance(value, (str, int)) or value not in known:
            raise self.refuse(key, f"onnxmint reproduces {', '.join(map(str, known))}")
        return known[value]

    def colours(self, key: str, default: tuple[float, ...], *, above: float = -np.inf) -> tuple[float, ...]:
        """Return one number, or three."""
        value = self.get(key, list(default))
        numbers = [value] if is_number(value) else value
        if not isinstance(numbers, list) or len(numbers) not in (1, 3) or not all(map(is_number, numbers)):
            raise self.refuse(key, "expected one number, or three (red, green, blue)")
        if any(number <= above for number in numbers):
            raise self.refuse(key, f"every number must be above {above:g}")
        return tuple(float(number) for number in numbers)

    def pixels(self, key: str, value: Any) -> Size:
        """Return (height, width) of a value that holds both, of the key `key`."""
        if not isinstance(value, Sequence) or len(value) != 2 or not all(type(side) is int for side in value):  # noqa: PLR2004
            raise self.refuse(key, "expected height and width in pixels")
        if min(value) < 1 or value[0] * value[1] > LARGEST:
            raise self.refuse(key, f"expected at least 1 and at most {LARGEST:,} pixels")
        return value[0], value[1]


def _shown(value: Any) -> str:
    """Return a value in few letters, as JSON writes it where it can."""
    try:
        text = json.dumps(value, default=str)
    except TypeError:  # a table whose keys are no text, as Python's literals may have
        text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def is_number(value: Any) -> bool:
    """Return whether it is a number that float32 can hold: files also know nan, inf and integers of any length."""
    limit = float(np.finfo(np.float32).max)
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= limit
