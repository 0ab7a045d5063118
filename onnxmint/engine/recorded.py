"""An engine that reads what parts recorded, and has the few images that nobody recorded shown by another engine."""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxmint.engine.observations import Engine, Observations
from onnxmint.engine.probe import Probe
from onnxmint.engine.units import Recorded
from onnxmint.errors import ImagesError
from onnxmint.images.chosen import Images, Part, Rows
from onnxmint.images.entries import ImageSource
from onnxmint.images.facts import ImageFacts, look_at
from onnxmint.images.listing import Span
from onnxmint.progress import Stage
from onnxmint.results.facts import Skipped
from onnxmint.writing import scratch

_CHECKED = 50  # images, those of the smallest digests
_QUESTION = ("model", "columns", "spec", "with_labels", "reduce")  # of a probe; the rest is where and how fast


class FromParts:
    """Answers as the engine would that made the parts."""

    def __init__(self, recorded: Recorded, probe: Probe, other: Engine) -> None:
        """Answer one probe from what was recorded.

        Args:
            recorded: of all images of the source.
            probe: that was asked of them.
            other: shows what was not.
        """
        self._recorded, self._probe, self._other = recorded, probe, other

    @property
    def stage(self) -> Stage:
        """Return what is told of the progress."""
        return self._other.stage

    def observe(self, probe: Probe, images: Images, *, name: str) -> Observations:
        """Return what the probe finds out about the images; see `Engine.observe`."""
        known = all(getattr(probe, field) == getattr(self._probe, field) for field in _QUESTION)
        (part,) = images.parts if len(images.parts) == 1 else (None,)
        if not known or not isinstance(part, Part):
            return self._other.observe(probe, images, name=name)
        place, there = _places(self._recorded.row, part.index)
        skipped = dict(self._skipped(part))
        rest = ~there
        rest[list(skipped)] = False
        whole = there.all() and len(place) == len(self._recorded.row)
        mine = Observations(
            count=images.count,
            row=part.row if whole else part.row[there],
            columns={
                column: values if whole else values[place[there]] for column, values in self._recorded.columns.items()
            },
        )
        left_out = tuple(skipped.values())
        if not rest.any():
            return replace(mine, skipped=left_out)
        others = self._other.observe(probe, Images(parts=(_some(part, rest),), count=images.count), name=name)
        return _together(mine, others, left_out)

    def _skipped(self, part: Part) -> Iterator[tuple[int, Skipped]]:
        """Yield the images of a part that were not scored: their places in it, and why."""
        at = np.array(sorted(self._recorded.skipped), np.int64)
        place, there = _places(part.index, at)
        entries = part.source.entries()
        for index, here in zip(at[there].tolist(), place[there].tolist(), strict=True):
            if why := self._recorded.skipped[index]:
                yield here, Skipped(path=entries[index].path, reason=why)

    def look(
        self,
        source: ImageSource,
        *,
        wanted: AbstractSet[int],
        stage: Stage,
        name: str,
        threads: int = 2,
        pixel_facts: AbstractSet[int] | None = None,
    ) -> ImageFacts:
        """Return the facts of the wanted images as `look_at` does.

        Those are read again that are to be described and were not, and a few to see that nothing was changed.

        Raises:
            ImagesError: one of these is no longer what it was when its part was made.
        """
        whole = self._recorded.facts
        all_of_them = isinstance(wanted, Span) and len(wanted) == len(source.entries())
        facts = whole  # of millions one copy is enough
        if not all_of_them:
            kept = np.isin(whole.index, np.array(sorted(wanted), np.int64))
            facts = whole if kept.all() else whole.take(kept)
        unreadable = tuple(one for one in whole.unreadable if one.index in wanted)
        asked = np.array(sorted(wanted if pixel_facts is None else wanted & pixel_facts), np.int64)
        described, _ = _places(facts.index, asked, met=True)
        again = described[facts.place[described] < 0]
        checked = _smallest(facts.digest, _CHECKED)
        fresh = look_at(
            source, wanted={*facts.index[again].tolist(), *facts.index[checked].tolist()}, stage=stage, name=name,
            threads=threads, pixel_facts=set(facts.index[again].tolist()),
        )  # fmt: skip
        _require_same(source, facts.take(np.union1d(again, checked)), fresh)
        place = scratch.empty((len(facts.index),), np.int32)
        place[:] = -1
        place[described] = facts.place[described]
        place[again] = len(facts.statistics) + fresh.place[np.isin(fresh.index, facts.index[again])]
        statistics = np.concatenate([facts.statistics, fresh.statistics])
        return replace(facts, place=place, statistics=statistics, unreadable=unreadable)


def _places(ordered: Rows, wanted: Rows, *, met: bool = False) -> tuple[Rows, NDArray[np.bool_]]:
    """Return where each of some rising numbers is among others, and whether it is there at all.

    Args:
        ordered: (n,) rising.
        wanted: (m,) rising.
        met: give only the places of those that are there.
    """
    if len(ordered) == len(wanted) and np.array_equal(ordered, wanted):
        return np.arange(len(ordered)), np.ones(len(ordered), np.bool_)
    place = np.searchsorted(ordered, wanted)
    there = place < len(ordered)
    there[there] = ordered[place[there]] == wanted[there]
    return (place[there] if met else place), there


def _smallest(digest: NDArray[np.uint64], count: int) -> Rows:
    """Return the rows of the smallest digests, of equal ones the first."""
    few = np.arange(len(digest))
    if len(digest) > count:
        few = np.flatnonzero(digest <= np.partition(digest, count)[count])
    return few[np.argsort(digest[few], kind="stable")[:count]]


def _some(part: Part, kept: NDArray[np.bool_]) -> Part:
    label = None if part.label is None else part.label[kept]
    return replace(part, index=part.index[kept], row=part.row[kept], label=label)


def _together(mine: Observations, others: Observations, skipped: tuple[Skipped, ...]) -> Observations:
    """Return two as one, in the order of rows."""
    row: Rows = np.concatenate([mine.row, others.row])
    order = np.argsort(row, kind="stable")
    columns: dict[str, NDArray[Any]] = {}
    for column in others.columns:
        values = [seen.columns[column] for seen in (mine, others) if column in seen.columns]
        columns[column] = np.concatenate(values)[order]
    return replace(others, row=row[order], columns=columns, skipped=(*skipped, *others.skipped))


def _require_same(source: ImageSource, before: ImageFacts, now: ImageFacts) -> None:
    """Refuse images that were changed since.

    Raises:
        ImagesError: naming the first.
    """
    same = np.isin(before.index, now.index)
    if same.all():
        same = before.digest == now.digest
    if not same.all():
        path = source.entries()[int(before.index[~same][0])].path
        raise ImagesError(
            f"{path} is no longer what it was when its part was made: put it back, or begin again in another folder"
        )
