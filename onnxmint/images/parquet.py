"""Images in Parquet files of the Hugging Face form: a column `image` of struct<bytes, path>, or of plain bytes."""

import sys
from array import array
from bisect import bisect_right
from collections.abc import Hashable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, overload

import numpy as np

from onnxmint.errors import ImagesError
from onnxmint.images.arrow import arrow_exception, bytes_of, first_line, opened
from onnxmint.images.columns import find_columns
from onnxmint.images.entries import EncodedImage, ImageEntry, identity
from onnxmint.images.labels import empty_note, unlabelled_note
from onnxmint.images.listing import Listed, Listing
from onnxmint.images.passed import count_beside, note_of
from onnxmint.images.rows import RowLister
from onnxmint.images.selection import Reading, Selection
from onnxmint.places.remote import AnyPath, files_in

_ONLY_IMAGES = Reading(labels=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """The images of one file."""

    file: AnyPath
    first: int  # index of its first image
    rows: Sequence[int]  # (n,) their rows, ascending


class _Origins(Sequence[Hashable]):
    """The file and the row of each image."""

    def __init__(self, parts: Sequence[_Part]) -> None:
        self._parts = [(identity(part.file), part) for part in parts]
        self._first = [part.first for part in parts]

    def __len__(self) -> int:
        return sum(len(part.rows) for _, part in self._parts)

    @overload
    def __getitem__(self, place: int) -> Hashable: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Hashable]: ...
    def __getitem__(self, place: int | slice) -> Hashable | Sequence[Hashable]:
        if isinstance(place, slice):
            return tuple(self[one] for one in range(len(self))[place])
        file, part = self._parts[bisect_right(self._first, place) - 1]
        return file, part.rows[place - part.first]

    def __iter__(self) -> Iterator[Hashable]:
        return ((file, row) for file, part in self._parts for row in part.rows)


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
        self._parts: list[_Part] = []
        self._entries = Listing(self._listed(files_in(chosen.path, ".parquet"), lister, chosen.rows))
        lister.settle(len(self._entries))
        if chosen.path.is_dir():
            count_beside(chosen.path, ".parquet", lister.tally)
        self.location = chosen.words
        self.numbering = lister.numbering
        self.classes = None if self.numbering is None else self.numbering.names
        self.passed_over = lister.tally.found()
        self.notes = (
            *note_of(self.location, self.passed_over),
            *unlabelled_note(self.location, lister.likely),
            *empty_note(self.location, lister.label, self._entries),
        )

    def _listed(self, files: Sequence[AnyPath], lister: RowLister, rows: slice) -> Iterator[Listed]:
        """Yield what is known of each image that is meant, and remember where it is."""
        start, stop = rows.start or 0, sys.maxsize if rows.stop is None else rows.stop
        every = count = 0
        for file in files:
            numbers = array("q")
            for row in lister.rows(file):
                if start <= every < stop:
                    numbers.append(row.number)
                    yield Listed(row.name, row.label, row.group)
                every += 1
            if numbers:
                self._parts.append(_Part(file=file, first=count, rows=_plain(numbers)))
                count += len(numbers)

    def entries(self) -> Sequence[ImageEntry]:
        """List the images."""
        return self._entries

    def origins(self) -> Sequence[Hashable]:
        """Return the file and the row of each image."""
        return _Origins(self._parts)

    def read(self, wanted: AbstractSet[int] | None = None) -> Iterator[EncodedImage]:
        """Yield the wanted images in order, reading only row groups that hold one of them.

        The images of a damaged file or row group carry its reason; the others are read.
        """
        for part in self._parts:
            numbered = enumerate(part.rows, part.first)
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


def _plain(numbers: "array[int]") -> Sequence[int]:
    """Return rising numbers without gaps as a range, which takes no room."""
    gapless = range(numbers[0], numbers[-1] + 1)
    return gapless if len(gapless) == len(numbers) else numbers
