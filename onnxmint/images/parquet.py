"""Images in Parquet files of the Hugging Face form: a column `image` of struct<bytes, path>, or of plain bytes."""

import json
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

from onnxmint.errors import ImagesError
from onnxmint.images.entries import EncodedImage, ImageEntry
from onnxmint.images.files import require_columns
from onnxmint.images.filters import Filters

_ROWS_AT_ONCE = 256  # keeps few images in memory whatever the size of a row group


class ParquetSource:
    """Images in one Parquet file or in the files of a folder, in the order of their names."""

    def __init__(
        self,
        location: str,
        path: Path,
        equals: Sequence[tuple[str, str]],
        rows: slice,
        group: str | None,
        *,
        labels: bool,
    ) -> None:
        """Read the columns beside the images.

        Raises:
            ImagesError: unreadable, no image column, labels that are no integers, files that name different classes,
                or no row left.
            UsageError: a filter or group column that the file lacks.
        """
        self.location = location
        self._files = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
        listed: list[ImageEntry] = []
        self._place: list[tuple[int, int]] = []  # file and row of each entry
        self.classes: tuple[str, ...] | None = None
        filters = Filters(equals)
        for number, file in enumerate(self._files):
            table = self._facts(file, filters, group, labels=labels)
            listed += [
                ImageEntry(index=0, path=f"{file.name}:{row}" if name is None else name, label=label, group=belongs)
                for row, name, label, belongs in table
            ]
            self._place += [(number, row) for row, *_ in table]
        listed, self._place = listed[rows], self._place[rows]
        if not listed:
            raise ImagesError(f"{location} {filters.why_none()}")
        self._entries = tuple(
            ImageEntry(index=index, path=entry.path, label=entry.label, group=entry.group)
            for index, entry in enumerate(listed)
        )

    def entries(self) -> tuple[ImageEntry, ...]:
        """List the images."""
        return self._entries

    def _facts(
        self, file: Path, filters: Filters, group: str | None, *, labels: bool
    ) -> list[tuple[int, str | None, int | None, str | None]]:
        """Return (row, path, label, group) of the rows that match."""
        handle, image = self._open(file)
        columns = handle.schema_arrow.names
        require_columns(self.location, columns, [*filters.columns, *([group] if group else [])])
        has_label = labels and "label" in columns
        self._learn_classes(_classes(handle.schema_arrow.metadata or {}) if has_label else None, file)
        # The path is read without the bytes beside it: a leaf of the struct is a column of its own.
        names = [f"{image}.path"] if _has_path(handle, image) else []
        wanted = [*names, *({*filters.columns} | ({group} if group else set()))]
        wanted += ["label"] if has_label and "label" not in wanted else []
        if not wanted:
            return [(row, None, None, None) for row in range(handle.metadata.num_rows)]
        with _arrow_errors(file):
            table = handle.read(columns=wanted)
            paths = table[image].combine_chunks().field("path").to_pylist() if names else [None] * len(table)
        found = table["label"].to_pylist() if has_label else [None] * len(table)
        belongs = table[group].to_pylist() if group else [None] * len(table)
        judged = [table[column].to_pylist() for column in filters.columns]
        return [
            (row, paths[row], _label(found[row], file, row), None if belongs[row] is None else str(belongs[row]))
            for row in range(len(table))
            if filters.keeps([values[row] for values in judged])
        ]

    def _learn_classes(self, found: tuple[str, ...] | None, file: Path) -> None:
        if found is None:
            return
        if self.classes not in (None, found):
            raise ImagesError(
                f"{file} names other classes than the files before it, so a label means two things; give one file, "
                "or use --no-labels"
            )
        self.classes = found

    def _open(self, file: Path) -> tuple[Any, str]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        with _arrow_errors(file):
            handle = pq.ParquetFile(file, page_checksum_verification=True)
        columns = handle.schema_arrow.names
        twice = next((name for name in columns if columns.count(name) > 1), None)
        if twice is not None:
            raise ImagesError(f"{file} has two columns {twice!r}; rename or drop one")
        for field in handle.schema_arrow:
            if field.name in ("image", "img", "bytes"):
                kind = field.type
                if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
                    return handle, field.name
                if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
                    return handle, field.name
        raise ImagesError(
            f"{file} has no image column (columns: {', '.join(columns)}); expected `image` with "
            "encoded bytes, as Hugging Face datasets write it"
        )

    def read(self, wanted: AbstractSet[int] | None = None) -> Iterator[EncodedImage]:
        """Yield the wanted images in order, reading only row groups that hold one of them.

        The images of a damaged file or row group carry its reason; the others are read.
        """
        place = {where: index for index, where in enumerate(self._place) if wanted is None or index in wanted}
        for number, file in enumerate(self._files):
            rows = {row: index for (at, row), index in place.items() if at == number}
            if rows:
                yield from self._read_file(file, rows)

    def _read_file(self, file: Path, rows: dict[int, int]) -> Iterator[EncodedImage]:
        try:
            handle, image = self._open(file)
        except ImagesError as problem:  # it was there when the rows were listed
            yield from self._failed(rows, range(max(rows) + 1), f"cannot be read: {problem}")
            return
        start = 0
        for number in range(handle.num_row_groups):
            count = handle.metadata.row_group(number).num_rows
            if any(start <= row < start + count for row in rows):
                batches = handle.iter_batches(_ROWS_AT_ONCE, row_groups=[number], columns=[image])
                yield from self._read_group(batches, range(start, start + count), rows)
            start += count

    def _read_group(self, batches: Iterator[Any], group: range, rows: dict[int, int]) -> Iterator[EncodedImage]:
        start = group.start
        while start < group.stop:
            try:
                column = next(batches).column(0)
            except (_arrow_exception(), OSError, StopIteration) as problem:
                reason = f"is in a damaged part of the Parquet file: {_first_line(problem)}"
                yield from self._failed(rows, range(start, group.stop), reason)
                return
            values = column.field("bytes") if hasattr(column, "field") else column
            for offset in range(len(values)):
                index = rows.get(start + offset)
                if index is not None:
                    data = values[offset].as_py()
                    error = None if data is not None else "has no bytes (only a path was stored)"
                    yield EncodedImage(index=index, path=self._entries[index].path, data=data, error=error)
            start += len(values)

    def _failed(self, rows: dict[int, int], damaged: range, reason: str) -> Iterator[EncodedImage]:
        for row in damaged:
            if row in rows:
                entry = self._entries[rows[row]]
                yield EncodedImage(index=entry.index, path=entry.path, data=None, error=reason)


class _arrow_errors:
    """Turn pyarrow's errors into ours, with the file's name."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, problem: BaseException | None, trace: object) -> None:
        if isinstance(problem, (_arrow_exception(), OSError, UnicodeDecodeError)):
            raise ImagesError(f"{self._file} is no readable Parquet file: {_first_line(problem)}") from None


def _arrow_exception() -> type[Exception]:
    import pyarrow as pa

    kind: type[Exception] = pa.ArrowException
    return kind


def _first_line(problem: BaseException) -> str:
    return next(iter(str(problem).strip().splitlines()), type(problem).__name__)


def _has_path(handle: Any, image: str) -> bool:
    kind = handle.schema_arrow.field(image).type
    return hasattr(kind, "get_field_index") and kind.get_field_index("path") >= 0


def _classes(metadata: dict[bytes, bytes]) -> tuple[str, ...] | None:
    """Return class names from our own metadata (`classes`) or from Hugging Face's features."""
    try:
        if b"classes" in metadata:
            return tuple(str(name) for name in json.loads(metadata[b"classes"]))
        if b"huggingface" in metadata:
            features = json.loads(metadata[b"huggingface"])["info"]["features"]
            return tuple(str(name) for name in features["label"]["names"])
    except (ValueError, KeyError, TypeError):
        return None  # names are a comfort; the numbers are in the label column
    return None


def _label(value: Any, file: Path, row: int) -> int | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise ImagesError(f"{file}, row {row}: label {value!r} is not a class number; store integers, or use --no-labels")
