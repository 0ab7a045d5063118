"""part-NNNNN.parquet: what was found out about the images of a unit, a row each, whole or not there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from onnxmint.engine.units import Recorded
from onnxmint.images.facts import HASH, ImageFacts, Unreadable
from onnxmint.results.frames import storable
from onnxmint.settings import DeviceKind
from onnxmint.writing.files import atomic_write
from onnxmint.writing.regular import require_regular

if TYPE_CHECKING:
    import pyarrow as pa

_PREFIX = "onnxmint."
_COLUMNS = f"{_PREFIX}columns"  # key of the names and types that were written


class PartError(ValueError):
    """A part cannot be used; in words that follow its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """How a part came about.

    Attributes:
        work: identity of the work.
        unit: its number, from 0.
        shares: among how many processes the units were divided.
        host: what its processor calls itself.
        device: that the model ran on.
        provider: onnxruntime's name for it.
        reason: why it was taken.
    """

    work: str
    unit: int
    shares: int
    host: str
    device: DeviceKind
    provider: str
    reason: str

    def words(self) -> dict[str, str]:
        """Return it as the file's metadata."""
        return {f"{_PREFIX}{name}": str(getattr(self, name)) for name in self.__slots__}

    @classmethod
    def of(cls, metadata: Mapping[bytes, bytes] | None) -> "Made":
        """Return it from the file's metadata.

        Raises:
            PartError: it is no part of ours.
        """
        found = {key.decode("utf-8", "replace"): value for key, value in (metadata or {}).items()}
        try:
            text = {name: found[f"{_PREFIX}{name}"].decode() for name in cls.__slots__}
            return cls(**{**text, "unit": int(text["unit"]), "shares": int(text["shares"])})  # type: ignore[arg-type]
        except (KeyError, ValueError):
            raise PartError("is no part of an audit") from None


def part_name(unit: int) -> str:
    """Return the name of a unit's file."""
    return f"part-{unit:05d}.parquet"


def write_part(path: Path, found: Recorded, paths: Sequence[str], made: Made) -> None:
    """Write a part, so that it is there whole or not at all.

    Args:
        path: where it stands; what is there already is replaced.
        found: about the images of the unit.
        paths: (n,) their names.
        made: how it came about.

    Raises:
        OnnxmintError: it cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = part_table(found, paths)
    # Pages have checksums, the footer has none: a flipped bit would make another name of a column.
    table = table.replace_schema_metadata({**made.words(), _COLUMNS: _layout(table)})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", write_page_checksum=True)
    atomic_write(path, sink.getvalue().to_pybytes())


def part_table(found: Recorded, paths: Sequence[str]) -> "pa.Table":
    """Return a row for each image, null where nothing could be found out."""
    import pyarrow as pa

    count, facts = len(found.index), found.facts
    seen, told = np.searchsorted(found.index, facts.index), np.searchsorted(found.index, found.row)
    errors = {one.index: one for one in facts.unreadable}
    encoded, size = np.zeros((count, HASH), np.uint8), np.zeros(count, np.int64)
    encoded[seen], size[seen] = facts.encoded, facts.size
    for place in np.searchsorted(found.index, sorted(errors)).tolist():
        one = errors[int(found.index[place])]
        encoded[place], size[place] = np.frombuffer(one.encoded, np.uint8), one.size
    reasons = [errors[index].reason if index in errors else None for index in found.index.tolist()]
    columns: dict[str, Any] = {
        "index": found.index,
        "path": [storable(path) for path in paths],
        "unreadable": pa.array(reasons, pa.string()),
        "skipped": pa.array([found.skipped.get(index) for index in found.index.tolist()], pa.string()),
        "encoded": _wide(encoded, count, np.arange(count)),
        "size": size,
    }
    for name in ("digest", "phash", "thumb", "file", "more"):
        columns[name] = _wide(getattr(facts, name), count, seen)
    described = facts.described
    columns["statistics"] = _wide(facts.statistics[facts.place[described]], count, seen[described])
    for name, values in found.columns.items():
        columns[f"told.{name}"] = _wide(values, count, told)
    return pa.table(columns)


def _wide(values: NDArray[Any], count: int, place: NDArray[np.int64]) -> "pa.Array":
    """Return (k, ...) values at some of `count` places, null at the others."""
    import pyarrow as pa

    full = np.zeros((count, *values.shape[1:]), values.dtype)
    full[place] = values
    missing = np.ones(count, np.bool_)
    missing[place] = False
    if full.ndim == 1:
        return pa.array(full, mask=missing)
    flat, width = np.ascontiguousarray(full).reshape(-1), full.shape[1]
    if full.dtype == np.uint8:
        valid = pa.py_buffer(np.packbits(~missing, bitorder="little").tobytes())
        return pa.Array.from_buffers(pa.binary(width), count, [valid, pa.py_buffer(flat.tobytes())])
    return pa.FixedSizeListArray.from_arrays(pa.array(flat), width, mask=pa.array(missing))


def read_part(path: Path) -> tuple[Made, Recorded]:
    """Read a part; every page is checked.

    Raises:
        PartError: it is damaged, or none of ours.
        FileNotFoundError: it is not there.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        require_regular(path, links=True)
        with path.open("rb") as file:
            table = pq.read_table(file, page_checksum_verification=True)
    except FileNotFoundError:
        raise
    except (OSError, ValueError, pa.ArrowException) as problem:
        first = (str(problem).strip() or type(problem).__name__).splitlines()[0]
        raise PartError(f"is damaged: {first}") from None
    made = Made.of(table.schema.metadata)
    if table.schema.metadata.get(_COLUMNS.encode()) != _layout(table).encode():
        raise PartError("is damaged: its columns are not those that were written")
    return made, recorded_in(table)


def _layout(table: "pa.Table") -> str:
    """Return names and types of columns; Parquet has a name of its own for what a list holds."""
    return "; ".join(f"{field.name} {field.type}".replace("<item:", "<element:") for field in table.schema)


def recorded_in(table: "pa.Table") -> Recorded:
    """Return what the rows of a part say."""
    index = table["index"].to_numpy()
    seen, told = _valid(table["digest"]), _valid(table["told.score"]) if "told.score" in table.column_names else None
    encoded = _values(table["encoded"], np.ones(len(index), np.bool_))
    size, paths = table["size"].to_numpy(), table["path"]
    reasons = table["unreadable"].to_pylist()
    unreadable = tuple(
        Unreadable(
            index=int(index[row]),
            path=paths[row].as_py(),
            reason=reasons[row] or "",
            encoded=encoded[row].tobytes(),
            size=int(size[row]),
        )
        for row in np.flatnonzero(~seen).tolist()
    )
    by_image = {name: _values(table[name], seen) for name in ("digest", "phash", "thumb", "file", "more")}
    described = _valid(table["statistics"])
    place = np.where(described, np.cumsum(described) - 1, -1).astype(np.int32)
    facts = ImageFacts(
        index=index[seen],
        statistics=_values(table["statistics"], described),
        place=place[seen],
        encoded=encoded[seen],
        size=size[seen],
        unreadable=unreadable,
        **by_image,
    )
    names = [name for name in table.column_names if name.startswith("told.")]
    reasons = table["skipped"].to_pylist()
    return Recorded(
        index=index,
        facts=facts,
        row=index[:0] if told is None else index[told],
        columns={} if told is None else {name[len("told.") :]: _values(table[name], told) for name in names},
        skipped={int(index[row]): reason for row, reason in enumerate(reasons) if reason is not None},
    )


def _valid(column: "pa.ChunkedArray") -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = column.is_valid().to_numpy()
    return found


def _values(column: "pa.ChunkedArray", rows: NDArray[np.bool_]) -> NDArray[Any]:
    """Return the (k, ...) values of a column in some rows."""
    import pyarrow as pa

    whole = column.filter(pa.array(rows)).combine_chunks()
    if pa.types.is_fixed_size_binary(whole.type):
        width = whole.type.byte_width
        data = np.frombuffer(whole.buffers()[1], np.uint8) if len(whole) else np.empty(0, np.uint8)
        return data[whole.offset * width : (whole.offset + len(whole)) * width].reshape(-1, width)
    if pa.types.is_fixed_size_list(whole.type):
        wide: NDArray[Any] = whole.flatten().to_numpy().reshape(len(whole), whole.type.list_size)
        return wide
    found: NDArray[Any] = whole.to_numpy(zero_copy_only=False)  # bits are unpacked
    return found
