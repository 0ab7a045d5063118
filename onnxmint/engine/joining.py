"""Parts read one after the other, put together as columns that lie on disk where they are large."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxmint.engine.units import Recorded
from onnxmint.images.facts import BY_IMAGE, PIXEL_FACTS, ImageFacts, Unreadable
from onnxmint.writing import scratch

_THUMB = "of.thumb"
_HELD = 1 << 16  # rows that are read before memory is given back


def joined(parts: Iterable[Recorded], count: int) -> Recorded:
    """Return the images of some parts, in the order of the parts; few parts are in memory at once.

    Args:
        parts: all of the same columns, but for those that scored nothing.
        count: images of all parts.
    """
    room = _Room(count)
    unreadable, skipped, statistics = (
        list[Unreadable](),
        dict[int, str](),
        [np.empty((0, len(PIXEL_FACTS)), np.float32)],
    )
    start, held = 0, 0
    for part in parts:
        facts = part.facts
        room.add("index", part.index)
        for name in BY_IMAGE:
            values = getattr(facts, name)
            room.add(f"of.{name}", np.where(values < 0, values, values + start) if name == "place" else values)
        room.add("row", part.row)
        for name, values in part.columns.items():
            room.add(f"told.{name}", values)
        statistics.append(facts.statistics)
        start += len(facts.statistics)
        unreadable += facts.unreadable
        skipped |= part.skipped
        held += len(part.index)
        if held >= _HELD:
            held = 0
            scratch.release()
    facts = ImageFacts(
        statistics=np.concatenate(statistics),
        unreadable=tuple(unreadable),
        **{name: room.column(f"of.{name}") for name in BY_IMAGE},
    )
    told = room.named("told.")
    return Recorded(index=room.column("index"), facts=facts, row=room.column("row"), columns=told, skipped=skipped)


class _Room:
    """Columns of at most so many rows, filled from the top."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._columns: dict[str, NDArray[Any]] = {}
        self._filled: dict[str, int] = {}
        self._thumb: scratch.Shelf | None = None

    def add(self, name: str, values: NDArray[Any]) -> None:
        """Put rows under those of a column that are there."""
        if name == _THUMB and self._count * values.shape[1] >= scratch.LARGE:
            self._thumb = self._thumb or scratch.Shelf(self._count, values.shape[1])
            self._thumb.add(values)
            return
        if name not in self._columns:
            self._columns[name] = scratch.empty((self._count, *values.shape[1:]), values.dtype)
            self._filled[name] = 0
        start = self._filled[name]
        self._filled[name] = start + len(values)
        self._columns[name][start : self._filled[name]] = values

    def column(self, name: str) -> Any:
        """Return what is filled of a column."""
        if name == _THUMB and self._thumb is not None:
            return self._thumb.done()
        return self._columns[name][: self._filled[name]]

    def named(self, prefix: str) -> dict[str, NDArray[Any]]:
        """Return the columns of a prefix, without it."""
        return {name.removeprefix(prefix): self.column(name) for name in self._columns if name.startswith(prefix)}
