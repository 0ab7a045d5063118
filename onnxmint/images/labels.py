"""Labels as tables write them: class numbers as whole numbers, as 3.0, as text, or as names that are known."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from onnxmint.errors import ImagesError
from onnxmint.images.classes import Numbering, by_value, require_number
from onnxmint.images.entries import ImageEntry
from onnxmint.images.passed import Tally
from onnxmint.images.spelling import spelt

FAULTY = 0.05  # share of rows up to which a row that makes no sense costs itself only
_NUMBER = re.compile(r"[+-]?\d{1,4000}(\.0*)?", re.ASCII)
_LONGEST = 60  # letters of a value in a message
_WORDS = ("label", "class", "target", "category", "fine")  # that names of label columns hold
_MEND = "number the classes as the model's outputs, give their names in order with --classes FILE, or use --no-labels"


def class_number(value: Any, known: Mapping[str, int] | None = None) -> int | None:
    """Return the class number that a value means, None where there is none.

    Args:
        value: of a table: a whole number, a number such as 3.0, text that writes one, or the name of a class.
        known: the number of each class name, None when names mean nothing.

    Raises:
        ValueError: it means no class, or one that no target can have.
    """
    if value is None or value != value or (isinstance(value, str) and not value.strip()):  # noqa: PLR0124 - NaN
        return None
    if isinstance(value, str):
        text = value.strip()
        if _NUMBER.fullmatch(text):
            return require_number(int(text.partition(".")[0]))
        if known is not None and spelt(text) in known:
            return known[spelt(text)]
    elif type(value) is int:
        return require_number(value)
    elif isinstance(value, float) and value.is_integer():
        return require_number(int(value))
    shown = repr(value)
    raise ValueError(f"label {shown[:_LONGEST]}{'...' if len(shown) > _LONGEST else ''} is no class number; {_MEND}")


class Faults:
    """Rows of which something makes no sense: named and counted while they are few, else the table is refused."""

    def __init__(self) -> None:
        """Start with none."""
        self._first: str | None = None
        self._count = 0

    def add(self, tally: Tally, reason: str, example: str, message: str) -> None:
        """Count a row.

        Args:
            tally: where it is told.
            reason: what kind of rows these are, as in PassedOver.
            example: the row's place.
            message: what to say of this row if the table is refused for it.
        """
        self._first = self._first or message
        self._count += 1
        tally.add(reason, example)

    def settle(self, total: int) -> None:
        """Refuse a table of `total` rows of which too many make no sense.

        Raises:
            ImagesError: naming the first one.
        """
        if self._first is not None and self._count > FAULTY * total:
            raise ImagesError(self._first)


class LabelReader:
    """Turns the values of a label column into class numbers."""

    def __init__(self, known: Numbering | None, tally: Tally, faults: Faults) -> None:
        """Read names as `known` numbers them; values that are neither cost their row its label."""
        self._known = None if known is None else known.by_name()
        self._named = numbers_that_are_names(known)
        self._tally, self._faults = tally, faults

    def number(self, value: Any, place: str) -> int | None:
        """Return the class number of a row.

        Args:
            value: of its label; one below 0 is none, as tables of unlabelled images write it.
            place: of the row, named when it means nothing.
        """
        try:
            number = class_number(value, self._known)
            if number is not None and number < 0:
                self._tally.add("labels below 0, which say that there is none", place)
                return None
            return number if number is None or not self._named else self._meant(number)
        except ValueError as problem:
            reason = "labels that are no class number (these images count as unlabelled)"
            self._faults.add(self._tally, reason, place, f"{place}: {problem}")
            return None

    def _meant(self, number: int) -> int:
        """Return the class whose name is a number."""
        if number not in self._named:
            low, high = min(self._named), max(self._named)
            raise ValueError(f"label {number} is no class: they are called {low} to {high}; {_MEND}")
        return self._named[number]


def numbers_that_are_names(known: Numbering | None) -> dict[int, int]:
    """Return the class of each number that is a name of one, where that is not the class of the same number.

    Empty where numbers are classes: where names are words, and where a file declares which names its numbers have.
    """
    if known is None or known.order == "declared":
        return {}
    found = by_value(known)
    return {} if all(value == number for value, number in found.items()) else found


def likely_columns(columns: Sequence[str]) -> tuple[str, ...]:
    """Return the columns that may hold labels by their names."""
    return tuple(name for name in columns if any(word in name.lower() for word in _WORDS))


def unlabelled_note(location: str, likely: Sequence[str], kind: str = "column") -> tuple[str, ...]:
    """Return a sentence on a place that has no label column (or key) but others that may be it; none without these."""
    if not likely:
        return ()
    listed = ", ".join(name[:_LONGEST] for name in likely[:5])
    return (
        f"{location} has no {kind} 'label', so its images have no labels; {listed} may be meant: name it behind the "
        f"place, with ?labels={likely[0][:_LONGEST]}.",
    )


def empty_note(location: str, column: str | None, entries: Sequence[ImageEntry]) -> tuple[str, ...]:
    """Return a sentence on a label column in which no image has a label; none where one has, or there is none."""
    if column is None or not entries or any(entry.label is not None for entry in entries):
        return ()
    return (f"No image of {location} has a label: the column {column[:_LONGEST]!r} holds none.",)
