"""How much of a Parquet column is in memory at once: the pages it is cut into, by their own headers.

Parquet's reader decompresses whole pages, and a page of a few kB can hold gigabytes; the footer tells of whole columns
only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from onnxmint.images.thrift import Compact, ThriftError
from onnxmint.places.remote import AnyPath

LARGEST_PAGE = 320 << 20  # bytes, decompressed; about twice as much is in memory while it is read
_BATCH = 32 << 20  # bytes of values that are handed on at once
_MOST_ROWS = 256
_HEADER = 1 << 16  # bytes; longer headers hold long statistics
_LONGEST_HEADER = 16 << 20
_LONGEST_FOOTER = 8 << 20  # bytes; of 10,000 row groups with five columns
_TAIL = 8  # bytes behind the footer: its length and the file's mark
_DICTIONARY = 2  # kind of a page
_PREFIXED = 7  # encoding: DELTA_BYTE_ARRAY, each value may repeat the start of the one before
_CHUNK = {2: None, 3: None, 5: None, 6: None, 7: None, 9: None, 11: None}  # of ColumnMetaData
_FOOTER = {4: {1: {3: _CHUNK}}}  # row groups, their columns, what is known of each


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """A column of a row group, as the footer describes it.

    Attributes:
        path: of its leaf, such as "image.bytes".
        encodings: by their numbers.
        values: how many it holds.
        size: bytes, decompressed.
        stored: bytes in the file.
        start: of its first page, None where the file does not say.
        dictionary: whether a page of values that rows refer to by number comes first.
    """

    path: str
    encodings: tuple[int, ...]
    values: int
    size: int
    stored: int
    start: int | None
    dictionary: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """The pages of one column in one row group.

    Attributes:
        largest: bytes of the largest page, decompressed.
        dictionary: bytes of the page of values that rows refer to by number, 0 without one.
    """

    largest: int
    dictionary: int


def chunks_of(file: AnyPath, sizes: Sequence[int]) -> list[list[Chunk]]:
    """Return the columns of every row group.

    Args:
        file: the Parquet file.
        sizes: bytes of every row group, which one column may have alone where the footer is too long to be read here.
    """
    try:
        groups = _read_footer(file)
        if len(groups) == len(sizes):
            return [[_chunk(column.get(3, {})) for column in group.get(1, [])] for group in groups]
    except (OSError, ThriftError, IndexError, TypeError, AttributeError):  # pyarrow will say so in its own words
        pass
    unknown = [
        Chunk(path="", encodings=(), values=1, size=size, stored=0, start=None, dictionary=True) for size in sizes
    ]
    return [[one] for one in unknown]


def _read_footer(file: AnyPath) -> list[dict[int, Any]]:
    with file.open("rb", _HEADER) as handle:
        end = handle.seek(-_TAIL, 2)
        length = int.from_bytes(handle.read(4), "little")
        if not 0 < length <= min(end, _LONGEST_FOOTER):
            raise ThriftError("a footer too long to be read here")
        handle.seek(end - length)
        found: list[dict[int, Any]] = Compact(handle.read(length)).structure(_FOOTER).get(4, [])
    return found


def _chunk(facts: dict[int, Any]) -> Chunk:
    data, dictionary = (_whole(facts, field) for field in (9, 11))
    return Chunk(
        path=".".join(part.decode("utf-8", "replace") for part in facts.get(3, [])),
        encodings=tuple(facts.get(2, [])),
        values=_whole(facts, 5),
        size=_whole(facts, 6),
        stored=_whole(facts, 7),
        start=min((place for place in (data, dictionary) if place), default=None),
        dictionary=dictionary > 0,
    )


def _whole(facts: dict[int, Any], field: int) -> int:
    """Return a number from 0 on, 0 where the field is missing."""
    number = facts.get(field, 0)
    if not isinstance(number, int) or number < 0:
        raise ThriftError("no size")
    return number


def rows_at_once(file: AnyPath, chunks: Sequence[Chunk]) -> int | str:
    """Return how many rows of a row group are read at once, or why none can be.

    Args:
        file: the Parquet file.
        chunks: of the columns that are read.
    """
    rows = _MOST_ROWS
    for chunk in chunks:
        found = pages_of(file, chunk)
        if found.largest > LARGEST_PAGE:
            return (
                f"is in a part of the Parquet file that takes {found.largest >> 20:,} MiB at once (allowed "
                f"{LARGEST_PAGE >> 20}): write it again in row groups of 100 rows"
            )
        average = max(1, chunk.size // max(1, chunk.values))
        # A row of a dictionary, or of prefixes, may be as long as the whole page that it refers to.
        longest = max(found.dictionary, found.largest if _PREFIXED in chunk.encodings else 0, average)
        rows = min(rows, max(1, _BATCH // longest))
    return rows


def pages_of(file: AnyPath, chunk: Chunk) -> Pages:
    """Return the sizes of a column's pages; those of the whole where it is small, or its headers cannot be read."""
    if chunk.size > _BATCH and chunk.start is not None:
        try:
            with file.open("rb", _HEADER) as handle:  # from header to header: what lies between is not fetched
                return walk(handle, chunk.start, chunk.start + chunk.stored)
        except (OSError, ThriftError):
            pass
    return Pages(largest=chunk.size, dictionary=chunk.size if chunk.dictionary else 0)


def walk(handle: BinaryIO, start: int, end: int) -> Pages:
    """Return the sizes of the pages between two places of a file.

    Raises:
        ThriftError: there are no pages.
    """
    largest = dictionary = 0
    while start < end:
        header, length = _header(handle, start)
        kind, size, stored = (_whole(header, field) for field in (1, 2, 3))
        largest = max(largest, size)
        dictionary = size if kind == _DICTIONARY else dictionary
        start += length + stored
    return Pages(largest=largest, dictionary=dictionary)


def _header(handle: BinaryIO, start: int) -> tuple[dict[int, Any], int]:
    """Return the kind and the sizes in a page's header, and the header's length."""
    length = _HEADER
    while True:
        handle.seek(start)
        content = handle.read(length)
        reader = Compact(content)
        try:
            return reader.structure({1: None, 2: None, 3: None}), reader.place
        except IndexError:
            if len(content) < length or length >= _LONGEST_HEADER:
                raise ThriftError("a header without an end") from None
            length *= 16
