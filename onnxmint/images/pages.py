"""How much of a Parquet column is in memory at once: the pages it is cut into, by their own headers.

Parquet's reader decompresses whole pages, and a page of a few kB can hold gigabytes; its footer tells of whole columns
only. A header is a structure of Thrift's compact protocol; of its fields two sizes and the kind are read.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

LARGEST_PAGE = 320 << 20  # bytes, decompressed; about twice as much is in memory while it is read
_BATCH = 32 << 20  # bytes of values that are handed on at once
_MOST_ROWS = 256
_HEADER = 1 << 16  # bytes; longer headers hold long statistics
_LONGEST_HEADER = 16 << 20
_DICTIONARY = 2  # kind of a page


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """The pages of one column in one row group.

    Attributes:
        largest: bytes of the largest page, decompressed.
        dictionary: bytes of the page of values that rows refer to by number, 0 without one.
    """

    largest: int
    dictionary: int


class _Damaged(ValueError):
    """A header that cannot be read; pyarrow will say so in its own words."""


def rows_at_once(file: Path, columns: list[Any]) -> int | str:
    """Return how many rows of a row group are read at once, or why none can be.

    Args:
        file: the Parquet file.
        columns: pyarrow's ColumnChunkMetaData of those that are read.
    """
    rows = _MOST_ROWS
    for column in columns:
        found = pages_of(file, column)
        if found.largest > LARGEST_PAGE:
            return (
                f"is in a part of the Parquet file that takes {found.largest >> 20:,} MiB at once (allowed "
                f"{LARGEST_PAGE >> 20}): write it again in row groups of 100 rows"
            )
        average = max(1, column.total_uncompressed_size // max(1, column.num_values))
        # A row of a dictionary, or of prefixes, may be as long as the whole page that it refers to.
        longest = max(found.dictionary, found.largest if "DELTA_BYTE_ARRAY" in column.encodings else 0, average)
        rows = min(rows, max(1, _BATCH // longest))
    return rows


def pages_of(file: Path, column: Any) -> Pages:
    """Return the sizes of a column's pages; those of its footer where the headers cannot be read."""
    whole = int(column.total_uncompressed_size)
    if whole <= _BATCH:
        return Pages(largest=whole, dictionary=whole if column.dictionary_page_offset is not None else 0)
    starts = [column.dictionary_page_offset, column.data_page_offset]
    start = min(offset for offset in starts if offset is not None)
    try:
        with file.open("rb") as handle:
            return _walk(handle, start, start + column.total_compressed_size)
    except (OSError, _Damaged):
        return Pages(largest=whole, dictionary=0)


def _walk(handle: BinaryIO, start: int, end: int) -> Pages:
    largest = dictionary = 0
    while start < end:
        header, length = _header(handle, start)
        kind, size, compressed = (header.get(field, -1) for field in (1, 2, 3))
        if min(kind, size, compressed) < 0:
            raise _Damaged
        largest = max(largest, size)
        dictionary = size if kind == _DICTIONARY else dictionary
        start += length + compressed
    return Pages(largest=largest, dictionary=dictionary)


def _header(handle: BinaryIO, start: int) -> tuple[dict[int, int], int]:
    """Return the whole numbers among a header's fields, and its length."""
    length = _HEADER
    while True:
        handle.seek(start)
        content = handle.read(length)
        reader = _Compact(content)
        try:
            return reader.numbers(), reader.place
        except IndexError:
            if len(content) < length or length >= _LONGEST_HEADER:
                raise _Damaged from None
            length *= 16


class _Compact:
    """Reads Thrift's compact protocol as far as a page header needs it."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.place = 0

    def numbers(self, depth: int = 0) -> dict[int, int]:
        """Return the whole numbers of a structure by their field; other fields are passed."""
        found: dict[int, int] = {}
        field = 0
        while byte := self._byte():
            step, kind = byte >> 4, byte & 15
            field = field + step if step else self._signed()
            if kind in (4, 5, 6):  # 16, 32, 64 bits
                found[field] = self._signed()
            else:
                self._pass(kind, depth)
        return found

    def _pass(self, kind: int, depth: int) -> None:
        if depth > 8:  # noqa: PLR2004 - a page header has three levels
            raise _Damaged
        if kind in (1, 2):  # true, false: in the field's own byte
            return
        if kind in (4, 5, 6):
            self._signed()
        elif kind in (3, 7, 8):  # a byte, a double, bytes
            length = {3: 1, 7: 8}.get(kind) or self._unsigned()  # which itself moves the place
            self.place += length
        elif kind == 12:  # noqa: PLR2004 - a structure
            self.numbers(depth + 1)
        elif kind in (9, 10):  # a list, a set
            byte = self._byte()
            for _ in range(byte >> 4 if byte >> 4 < 15 else self._unsigned()):  # noqa: PLR2004 - then it follows
                self._pass(byte & 15, depth + 1)
        else:
            raise _Damaged

    def _byte(self) -> int:
        self.place += 1
        return self._content[self.place - 1]

    def _unsigned(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:  # noqa: PLR2004 - the last one
                return value
            if shift > 63:  # noqa: PLR2004 - longer than any number
                raise _Damaged

    def _signed(self) -> int:
        value = self._unsigned()
        return (value >> 1) ^ -(value & 1)
