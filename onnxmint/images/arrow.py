"""Parquet files through pyarrow: opened with its errors as ours, and the few shapes that its answers come in."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from onnxmint.errors import ImagesError

_LONGEST = 200  # letters of pyarrow's own words


def opened(file: Path) -> Any:
    """Return an open Parquet file.

    Raises:
        ImagesError: it is none, damaged, or its parts do not add up.
    """
    import pyarrow.parquet as pq

    with arrow_errors(file):
        # A buffered stream: a row group would be read into memory whole, compressed, before the first page is used.
        handle = pq.ParquetFile(file, page_checksum_verification=True, buffer_size=1 << 20)
    if sum(group.num_rows for group in groups_of(handle)) != handle.metadata.num_rows:
        raise ImagesError(f"{file} is no readable Parquet file: its row groups do not hold the rows that it claims")
    return handle


def groups_of(handle: Any) -> Iterator[Any]:
    """Yield what the footer says of each row group."""
    for number in range(handle.num_row_groups):
        yield handle.metadata.row_group(number)


def leaves_of(group: Any, names: list[str]) -> list[Any]:
    """Return the column chunks of a row group that make up some columns (`image.path`: a leaf of one)."""
    leaves = [group.column(place) for place in range(group.num_columns)]
    return [leaf for leaf in leaves if any(f"{leaf.path_in_schema}.".startswith(f"{name}.") for name in names)]


def bytes_of(column: Any) -> Any:
    """Return the array of bytes in a column of images: itself, or the field of that name."""
    return column.field("bytes") if hasattr(column, "field") else column


@contextmanager
def arrow_errors(file: Path) -> Iterator[None]:
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
