"""An engine that reads what parts recorded, and has the few images that nobody recorded shown by another engine."""

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
from onnxmint.progress import Stage
from onnxmint.results.facts import Skipped

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
        there = np.isin(part.index, self._recorded.row)
        reasons = {
            place: why for place, at in enumerate(part.index.tolist()) if (why := self._recorded.skipped.get(at))
        }
        rest = ~there
        rest[list(reasons)] = False
        entries = part.source.entries()
        skipped = {
            int(part.row[place]): Skipped(path=entries[int(part.index[place])].path, reason=why)
            for place, why in reasons.items()
        }
        place = np.searchsorted(self._recorded.row, part.index[there])
        mine = Observations(
            count=images.count,
            row=part.row[there],
            columns={column: values[place] for column, values in self._recorded.columns.items()},
        )
        if not rest.any():
            return replace(mine, skipped=tuple(skipped.values()))
        others = self._other.observe(probe, Images(parts=(_some(part, rest),), count=images.count), name=name)
        return _together(mine, others, tuple(skipped.values()))

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
        asked: NDArray[np.int64] = np.array(sorted(wanted), np.int64)
        kept = np.isin(whole.index, asked)
        facts = whole if kept.all() else whole.take(kept)  # of millions one copy is enough
        unreadable = tuple(one for one in whole.unreadable if one.index in wanted)
        described = np.isin(facts.index, sorted(wanted if pixel_facts is None else wanted & pixel_facts))
        known = described & (facts.place >= 0)
        again = facts.index[described & ~known]
        checked = facts.index[np.argsort(facts.digest, kind="stable")[:_CHECKED]]
        fresh = look_at(
            source, wanted={*again.tolist(), *checked.tolist()}, stage=stage, name=name, threads=threads,
            pixel_facts=set(again.tolist()),
        )  # fmt: skip
        _require_same(source, facts.take(np.isin(facts.index, np.union1d(again, checked))), fresh)
        place = np.where(known, facts.place, -1).astype(np.int32)
        place[np.isin(facts.index, again)] = len(facts.statistics) + fresh.place[np.isin(fresh.index, again)]
        statistics = np.concatenate([facts.statistics, fresh.statistics])
        facts = replace(facts, place=place, statistics=statistics)
        return replace(facts, unreadable=unreadable)


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
