"""comparison.parquet: what two models said of every image, and what the changes follow from."""

from typing import Any

import numpy as np

from onnxmint.results.comparison import COMPARISON, SOMETIMES, ComparedScores, Comparison

NAME = "comparison.parquet"
_SETS = ("forget", "members", "non-members")
_NUMBERS = ("before", "after", "above_before", "above_after")


def write_compared(found: Comparison) -> bytes:
    """Return comparison.parquet: a row an image."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    facts = {"schema": COMPARISON.schema, "created": found.created}
    of_models = {"before_sha256": found.before.target.sha256, "after_sha256": found.after.target.sha256}
    sink: Any = pa.BufferOutputStream()
    table = found.scores.table().replace_schema_metadata(facts | of_models)
    pq.write_table(table, sink, compression="zstd", write_page_checksum=True)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def read_compared(content: bytes) -> ComparedScores:
    """Read comparison.parquet.

    Raises:
        ValueError: other columns than we write, holes, a set that there is none of, or a number that cannot be.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(pa.BufferReader(content), page_checksum_verification=True)
    if not table.schema.equals(ComparedScores.none().table().schema):
        raise ValueError(f"{NAME} has the columns {', '.join(table.schema.names)[:200]}, or other types")
    held = {name: table[name].combine_chunks() for name in table.schema.names}
    for name, column in held.items():
        if column.null_count and (name not in SOMETIMES or column.null_count < len(table)):
            raise ValueError(f"{NAME} has no {name} in {column.null_count:,} rows")
    numbers = {name: held[name].to_numpy(zero_copy_only=False) for name in _NUMBERS}
    sometimes = {name: _unless_empty(held[name]) for name in SOMETIMES}
    if not all(np.isfinite(column).all() for column in numbers.values()):
        raise ValueError(f"{NAME} holds NaN or infinity")
    sets = tuple(held["set"].to_pylist())
    if not set(sets) <= set(_SETS):
        raise ValueError(f"{NAME} holds a set that is none of {', '.join(_SETS)}")
    return ComparedScores(path=tuple(held["path"].to_pylist()), set=sets, **numbers, **sometimes)


def _unless_empty(column: Any) -> Any:
    """Return a column that may have no value at all, None where it has none."""
    return None if column.null_count or not len(column) else column.to_numpy(zero_copy_only=False)
