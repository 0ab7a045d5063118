"""Parquet files through pyarrow: opened with its errors as ours, and the few shapes that its answers come in."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from onnxmint.errors import ImagesError
from onnxmint.images.entries import require_file
from onnxmint.images.pages import Chunk, chunks_of, rows_at_once
from onnxmint.places.remote import BUFFER, AnyPath, RemotePath

_LONGEST = 200  # letters of pyarrow's own words


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A row group.

    Attributes:
        rows: how many it holds.
        chunks: its columns.
    """

    rows: int
    chunks: list[Chunk]

    def at_once(self, file: AnyPath, names: list[str]) -> int | str:
        """Return how many rows of some columns (`image.path`: a leaf of one) are read at once, or why none can be."""
        leaves = [leaf for leaf in self.chunks if any(f"{leaf.path}.".startswith(f"{name}.") for name in names)]
        return rows_at_once(file, leaves or self.chunks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """An open Parquet file.

    Attributes:
        file: where it is.
        handle: pyarrow's.
        groups: its row groups.
    """

    file: AnyPath
    handle: Any
    groups: tuple[Group, ...]

    @property
    def schema(self) -> Any:
        """Return pyarrow's schema of its columns."""
        return self.handle.schema_arrow


def opened(file: AnyPath) -> Opened:
    """Return an open Parquet file.

    Raises:
        ImagesError: it is none, damaged, or its parts do not add up.
    """
    import pyarrow.parquet as pq

    require_file(file)
    with arrow_errors(file):
        # A buffered stream: a row group would be read into memory whole, compressed, before the first page is used.
        far = isinstance(file, RemotePath)
        content = file.reader() if isinstance(file, RemotePath) else file
        handle = pq.ParquetFile(content, page_checksum_verification=True, buffer_size=BUFFER if far else 1 << 20)
        facts = [handle.metadata.row_group(number) for number in range(handle.num_row_groups)]
        rows, sizes = [group.num_rows for group in facts], [group.total_byte_size for group in facts]
    if sum(rows) != handle.metadata.num_rows or min(rows, default=0) < 0:
        raise ImagesError(f"{file} is no readable Parquet file: its row groups do not hold the rows that it claims")
    chunks = chunks_of(file, sizes)
    groups = tuple(Group(rows=count, chunks=columns) for count, columns in zip(rows, chunks, strict=True))
    return Opened(file=file, handle=handle, groups=groups)


def bytes_of(column: Any) -> Any:
    """Return the array of bytes in a column of images: itself, or the field of that name."""
    return column.field("bytes") if hasattr(column, "field") else column


@contextmanager
def arrow_errors(file: AnyPath) -> Iterator[None]:
    """Turn pyarrow's errors into ours, with the file's name.

    Raises:
        ImagesError: in place of them.
    """
    try:
        yield
    except (arrow_exception(), OSError, UnicodeDecodeError, MemoryError) as problem:
        raise ImagesError(f"{file} is no readable Parquet file: {first_line(problem)}") from None


def arrow_exception() -> type[Exception]:
    """Return the base of pyarrow's errors."""
    import pyarrow as pa

    kind: type[Exception] = pa.ArrowException
    return kind


def first_line(problem: BaseException) -> str:
    """Return an error's words in one line."""
    return next(iter(str(problem).strip().splitlines()), type(problem).__name__)[:_LONGEST]
