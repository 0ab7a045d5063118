"""scores.parquet: what was found of every image, and what the verdict follows from."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from onnxmint.results.audit import AUDIT, AuditResult, ScoreTable
from onnxmint.results.basis import Basis
from onnxmint.results.frames import storable
from onnxmint.writing.scratch import Content, Spool, release

_SOMETIMES = ("label", "likelihood_ratio", "probability", "free", "level", "free_level")  # may be empty throughout
_SHARES = ("p_value", "q_value", "probability")  # columns between 0 and 1
_ROW_GROUP = 1 << 20  # rows of a row group, as pyarrow has it
_TEXTS = 1 << 16  # rows whose texts become objects at once
_WIDE = ("networks", "free")  # columns with a number for each network
_KINDS = {
    "path": "text", "score": "number", "p_value": "number", "q_value": "number", "flagged": "truth",
    "likelihood_ratio": "number", "probability": "number", "label": "whole", "predicted": "whole",
    "networks": "numbers", "free": "numbers", "level": "number", "free_level": "number", "unit": "whole",
    "counted": "truth", "sha256": "text", "subject": "text",
}  # fmt: skip


def write_scores(result: AuditResult) -> Content:
    """Return scores.parquet of an audit; of millions of images it lies on disk."""
    import pyarrow.parquet as pq

    facts = {"schema": AUDIT.schema, "created": result.created, "target_sha256": result.target.sha256}
    names, count = _names(basis=result.basis is not None), len(result.scores.path)
    held = {name: getattr(result.scores if hasattr(result.scores, name) else result.basis, name) for name in names}
    schema, sink = _schema(names, facts), _Sink()
    # Page checksums notice a flipped bit; uncompressed arrays without them come back as wrong numbers, silently.
    with pq.ParquetWriter(sink, schema, compression="zstd", write_page_checksum=True) as writer:
        for start in range(0, max(count, 1), _ROW_GROUP):
            rows = slice(start, min(start + _ROW_GROUP, count))
            writer.write_table(_table(held, rows, schema), row_group_size=_ROW_GROUP)
            release()
    return sink.spool.content()


class _Sink:
    """Takes what pyarrow writes."""

    closed = False

    def __init__(self) -> None:
        self.spool, self._size = Spool(), 0

    def write(self, data: Any) -> int:
        """Put bytes behind those that are there."""
        self.spool.add(bytes(data))
        self._size += len(data)
        release()  # of the columns of a row group only that which is just written is looked at
        return len(data)

    def tell(self) -> int:
        """Return how many bytes there are."""
        return self._size

    def flush(self) -> None:
        """Do nothing: all is kept as it comes."""

    def close(self) -> None:
        """Do nothing."""

    def writable(self) -> bool:
        """Return that it takes bytes."""
        return True

    def readable(self) -> bool:
        """Return that it gives none."""
        return False

    def seekable(self) -> bool:
        """Return that bytes come one after the other."""
        return False


def _table(held: Mapping[str, object], rows: slice, schema: Any) -> Any:
    """Return some rows of all columns."""
    import pyarrow as pa

    columns = [_column(values, rows, schema.field(name).type) for name, values in held.items()]
    return pa.Table.from_arrays(columns, schema=schema)


def read_scores(content: bytes) -> tuple[ScoreTable, Basis | None]:
    """Read scores.parquet.

    Raises:
        ValueError: other columns than we write, a hole in one, or a number that cannot be.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(pa.BufferReader(content), page_checksum_verification=True)
    known = next((basis for basis in (True, False) if table.schema.equals(_schema(_names(basis=basis)))), None)
    if known is None:
        raise ValueError(f"scores.parquet has the columns {', '.join(table.schema.names)[:200]}, or other types")
    columns = {name: _values(table, name) for name in table.schema.names}
    for name, column in columns.items():
        _require_plausible(name, column)
    of = {field.name for field in fields(ScoreTable)}
    scores = ScoreTable(**{name: column for name, column in columns.items() if name in of})
    return scores, Basis(**{name: column for name, column in columns.items() if name not in of}) if known else None


def _names(*, basis: bool) -> list[str]:
    return [field.name for kind in (ScoreTable, *([Basis] if basis else [])) for field in fields(kind)]


def _schema(names: list[str], metadata: Mapping[str, str] | None = None) -> Any:
    """Return the columns of scores.parquet and their types."""
    import pyarrow as pa

    number = pa.float64()
    types = {"text": pa.string(), "number": number, "whole": pa.int64(), "truth": pa.bool_()}
    types["numbers"] = pa.list_(number)
    return pa.schema([(name, types[_KINDS[name]]) for name in names], metadata=metadata)


def _column(values: Any, rows: slice, kind: Any) -> Any:
    """Return some rows of a column as Arrow takes it; names may be no UTF-8."""
    import pyarrow as pa

    count = rows.stop - rows.start
    if values is None:
        return pa.nulls(count, kind)
    if not isinstance(values, np.ndarray):
        starts = range(rows.start, max(rows.stop, rows.start + 1), _TEXTS)
        lots = (values[start : min(start + _TEXTS, rows.stop)] for start in starts)
        return pa.concat_arrays(
            [pa.array([None if text is None else storable(text) for text in some], kind) for some in lots]
        )
    some = values[rows]
    if some.ndim == 1:
        return pa.array(some, kind)
    width = some.shape[1]
    offsets = (np.arange(count + 1) * width).astype(np.int32)
    return pa.ListArray.from_arrays(offsets, some.reshape(-1))


def _values(table: Any, name: str) -> Any:
    """Return a column as its field wants it, None where it is empty and may be.

    Raises:
        ValueError: it has holes, or as many numbers a row as no network has.
    """
    column, count = table[name].combine_chunks(), len(table)
    if name == "subject":
        return None if column.null_count == count else tuple(column.to_pylist())
    if name in _SOMETIMES and column.null_count == count and (count or name == "label"):
        return None
    if column.null_count:
        raise ValueError(f"scores.parquet has no {name} in {column.null_count:,} rows")
    if _KINDS[name] == "text":
        return tuple(column.to_pylist())
    if name not in _WIDE:
        return column.to_numpy(zero_copy_only=False)
    flat = column.flatten().to_numpy(zero_copy_only=False)
    wide = len(flat) // count if count else 1
    if (np.diff(column.offsets.to_numpy()) != wide).any():
        raise ValueError(f"scores.parquet holds rows of several lengths in {name}")
    return flat.reshape(count, wide)


def _require_plausible(name: str, column: Any) -> None:
    """Refuse numbers that cannot be.

    Raises:
        ValueError: naming the column.
    """
    if not isinstance(column, np.ndarray) or column.dtype != np.float64:
        return
    if not np.isfinite(column).all():
        raise ValueError(f"scores.parquet holds NaN or infinity in {name}")
    if name in _SHARES and not ((column >= 0) & (column <= 1)).all():
        raise ValueError(f"scores.parquet holds {name} outside 0 to 1")
