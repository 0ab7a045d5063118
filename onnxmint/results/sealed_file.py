"""sealed.parquet: what the model said of every variant of sealed pictures."""

from typing import TYPE_CHECKING

import numpy as np

from onnxmint.results.sealed import SEALED, SealedAudit, SealedScores

if TYPE_CHECKING:
    import pyarrow as pa

NAME = "sealed.parquet"


def write_sealed(found: SealedAudit) -> bytes:
    """Return sealed.parquet of an audit: a row a picture."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    facts = {"schema": SEALED.schema, "created": found.created, "target_sha256": found.target.sha256}
    scores = found.scores
    label = pa.nulls(len(scores.picture), pa.int64()) if scores.label is None else pa.array(scores.label)
    score = pa.array(list(scores.score), pa.list_(pa.float64()))
    columns = [pa.array(scores.picture), pa.array(scores.drawn), label, score]
    table = pa.Table.from_arrays(columns, schema=_schema().with_metadata(facts))
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", write_page_checksum=True)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def read_sealed(content: bytes) -> SealedScores:
    """Read sealed.parquet.

    Raises:
        ValueError: other columns than we write, holes, no number of a score, or rows of several lengths.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(pa.BufferReader(content), page_checksum_verification=True)
    if not table.schema.equals(_schema()):
        raise ValueError(f"{NAME} has the columns {', '.join(table.schema.names)[:200]}, or other types")
    picture, drawn, label, score = (table[name].combine_chunks() for name in table.schema.names)
    flat = score.flatten()
    holes = [column.null_count for column in (picture, drawn, score, flat)]
    if any(holes) or label.null_count not in (0, len(table)):
        raise ValueError(f"{NAME} has holes")
    each = len(flat) // len(table) if len(table) else 0
    if not each or (np.diff(score.offsets.to_numpy()) != each).any():
        raise ValueError(f"{NAME} holds rows of several lengths, or none")
    values = flat.to_numpy().reshape(len(table), each)
    if not np.isfinite(values).all():
        raise ValueError(f"{NAME} holds NaN or infinity")
    return SealedScores(
        picture=picture.to_numpy(),
        drawn=drawn.to_numpy(),
        label=None if label.null_count else label.to_numpy(),
        score=values,
    )


def _schema() -> "pa.Schema":
    """Return the columns and their types."""
    import pyarrow as pa

    whole = pa.int64()
    return pa.schema([("picture", whole), ("drawn", whole), ("label", whole), ("score", pa.list_(pa.float64()))])
