"""What is asked in the study of whole audits: targets with all that was recorded of them, and sets of images.

Every set is drawn from what the evidence left over. "Easy" is what another classifier is sure of.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import bank
import numpy as np
from bank import Pool, log_odds

from onnxmint.engine.target import Target
from onnxmint.graph.views import VIEW_SETS

ASKED, FREQUENT = 300, 3
PLAIN = "innocent, plain 0"


@dataclass(frozen=True, kw_only=True)
class World:
    """A target with all that was recorded of it, at some number of views."""

    name: str
    target: Target
    kind: str
    views: tuple[int, ...]
    members: Pool
    nonmembers: Pool
    copies: dict[str, Pool]
    innocent: dict[str, Pool]

    def odds(self, pool: Pool, rows: np.ndarray, label: np.ndarray) -> np.ndarray:
        """Return (rows, V) float32 log-odds of the told class."""
        return log_odds(pool.logits[rows][:, self.views], label, self.kind).astype(np.float32)

    def twin_odds(self, pool: Pool, rows: np.ndarray, label: np.ndarray) -> np.ndarray:
        """Return the same for the target with its weights drawn anew."""
        return log_odds(pool.twin[rows], label, self.kind).astype(np.float32)


@dataclass(frozen=True, kw_only=True)
class Asking:
    """A set of questioned images: rows of pools, their labels as told, and the truth."""

    parts: tuple[tuple[Pool, np.ndarray], ...]
    label: np.ndarray
    guilty: bool
    groups: np.ndarray | None = None

    @property
    def digest(self) -> np.ndarray:
        """Return the images' digests."""
        return np.concatenate([pool.facts.digest[rows] for pool, rows in self.parts])


def world(name: str, shared: Path, place: Path, views: int) -> World:
    target = bank.ready(name, shared)
    return World(
        name=name,
        target=target,
        kind=target.model.answer.kind,
        views=tuple(bank.VIEWS.index(view) for view in VIEW_SETS[views]),
        members=bank.load(name, "members", place),
        nonmembers=bank.load(name, "nonmembers", place),
        copies={kind: bank.load(name, kind, place) for kind in bank.COPIES},
        innocent={kind: bank.load(name, bank.INNOCENT + kind, place) for kind in bank.COPIES},
    )


@dataclass(frozen=True, kw_only=True)
class Draw:
    """Draws sets of one world from the rows that its evidence left over."""

    here: World
    inside: np.ndarray
    outside: np.ndarray
    rng: np.random.Generator

    def some(self, rows: np.ndarray, count: int = ASKED) -> np.ndarray:
        """Return so many rows."""
        return self.rng.permutation(rows)[:count]

    def innocent(self, rows: np.ndarray, label: np.ndarray | None = None) -> Asking:
        """Return non-members, with other labels than their own if some are given."""
        free = self.here.nonmembers
        return Asking(parts=((free, rows),), label=free.label[rows] if label is None else label, guilty=False)

    def guilty(self, members: np.ndarray, others: np.ndarray, wrong: float = 0.0) -> Asking:
        """Return members and others, a share of them with wrong labels."""
        held, free = self.here.members, self.here.nonmembers
        label = np.concatenate([held.label[members], free.label[others]])
        changed = self.rng.random(len(label)) < wrong
        label = np.where(changed, (label + self.rng.integers(1, 10, len(label))) % 10, label)
        return Asking(parts=((held, members), (free, others)), label=label, guilty=True)

    def sorted_by_ease(self, count: int, kept: int, *, easiest: bool) -> Asking:
        """Return the easiest, or the hardest, of so many non-members."""
        rows, easy = self.some(self.outside, count), self.here.nonmembers.easy
        return self.innocent(rows[np.argsort(-easy[rows] if easiest else easy[rows])[:kept]])


def rows_of(
    here: World, inside: np.ndarray, outside: np.ndarray, rng: np.random.Generator
) -> Iterator[tuple[str, Asking]]:
    """Yield the questioned sets of one auditor; `inside` and `outside` are rows that its evidence left over."""
    draw = Draw(here=here, inside=inside, outside=outside, rng=rng)
    yield from _innocent(draw)
    yield from _guilty(draw)


def _innocent(draw: Draw) -> Iterator[tuple[str, Asking]]:
    free, rng = draw.here.nonmembers, draw.rng
    for number in range(3):
        yield f"innocent, plain {number}", draw.innocent(draw.some(draw.outside))
    for share in (1.0, 0.5, 0.25):
        rows = draw.some(draw.outside)
        own = free.logits[rows, 0].argmax(axis=1)
        label = np.where(rng.random(len(rows)) < share, own, free.label[rows])
        yield f"innocent, {share:.0%} labelled by the target", draw.innocent(rows, label)
    for kept in (0.9, 0.8, 0.7, 0.5):
        yield f"innocent, easiest {kept:.0%}", draw.sorted_by_ease(round(ASKED / kept), ASKED, easiest=True)
    yield "innocent, easiest 70% of 85", draw.sorted_by_ease(85, 60, easiest=True)
    for kept in (0.8, 0.5):
        yield f"innocent, hardest {kept:.0%}", draw.sorted_by_ease(round(ASKED / kept), ASKED, easiest=False)
    for times in (2, 3):
        rows = draw.some(draw.outside, 1500)
        weight = np.where(free.label[rows] < FREQUENT, times, 1.0)
        some = rng.choice(rows, ASKED, replace=False, p=weight / weight.sum())
        yield f"innocent, some classes {times} times", draw.innocent(some)
    for kind, pool in draw.here.innocent.items():
        rows = rng.permutation(len(pool.row))[:ASKED]
        yield f"innocent, {kind}", Asking(parts=((pool, rows),), label=pool.label[rows], guilty=False)


def _guilty(draw: Draw) -> Iterator[tuple[str, Asking]]:
    held, none, half = draw.here.members, draw.outside[:0], ASKED // 2
    yield "guilty, all", draw.guilty(draw.some(draw.inside), none)
    yield "guilty, half", draw.guilty(draw.some(draw.inside, half), draw.some(draw.outside, half))
    for wrong in (0.1, 0.25):
        yield f"guilty, all, {wrong:.0%} wrong labels", draw.guilty(draw.some(draw.inside), none, wrong)
        members, others = draw.some(draw.inside, half), draw.some(draw.outside, half)
        yield f"guilty, half, {wrong:.0%} wrong labels", draw.guilty(members, others, wrong)
    harder = draw.some(draw.inside, 2 * ASKED)
    yield "guilty, all, the harder half", draw.guilty(harder[np.argsort(held.easy[harder])[:ASKED]], none)
    for kind, pool in draw.here.copies.items():
        rows = draw.rng.permutation(len(pool.row))[:ASKED]
        yield f"guilty, all {kind}", Asking(parts=((pool, rows),), label=pool.label[rows], guilty=True)
