"""Images that a CSV table lists by their paths."""

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import PurePath
from typing import Any, NamedTuple, TextIO

from onnxmint.errors import ImagesError
from onnxmint.images.entries import ImageEntry, require_countable, require_file
from onnxmint.images.files import FileSource
from onnxmint.images.filters import Filters
from onnxmint.images.labels import Faults, LabelReader, empty_note, likely_columns, unlabelled_note
from onnxmint.images.passed import Tally
from onnxmint.images.pillow import SUFFIXES
from onnxmint.images.selection import Reading, Selection, require_columns
from onnxmint.places.remote import AnyPath

# What the columns are called, whatever the case: by the first name, or else by one other.
_PATH = ("path", "file_name", "filename", "file", "filepath", "file_path", "image", "image_path", "img", "img_path")
_LABEL = ("label",)
_LONGEST_LINE = 1 << 20  # letters
_SEPARATORS = ";\t|"  # that other tables have


class _Row(NamedTuple):
    """What is kept of a row."""

    line: int  # where it ends in the file
    path: str
    label: str
    group: str | None


def open_csv(chosen: Selection, reading: Reading) -> FileSource:
    """Open a CSV with a column of paths (`path`, relative to the CSV), of labels (`label`) and a group column.

    Raises:
        ImagesError: no such column or two, too many rows without path or with labels that are no class, or no row.
        UsageError: a filter, label or group column that the table lacks.
    """
    path, tally, faults = chosen.path, Tally(), Faults()
    require_file(path)
    try:
        with io.TextIOWrapper(path.open("rb"), newline="", encoding="utf-8-sig") as file:
            table = csv.DictReader(_lines(file), skipinitialspace=True, restval="")
            columns = _columns(table, path)
            chosen = chosen.for_table(columns)
            require_columns(chosen.words, columns, [reading.group] if reading.group else [])
            place = _called(_PATH, columns)
            if place is None:
                raise ImagesError(f"{path} has no column 'path' (columns: {', '.join(columns)}); {_mend(columns)}")
            label = (chosen.labels or _called(_LABEL, columns)) if reading.labels else None
            filters = Filters(chosen.equals)
            kept = list(_kept(table, filters, (place, label), reading.group))
    except UnicodeDecodeError:
        raise ImagesError(f"{path} is no text in UTF-8; save it as UTF-8") from None
    except (OSError, csv.Error) as problem:
        raise ImagesError(f"cannot read {path}: {problem}") from None
    total = len(kept)
    require_countable(total, chosen.words)
    rows = list(_with_path(kept, path, tally, faults))[chosen.rows]
    faults.settle(total)
    if not rows:
        raise ImagesError(f"{chosen.words} {filters.why_none()}")
    entries = _entries(rows, path, LabelReader(reading.classes, tally, faults))
    faults.settle(total)
    likely = likely_columns(columns) if label is None else ()
    return FileSource(
        chosen.words,
        [path.parent / entry.path for entry in entries],
        entries,
        numbering=reading.classes if label is not None else None,
        passed_over=tally.found(),
        notes=(*unlabelled_note(chosen.words, likely), *empty_note(chosen.words, label, entries))
        if reading.labels
        else (),
    )


def _lines(file: TextIO) -> Iterator[str]:
    """Yield the lines of a table; one without an end, as of a sparse file, is not read into memory.

    Raises:
        csv.Error: a line is far too long.
    """
    while line := file.readline(_LONGEST_LINE):
        if len(line) == _LONGEST_LINE:
            raise csv.Error(f"a line has more than {_LONGEST_LINE:,} letters")
        yield line


def _columns(table: Any, path: AnyPath) -> list[str]:
    """Return the names of the columns: the first line that is not empty.

    Raises:
        ImagesError: there is none, or a name stands twice: one of its columns would not be read.
    """
    columns = list(table.fieldnames or [])
    while not columns and table.reader is not None and (line := next(table.reader, None)) is not None:
        columns = [name.strip() for name in line]
    table.fieldnames = columns
    if not columns:
        raise ImagesError(f"{path} is empty; write a line path,label and then one image a line")
    twice = next((name for name in columns if columns.count(name) > 1), None)
    if twice is not None:
        raise ImagesError(f"{path} has two columns {twice!r}; rename or drop one")
    return columns


def _called(names: Sequence[str], columns: Sequence[str]) -> str | None:
    """Return the column that is called by the first of some names, or the only one that is called by another.

    None where there is none, or several may be meant.
    """
    first = [name for name in columns if name == names[0]] or [name for name in columns if name.lower() == names[0]]
    found = first or [name for name in columns if name.lower() in names]
    return found[0] if len(found) == 1 else None


def _mend(columns: list[str]) -> str:
    """Return what to do about a table whose columns lack the paths."""
    sign = next((sign for sign in _SEPARATORS if len(columns) == 1 and sign in columns[0]), None)
    if sign is not None:
        return f"separate them by commas, not by {sign!r}"
    if any(PurePath(name).suffix.lower() in SUFFIXES for name in columns):
        return "the first line names the columns: path,label"
    return "call the column of image paths 'path'"


def _kept(table: Any, filters: Filters, columns: tuple[str, str | None], group: str | None) -> Iterator[_Row]:
    """Yield the rows that filters keep; `columns` are those of paths and of labels."""
    path, label = columns
    for row in table:
        if filters.keeps([row[column] for column in filters.columns]):
            belongs = (row[group] or None) if group else None
            yield _Row(table.line_num, row[path], row[label] if label is not None else "", belongs)


def _with_path(rows: list[_Row], table: AnyPath, tally: Tally, faults: Faults) -> Iterator[_Row]:
    """Yield the rows that name a file; count the others."""
    for row in rows:
        if row.path:
            yield row
            continue
        place = f"{table}, line {row.line}"
        faults.add(tally, "rows without a path", place, f"{place}: no path; write one image a line, or remove the line")


def _entries(rows: list[_Row], table: AnyPath, reader: LabelReader) -> tuple[ImageEntry, ...]:
    return tuple(
        ImageEntry(
            index=index,
            path=row.path,
            label=reader.number(row.label, f"{table}, line {row.line}"),
            group=row.group,
        )
        for index, row in enumerate(rows)
    )
