"""What is asked in the study of whole audits: targets with all that was recorded of them, and sets of images.

Every set is drawn from what the evidence left over. "Easy" is what another classifier is sure of.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import bank
import numpy as np
from bank import Pool, log_odds
from cells import read_lines

from onnxmint.engine.target import Target
from onnxmint.evidence.nobody import Nobody
from onnxmint.evidence.questioned import Questioned
from onnxmint.graph.views import VIEW_SETS
from onnxmint.images.entries import ImageEntry
from onnxmint.images.facts import ImageFacts
from onnxmint.results.audit import Verdict
from onnxmint.results.facts import Control

ASKED, FREQUENT = 300, 3
TARGETS = ("cifar10-paper", "cifar10-small-nodropout", "cifar10-large-nhwc", "cifar10-resnet20")
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
    module: str = "views"

    def odds(self, pool: Pool, rows: np.ndarray, label: np.ndarray) -> np.ndarray:
        """Return (rows, V) float32 log-odds of the told class."""
        return log_odds(pool.logits[rows][:, self.views], label, self.kind).astype(np.float32)

    def twin_odds(self, pool: Pool, rows: np.ndarray, label: np.ndarray) -> np.ndarray:
        """Return the same for the target with its weights drawn anew."""
        return log_odds(pool.twin[rows], label, self.kind).astype(np.float32)

    def read(self, pool: Pool, rows: np.ndarray, label: np.ndarray, odds: np.ndarray | None = None) -> np.ndarray:
        """Return (rows, V), or (rows, V + 1) with the references' log-odds last: what the module reads.

        Args:
            pool: of the images.
            rows: of the pool.
            label: (rows,) the told class.
            odds: those of another model than the target.
        """
        odds = self.odds(pool, rows, label) if odds is None else odds
        if self.module != "relative":
            return odds
        if pool.references is None:
            raise ValueError(
                f"the bank has no answers of references to the images of {self.name}: run other_modules.py"
            )
        hardness = log_odds(pool.references[rows], label, "logits").mean(axis=1, keepdims=True)
        return np.concatenate([odds, hardness], axis=1).astype(np.float32)


@dataclass(frozen=True, kw_only=True)
class Asking:
    """A set of questioned images: rows of pools, their labels as told, and the truth."""

    parts: tuple[tuple[Pool, np.ndarray], ...]
    label: np.ndarray
    guilty: bool
    groups: np.ndarray | None = None

    @property
    def pieces(self) -> list[tuple[Pool, np.ndarray, np.ndarray]]:
        """Return the parts that hold images, each with its labels as told."""
        start = np.cumsum([0, *(len(rows) for _, rows in self.parts)])
        return [
            (pool, rows, self.label[start[k] : start[k + 1]]) for k, (pool, rows) in enumerate(self.parts) if len(rows)
        ]

    def questioned(self) -> Questioned:
        """Return the set as an audit looks at it, its rows numbered from 0."""
        count = len(self.label)
        facts = ImageFacts.joined([pool.facts.take(rows) for pool, rows, _ in self.pieces])
        return Questioned(
            source=Nobody(),
            entries=tuple(
                ImageEntry(
                    index=i,
                    path=str(i),
                    label=int(self.label[i]),
                    group=None if self.groups is None else str(self.groups[i]),
                )
                for i in range(count)
            ),
            labels=self.label,
            facts=replace(facts, index=np.arange(count)),
            described=facts.described,
            known=(),
            known_row=np.empty(0, np.int64),
        )


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


def answer(verdict: Verdict, quick: Verdict, controls: Sequence[Control]) -> dict[str, Any]:
    """Return what is kept of an answer; `quick` is the verdict before controls."""
    return {
        "kind": verdict.kind,
        "p": verdict.p_value,
        "average": verdict.average_p_value,
        "opinions": {one.name: one.p_value for one in verdict.opinions},
        "failed": [control.name for control in controls if control.passed is False],
        "bare": quick.kind,
    }


def record_all(
    file: Path, worlds: Mapping[str, World], seeds: range, run: Callable[[World, int], dict[str, Any]]
) -> None:
    """Write a line for each seed and target that no file of this name, or of its parts, has yet.

    Args:
        file: of all lines, or of every n-th seed where seeds begin at more than 0 or step.
        worlds: targets by name.
        seeds: this process's share.
        run: trains an auditor and judges its sets.
    """
    done = {(line["target"], line["seed"]) for line in read_lines(file.parent, file.stem)}
    mine = file if seeds.step == 1 else file.with_suffix(f".{seeds.start}.jsonl")
    for seed in seeds:
        for name, here in worlds.items():
            if (name, seed) not in done:
                with mine.open("a") as room:
                    room.write(json.dumps(run(here, seed)) + "\n")
