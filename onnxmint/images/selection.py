"""What of a place is meant, as its words say it: `data.parquet?split=train&rows=0:4000&labels=fine_label`."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from onnxmint.errors import UsageError
from onnxmint.images.classes import Numbering
from onnxmint.places.remote import AnyPath, RemotePath
from onnxmint.places.words import Address, local_path, shown, uri_of

FORMS = (
    "a folder of images, an image file, a Parquet file or folder, a CSV of path,label, or WebDataset .tar shards"
)  # fmt: skip
PACKED = frozenset({".zip", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".zst"})  # suffixes
_PATTERN = re.compile(r"\*|\{[^{}]*(,|\.\.)[^{}]*\}")  # what shells and WebDataset write lists of files with
KEYS = ("first-dot", "last-dot")  # where the name of a WebDataset sample ends


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """A place and the part of it that is meant.

    Attributes:
        words: as the user wrote it, less what is secret in a URI.
        path: of the file or folder.
        equals: (column, value) of rows that are kept.
        rows: slice of what is left.
        labels: column that holds the labels, None for the usual one.
        key: where the name of a WebDataset sample ends, one of KEYS.
    """

    words: str
    path: AnyPath
    equals: tuple[tuple[str, str], ...] = ()
    rows: slice = field(default_factory=lambda: slice(None))
    labels: str | None = None
    key: str = KEYS[0]

    def for_table(self, columns: Sequence[str]) -> "Selection":
        """Return what is meant of a table of these columns: ?labels= picks rows where its value is no column.

        Raises:
            UsageError: a column that is named is not there.
        """
        chosen = self
        if self.labels is not None and self.labels not in columns and "labels" in columns:
            chosen = replace(self, labels=None, equals=(*self.equals, ("labels", self.labels)))
        wanted = [column for column, _ in chosen.equals]
        require_columns(self.words, columns, [*wanted, *([chosen.labels] if chosen.labels is not None else [])])
        return chosen


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How every place of an audit is read.

    Attributes:
        group: column, JSON key or pattern that says which images belong together.
        labels: whether labels are taken.
        classes: the number of each class name, None where a place numbers its own.
    """

    group: str | None = None
    labels: bool = True
    classes: Numbering | None = None


def require_columns(location: str, columns: Sequence[str], wanted: Sequence[str]) -> None:
    """Refuse a column that is not there.

    Raises:
        UsageError: naming it and those that are.
    """
    for column in wanted:
        if column not in columns:
            raise UsageError(f"{location} has no column {column!r}; its columns: {', '.join(columns)}")


def parse_location(location: str) -> Selection:
    """Split a place, a path or a URI, into its path and what is to be taken from it.

    Raises:
        UsageError: a part behind `?` is not column=value, or `rows` is no slice.
    """
    if (uri := uri_of(location)) is not None:
        address = Address.of(uri)
        found = Selection(words=shown(location), path=RemotePath(address=address))
        return _filtered(found, address.chosen) if address.chosen else found
    location = local_path(location)
    if "?" not in location or os.path.exists(location):  # noqa: PTH110 - Path.exists raises on names that are too long
        return Selection(words=location, path=Path(location))
    place, _, filters = location.rpartition("?")
    return _filtered(Selection(words=location, path=Path(place)), filters)


def _filtered(found: Selection, filters: str) -> Selection:
    """Return what is meant of a place by what stands behind its question mark."""
    location = found.words
    for part in filters.split("&"):
        column, equal, value = part.partition("=")
        if not column or not equal:
            raise UsageError(f"{location}: {part!r} is not column=value; write for example ?split=train&rows=0:4000")
        if column == "rows":
            found = replace(found, rows=_slice(value, location))
        elif column == "labels":
            found = replace(found, labels=value)
        elif column == "key" and value in KEYS:
            found = replace(found, key=value)
        else:
            found = replace(found, equals=(*found.equals, (column, value)))
    return found


def missing(words: str) -> str:
    """Return what to give in place of something that is not there."""
    if _PATTERN.search(words):
        return "it is taken for a name and not for a pattern: give the folder, or the files one by one"
    return f"give {FORMS}"


def _slice(text: str, location: str) -> slice:
    found = re.fullmatch(r"(\d{0,18}):(\d{0,18})", text)
    if not found:
        raise UsageError(f"{location}: rows={text} is no slice; write for example rows=0:4000")
    start, end = (int(number) if number else None for number in found.groups())
    return slice(start, end)
