"""Images in Parquet files of the Hugging Face form: a column `image` of struct<bytes, path>, or of plain bytes."""

from collections.abc import Hashable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxmint.errors import ImagesError
from onnxmint.images.arrow import arrow_exception, bytes_of, first_line, opened
from onnxmint.images.columns import find_columns
from onnxmint.images.entries import EncodedImage, ImageEntry, identity
from onnxmint.images.labels import empty_note, unlabelled_note
from onnxmint.images.passed import count_beside, note_of
from onnxmint.images.rows import Row, RowLister
from onnxmint.images.selection import Reading, Selection
from onnxmint.places.remote import AnyPath, files_in

_ONLY_IMAGES = Reading(labels=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """The images of one file."""

    file: AnyPath
    first: int  # index of its first image
    rows: NDArray[np.int64]  # (n,) their rows, ascending


class ParquetSource:
    """Images in one Parquet file or in the files of a folder, in the order of their names."""

    def __init__(self, chosen: Selection, reading: Reading) -> None:
        """Read the columns beside the images.

        Raises:
            ImagesError: unreadable, no image column, labels that are no class numbers, files that name different
                classes, or no row left.
            UsageError: a filter, label or group column that the file lacks.
        """
        lister = RowLister(chosen, reading)
        files = files_in(chosen.path, ".parquet")
        listed = [(file, row) for file in files for row in lister.rows(file)][chosen.rows]
        lister.settle(len(listed))
        if chosen.path.is_dir():
            count_beside(chosen.path, ".parquet", lister.tally)
        self.location = chosen.words
        self.numbering = lister.numbering
        self.classes = None if self.numbering is None else self.numbering.names
        self.passed_over = lister.tally.found()
        self._parts = list(_parts(listed))
        self._entries = tuple(
            ImageEntry(index=index, path=row.name, label=row.label, group=row.group)
            for index, (_, row) in enumerate(listed)
        )
        self.notes = (
            *note_of(self.location, self.passed_over),
            *unlabelled_note(self.location, lister.likely),
            *empty_note(self.location, lister.label, self._entries),
        )

    def entries(self) -> tuple[ImageEntry, ...]:
        """List the images."""
        return self._entries

    def origins(self) -> tuple[Hashable, ...]:
        """Return the file and the row of each image."""
        files = [(identity(part.file), part.rows) for part in self._parts]
        return tuple((file, row) for file, rows in files for row in rows.tolist())

    def read(self, wanted: AbstractSet[int] | None = None) -> Iterator[EncodedImage]:
        """Yield the wanted images in order, reading only row groups that hold one of them.

        The images of a damaged file or row group carry its reason; the others are read.
        """
        for part in self._parts:
            numbered = enumerate(part.rows.tolist(), part.first)
            rows = {row: index for index, row in numbered if wanted is None or index in wanted}
            if rows:
                yield from self._read_file(part.file, rows)

    def _read_file(self, file: AnyPath, rows: dict[int, int]) -> Iterator[EncodedImage]:
        try:
            table = opened(file)
            data = find_columns(file, table.schema, Selection(words=str(file), path=file), _ONLY_IMAGES).data
        except ImagesError as problem:  # it was there when the rows were listed
            yield from self._failed(rows, range(max(rows) + 1), f"cannot be read: {problem}")
            return
        ascending = np.fromiter(rows, np.int64, len(rows))
        start = 0
        for number, group in enumerate(table.groups):
            span = range(start, start + group.rows)
            start = span.stop
            first, end = np.searchsorted(ascending, (span.start, span.stop))
            if first == end:
                continue
            many = group.at_once(file, [data])
            if isinstance(many, str):
                yield from self._failed(rows, span, many)
            else:
                batches = table.handle.iter_batches(many, row_groups=[number], columns=[data])
                yield from self._read_group(batches, span, rows)
        yield from self._failed(rows, range(start, max(rows) + 1), "is no longer in the Parquet file")

    def _read_group(self, batches: Iterator[Any], group: range, rows: dict[int, int]) -> Iterator[EncodedImage]:
        start = group.start
        while start < group.stop:
            try:
                values = bytes_of(next(batches).column(0))
            except (arrow_exception(), OSError, StopIteration, MemoryError) as problem:
                reason = f"is in a damaged part of the Parquet file: {first_line(problem)}"
                yield from self._failed(rows, range(start, group.stop), reason)
                return
            for offset in range(len(values)):
                index = rows.get(start + offset)
                if index is not None:
                    yield self._encoded(index, values[offset])
            start += len(values)
            del values  # the next batch is read while this name lasts

    def _encoded(self, index: int, value: Any) -> EncodedImage:
        data = value.as_py()
        error = None if data is not None else "has no bytes (only a path was stored): give a CSV of path,label"
        return EncodedImage(index=index, path=self._entries[index].path, data=data, error=error)

    def _failed(self, rows: dict[int, int], damaged: range, reason: str) -> Iterator[EncodedImage]:
        for row in damaged:
            if row in rows:
                entry = self._entries[rows[row]]
                yield EncodedImage(index=entry.index, path=entry.path, data=None, error=reason)


def _parts(listed: list[tuple[AnyPath, Row]]) -> Iterator[_Part]:
    """Yield the images of each file in turn."""
    first = 0
    for file, pairs in groupby(listed, lambda pair: pair[0]):
        rows = np.array([row.number for _, row in pairs], np.int64)
        yield _Part(file=file, first=first, rows=rows)
        first += len(rows)
