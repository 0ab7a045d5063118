"""Images that a CSV table lists by their paths."""

import csv
import io
from collections.abc import Iterator
from typing import Any, NamedTuple

from onnxmint.errors import ImagesError
from onnxmint.images.entries import ImageEntry, require_countable
from onnxmint.images.files import FileSource
from onnxmint.images.filters import Filters
from onnxmint.images.labels import Faults, LabelReader, likely_columns, unlabelled_note
from onnxmint.images.passed import Tally
from onnxmint.images.selection import Reading, Selection, require_columns
from onnxmint.places.remote import AnyPath

_PATH, _LABEL = "path", "label"
_SEPARATORS = ";\t|"  # that other tables have


class _Row(NamedTuple):
    """What is kept of a row."""

    line: int  # where it ends in the file
    path: str
    label: str
    group: str | None


def open_csv(chosen: Selection, reading: Reading) -> FileSource:
    """Open a CSV with the column `path` (relative to the CSV), a column of labels (`label`) and a group column.

    Raises:
        ImagesError: no such column, too many rows without path or with labels that are no class, or no row.
        UsageError: a filter, label or group column that the table lacks.
    """
    path, tally, faults = chosen.path, Tally(), Faults()
    try:
        with io.TextIOWrapper(path.open("rb"), newline="", encoding="utf-8-sig") as file:
            table = csv.DictReader(file, skipinitialspace=True, restval="")
            columns = list(table.fieldnames or [])
            chosen = chosen.for_table(columns)
            require_columns(chosen.words, columns, [reading.group] if reading.group else [])
            if _PATH not in columns:
                raise ImagesError(f"{path} has no column 'path' (columns: {', '.join(columns)}); {_mend(columns)}")
            label = (chosen.labels or (_LABEL if _LABEL in columns else None)) if reading.labels else None
            filters = Filters(chosen.equals)
            kept = list(_kept(table, filters, label, reading.group))
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
    return FileSource(
        chosen.words,
        [path.parent / entry.path for entry in entries],
        entries,
        numbering=reading.classes if label is not None else None,
        passed_over=tally.found(),
        notes=unlabelled_note(chosen.words, likely_columns(columns)) if reading.labels and label is None else (),
    )


def _mend(columns: list[str]) -> str:
    """Return what to do about a table whose columns lack the paths."""
    sign = next((sign for sign in _SEPARATORS if len(columns) == 1 and sign in columns[0]), None)
    return "add the image paths" if sign is None else f"separate them by commas, not by {sign!r}"


def _kept(table: Any, filters: Filters, label: str | None, group: str | None) -> Iterator[_Row]:
    for row in table:
        if filters.keeps([row[column] for column in filters.columns]):
            belongs = (row[group] or None) if group else None
            yield _Row(table.line_num, row[_PATH], row[label] if label is not None else "", belongs)


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
