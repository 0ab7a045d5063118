"""Units: a listing cut into lots that any process can take, and how one is observed, in one pass over its images."""

import threading
from collections.abc import Callable, Hashable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxmint.engine.local import in_batches
from onnxmint.engine.probe import Probe
from onnxmint.engine.worker import Encoded, Told, Worker, to_numpy
from onnxmint.images.chosen import Part, Rows
from onnxmint.images.entries import ImageSource, size_of
from onnxmint.images.facts import ImageFacts, Seen, Unreadable, gathered, see
from onnxmint.images.flight import in_order

SIZE = 1000
"""Images of a unit: what a killed process does again at most."""

Wanted = Callable[[NDArray[np.uint64]], NDArray[np.bool_]]
"""Says of (b,) digests which images are scored."""


def cut(origins: Sequence[Hashable], size: int) -> list[range]:
    """Return positions of units: a shard in lots of `size`, small shards that follow each other together.

    Args:
        origins: where the bytes of each image lie, as `ImageSource.origins` says.
        size: images of a unit at most.
    """
    units, start, whole = list[range](), 0, False
    for _, run in groupby(origins, _shard):
        end = start + sum(1 for _ in run)
        if whole and len(units[-1]) + end - start <= size:
            units[-1] = range(units[-1].start, end)
        else:
            whole = end - start <= size
            units += [range(first, min(first + size, end)) for first in range(start, end, size)]
        start = end
    return units


def _shard(origin: Hashable) -> Hashable:
    """Return the file that holds an image among others, None for one that is a file itself."""
    inside = isinstance(origin, tuple) and len(origin) == 2 and isinstance(origin[0], tuple | str)  # noqa: PLR2004
    return origin[0] if isinstance(origin, tuple) and inside else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What was found out about some images in one pass; all of them by their positions in the source.

    Attributes:
        index: (n,) int64, the images, ascending.
        facts: of those that can be decoded, with PIXEL_FACTS of a few.
        row: (k,) int64, those that were scored, ascending.
        columns: by name, (k, ...) of what the model said.
        skipped: why the others were not, by position; those that were not asked for are in neither.
    """

    index: Rows
    facts: ImageFacts
    row: Rows
    columns: Mapping[str, NDArray[Any]]
    skipped: Mapping[int, str] = field(default_factory=dict)


class Recorder:
    """Looks at the images of a unit and scores them while they are in memory, by several threads of this process.

    It travels as plain data and opens its session where it is first called.
    """

    def __init__(
        self,
        probe: Probe,
        *,
        workers: int,
        threads: int,
        wanted: Wanted | None = None,
        described: AbstractSet[int] = frozenset(),
    ) -> None:
        """Remember what is asked.

        Args:
            probe: of the auditor.
            workers: batches beside each other.
            threads: within an operator.
            wanted: which images are scored; None scores all.
            described: positions of images whose PIXEL_FACTS are computed.
        """
        self._probe, self._workers, self._threads, self._wanted = probe, workers, threads, wanted
        self._described = described
        self._worker: Worker | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Return what travels: all but the open session."""
        return {**self.__dict__, "_worker": None}

    def __call__(self, source: ImageSource, span: range, labels: Rows | None) -> Recorded:
        """Return what is found out about the images at some positions.

        Args:
            source: of the images.
            span: positions.
            labels: (n,) classes of all images of the source, where they are known.

        Raises:
            ModelError: the model cannot be loaded or run.
        """
        worker = self._worker = self._worker or Worker(self._probe, threads=self._threads)
        index = np.arange(span.start, span.stop)
        part = Part(
            name="", source=source, index=index, row=index, label=None if labels is None else labels[index]
        )  # fmt: skip
        looks, told = list[Seen | Unreadable](), list[Told]()
        batches = in_batches(part, self._probe.batch_size)

        def observed(batch: Encoded, stop: threading.Event) -> tuple[list[Seen | Unreadable], Rows, Told]:
            seen = [see(image, stop, pixel_facts=self._described) for image in batch.images]
            asked = self._asked(batch, seen)
            return seen, asked.row, worker(asked, stop)

        skipped: dict[int, str] = {}
        for seen, asked, found in in_order(batches, observed, workers=self._workers, size=_bytes):
            looks += seen
            told.append(found)
            out = np.setdiff1d(asked, found.row).tolist()
            skipped |= {row: one.reason for row, one in zip(out, found.skipped, strict=True)}
        facts = gathered(looks, len(span), len(self._described & set(span)))
        return Recorded(index=index, facts=facts, skipped=skipped, **_columns(told))

    def _asked(self, batch: Encoded, seen: Sequence[Seen | Unreadable]) -> Encoded:
        """Return the images of a batch that are to be scored."""
        if self._wanted is None:
            return batch
        digest = np.array([0 if isinstance(one, Unreadable) else one.digest for one in seen], np.uint64)
        readable = np.array([isinstance(one, Seen) for one in seen], np.bool_)
        place = np.flatnonzero(self._wanted(digest) & readable)
        return Encoded(
            images=tuple(batch.images[one] for one in place.tolist()),
            row=batch.row[place],
            label=None if batch.label is None else batch.label[place],
        )


def _bytes(batch: Encoded) -> int:
    return sum(map(size_of, batch.images))


def _columns(told: Sequence[Told]) -> dict[str, Any]:
    """Return the rows that were scored and their columns."""
    shown = [one for one in told if one.columns is not None]
    names = list(shown[0].columns or ()) if shown else []
    values = {name: [to_numpy((one.columns or {})[name]) for one in shown] for name in names}
    row = np.concatenate([np.empty(0, np.int64), *(one.row for one in shown)])
    return {"row": row, "columns": {name: np.concatenate(column) for name, column in values.items()}}
