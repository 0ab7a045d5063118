"""Whole audits on recorded columns: innocent sets that look guilty, and guilty ones that look innocent.

    python tools/study/validity/audits.py --shared ../shared --bank BANK [--auditors 34] [--views 2]

Each auditor is trained on its own 1,000 + 1,000 known images of a target, with every control that runs by default (the
twin's module, learned difficulty, files, pixels, copies, exchangeability, labels, alignment); then every row's set of
questioned images, drawn anew and disjoint from the evidence, is judged. The module is fitted, the controls and the
verdict are those of the package; only showing images to models is replaced by columns of `bank.py`. One line of JSON an
auditor; what is there is not done again. Tables: `validity.py --tables`. Fifty further readings of every image make the
alignment control slow, and it can only turn "no evidence" into "inconclusive": of the innocent sets it is asked of
"plain" alone, and the table's "no-evidence" of the others is before it.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import bank
import numpy as np
import torch
from bank import Pool, log_odds
from validity_tables import read_lines

from onnxmint.controls.alignment import READINGS
from onnxmint.controls.panel import control_evidence, control_question
from onnxmint.controls.seen import Difficulty, Missing, Seen, SeenQuestioned, Twin
from onnxmint.engine.local import Local
from onnxmint.engine.probe import ODDS, expose
from onnxmint.engine.target import Target
from onnxmint.evidence.copies import Copies
from onnxmint.evidence.known import Evidence
from onnxmint.evidence.questioned import Questioned
from onnxmint.evidence.table import CALIBRATE, FIT, TEST, EvidenceTable, divided
from onnxmint.graph.views import VIEW_SETS
from onnxmint.images.chosen import Decoded, Images
from onnxmint.images.entries import ImageEntry
from onnxmint.images.facts import ImageFacts
from onnxmint.mint.difficulty import small_images
from onnxmint.mint.fit import FittedModule, fit_on
from onnxmint.mint.learned import learned_ease
from onnxmint.progress import quiet
from onnxmint.results.facts import EvidenceFacts
from onnxmint.stats import metrics
from onnxmint.stats.gate import Gate, gate_of
from onnxmint.stats.heldout import HeldOut, cross_fitting_inflation
from onnxmint.verdict.answer import reach_verdict
from onnxmint.verdict.findings import Question
from onnxmint.verdict.opinions import second_scores
from onnxmint.verdict.units import as_units
from onnxmint.verdict.yardstick import HeldOutScores, Traces, Yardstick
from onnxmint.workflows.aligning import displaced

RESULTS = Path(__file__).parent / "results"
KNOWN, ASKED, ALPHA, FREQUENT = 1000, 300, 0.05, 3
PLAIN = "innocent, plain 0"
TARGETS = ("cifar10-paper", "cifar10-small-nodropout", "cifar10-large-nhwc")


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

    @property
    def digest(self) -> np.ndarray:
        """Return the images' digests."""
        return np.concatenate([pool.facts.digest[rows] for pool, rows in self.parts])


@dataclass(frozen=True, kw_only=True)
class Auditor:
    """What an auditor keeps, and its module."""

    module: FittedModule
    gate: Gate | None
    yardstick: Yardstick
    traces: Traces
    controls: tuple[Any, ...]
    performance: float


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
    )


def train(here: World, inside: np.ndarray, outside: np.ndarray, seed: int) -> Auditor:
    """Fit and control as `workflows/training.py` does."""
    rng = np.random.default_rng(seed)
    pools = (here.members, inside), (here.nonmembers, outside)
    label = np.concatenate([pool.label[rows] for pool, rows in pools])
    is_member = np.arange(len(label)) < len(inside)
    none = np.zeros(len(label), np.int8)
    table = divided(
        EvidenceTable(
            index=np.arange(len(label)), is_member=is_member, labels=label, groups=None, part=none, fold=none
        ),
        rng,
    )
    facts = ImageFacts.joined([replace(pool.facts.take(rows), index=rows) for pool, rows in pools])
    odds = np.concatenate([here.odds(pool, rows, pool.label[rows]) for pool, rows in pools])
    top = [pool.logits[rows, 0].argmax(axis=1) for pool, rows in pools]
    free = np.concatenate([here.odds(pool, rows, t) for (pool, rows), t in zip(pools, top, strict=True)])
    twin = np.concatenate([here.twin_odds(pool, rows, pool.label[rows]) for pool, rows in pools])
    predicted = np.concatenate(top)
    held = table.rows(CALIBRATE, TEST)
    module, score, gate = fitted(odds, table, seed)
    _, twin_score, _ = fitted(twin, table, seed)
    evidence = Evidence(table=table, sources=(None, None), facts=facts)  # type: ignore[arg-type]
    small = small_images(np.concatenate([pool.pixels[rows] for pool, rows in pools]))
    ease, of = learned_ease(small, table, predicted, seed=seed, stage=quiet)
    scored = HeldOutScores(table=table, score=score, folds=1, surest=odds[:, 0].astype(float), predicted=predicted)
    twin_scored = replace(scored, score=twin_score, surest=twin[:, 0].astype(float))
    right = predicted == label
    numbers = EvidenceFacts(
        members=len(inside), nonmembers=len(outside), fit=len(table.rows(*FIT)), calibrate=len(table.rows(CALIBRATE)),
        test=len(table.rows(TEST)), groups=None, accuracy_members=float(right[held][is_member[held]].mean()),
        accuracy_nonmembers=float(right[held][~is_member[held]].mean()),
    )  # fmt: skip
    seen = Seen(
        evidence=evidence,
        copies=Copies(
            known=len(label), on_both_sides=0, near_copies_of_members=0, left_out=0, grouped=0, left_out_images=()
        ),
        facts=numbers,
        classes=10,
        target=scored,
        twin=Twin(scored=twin_scored, yardstick=yardstick(table, twin_score, predicted, None, None), row=table.index),
        difficulty=Difficulty(score=ease, fold=of, words="learned", learned=True),
        seed=seed,
    )
    free_score = np.full(len(label), np.nan)
    free_score[held] = module.score(torch.from_numpy(free[held]))
    described = held[~is_member[held]]
    features = np.concatenate([pool.features[rows] for pool, rows in pools])
    return Auditor(
        module=module,
        gate=gate,
        yardstick=yardstick(table, score, predicted, free_score, odds.mean(axis=1)),
        traces=Traces(
            digest=facts.digest,
            is_member=is_member,
            features=np.concatenate([facts.pixel[described], features[described]], axis=1).astype(np.float32),
            described=described.astype(np.int32),
            difficulty=np.zeros(0, np.float32),
            judged=np.zeros(0, np.int32),
        ),
        controls=control_evidence(seen, rng, wanted=True),
        performance=metrics.auc(score[held][is_member[held]], score[held][~is_member[held]]),
    )


def fitted(odds: np.ndarray, table: EvidenceTable, seed: int) -> tuple[FittedModule, np.ndarray, Gate | None]:
    rows = table.rows(*FIT)
    mine = table.take(rows)
    module = fit_on("views", torch.from_numpy(odds[rows]), mine, mine.part, seed, quiet)
    score, held = np.full(len(odds), np.nan), table.rows(CALIBRATE, TEST)
    score[held] = module.score(torch.from_numpy(odds[held]))
    sides = [(module.unseen[mine.is_member == side], mine.part[mine.is_member == side]) for side in (True, False)]
    known = HeldOut(
        member=sides[0][0], nonmember=sides[1][0], member_fold=sides[0][1], nonmember_fold=sides[1][1],
        inflation=cross_fitting_inflation(5),
    )  # fmt: skip
    return module, score, gate_of(known)


def yardstick(
    table: EvidenceTable,
    score: np.ndarray,
    predicted: np.ndarray,
    free: np.ndarray | None,
    level: np.ndarray | None,
) -> Yardstick:
    rows = np.flatnonzero(np.isfinite(score))
    rows = rows[np.lexsort((score[rows], ~table.is_member[rows]))]
    labels = np.zeros(0) if table.labels is None else table.labels
    return Yardstick(
        score=score[rows].astype(np.float32),
        is_member=table.is_member[rows],
        is_test=table.part[rows] == TEST,
        fold=np.zeros(len(rows), np.int8),
        category=labels[rows].astype(np.int32),
        group=None,
        number=rows.astype(np.int32),
        free=None if free is None else free[rows].astype(np.float32),
        level=None if level is None else level[rows].astype(np.float32),
        right=predicted[rows] == labels[rows],
    )


def judge(here: World, auditor: Auditor, asking: Asking, seed: int, *, moved: bool) -> dict[str, Any]:
    """Judge a set as `workflows/auditing.py` does."""
    rng = np.random.default_rng(seed)
    count = len(asking.label)
    rows, start = np.arange(count), np.cumsum([0, *(len(part) for _, part in asking.parts)])
    of = [(pool, part, asking.label[start[k] : start[k + 1]]) for k, (pool, part) in enumerate(asking.parts)]
    odds = np.concatenate([here.odds(pool, part, label) for pool, part, label in of])
    predicted = np.concatenate([pool.logits[part, 0].argmax(axis=1) for pool, part, _ in of])
    free = np.concatenate([here.odds(pool, part, pool.logits[part, 0].argmax(axis=1)) for pool, part, _ in of])
    facts = ImageFacts.joined([pool.facts.take(part) for pool, part, _ in of])
    score = auditor.module.score(torch.from_numpy(odds))[:, None]
    questioned = Questioned(
        source=None,  # type: ignore[arg-type]
        entries=tuple(ImageEntry(index=i, path=str(i), label=int(asking.label[i]), group=None) for i in range(count)),
        labels=asking.label,
        facts=replace(facts, index=rows),
        described=facts.described,
        known=(),
        known_row=rows[:0],
    )
    units = as_units(
        score, rows, questioned.groups(rows), auditor.yardstick, digest=facts.digest,
        known_digest=auditor.traces.digest[auditor.yardstick.number],
    )  # fmt: skip
    known = units.known.groups()
    others = second_scores(
        units, rows, auditor.module.score(torch.from_numpy(free))[:, None], odds.mean(axis=1).astype(float)
    )
    quick = reach_verdict(question(units, count), known, auc=auc(auditor), controls=(), asked=others)
    features = np.concatenate([pool.features[part] for pool, part, _ in of])
    seen = SeenQuestioned(
        questioned=questioned,
        units=units,
        yardstick=auditor.yardstick,
        traces=auditor.traces,
        row=rows,
        features=np.concatenate([facts.pixel.astype(float), features], axis=1),
        easy=None,
        aligned=aligned(here, of) if moved and (quick.p_value or 0) > ALPHA else None,
        scored=rows,
        predicted=predicted,
        told=True,
        seed=seed,
    )
    controls = control_question(auditor.controls, seen, rng, wanted=True)
    verdict = reach_verdict(question(units, count), known, auc=auc(auditor), controls=controls, asked=others)
    return {
        "kind": verdict.kind,
        "p": verdict.p_value,
        "average": verdict.average_p_value,
        "opinions": {one.name: one.p_value for one in verdict.opinions},
        "failed": [control.name for control in controls if control.passed is False],
        "bare": quick.kind,
    }


def question(units: Any, count: int) -> Question:
    return Question(scores=units.score, images=count, grouped=units.grouped, alpha=ALPHA, relevant_share=0.5)


def auc(auditor: Auditor) -> Any:
    return None if auditor.gate is None else auditor.gate.auc


def aligned(here: World, of: list[tuple[Pool, np.ndarray, np.ndarray]]) -> np.ndarray | Missing:
    """Show the images moved and mirrored: the one thing that is not recorded."""
    exposed = expose(here.target, [], views=1, labels=True)
    probe = exposed.probe(batch_size=64, columns={ODDS: exposed.graph.odds or ""})
    pixels = np.concatenate([pool.pixels[part] for pool, part, _ in of])
    label = np.concatenate([label for _, _, label in of])
    row, found = np.arange(len(label)), []
    for down, right, mirrored in READINGS:
        part = Decoded(pixels=displaced(pixels, down, right, mirrored=mirrored), row=row, label=label)
        found.append(Local().observe(probe, Images(parts=(part,), count=len(row)), name="").columns[ODDS][:, 0])
    return np.stack(found, axis=1).astype(float)


def rows_of(
    here: World, inside: np.ndarray, outside: np.ndarray, rng: np.random.Generator
) -> Iterator[tuple[str, Asking]]:
    """Yield the questioned sets of one auditor; `inside` and `outside` are rows that its evidence left over."""
    free, held = here.nonmembers, here.members

    def drawn(rows: np.ndarray, count: int = ASKED) -> np.ndarray:
        return rng.permutation(rows)[:count]

    def innocent(rows: np.ndarray, label: np.ndarray | None = None) -> Asking:
        return Asking(parts=((free, rows),), label=free.label[rows] if label is None else label, guilty=False)

    def guilty(members: np.ndarray, others: np.ndarray, wrong: float = 0.0) -> Asking:
        label = np.concatenate([held.label[members], free.label[others]])
        changed = rng.random(len(label)) < wrong
        label = np.where(changed, (label + rng.integers(1, 10, len(label))) % 10, label)
        return Asking(parts=((held, members), (free, others)), label=label, guilty=True)

    for number in range(3):
        yield f"innocent, plain {number}", innocent(drawn(outside))
    for share in (1.0, 0.5, 0.25):
        rows = drawn(outside)
        own = free.logits[rows, 0].argmax(axis=1)
        yield (
            f"innocent, {share:.0%} labelled by the target",
            innocent(rows, np.where(rng.random(len(rows)) < share, own, free.label[rows])),
        )
    for kept in (0.9, 0.8, 0.7, 0.5):
        rows = drawn(outside, round(ASKED / kept))
        yield f"innocent, easiest {kept:.0%}", innocent(rows[np.argsort(-free.easy[rows])[:ASKED]])
    rows = drawn(outside, 85)
    yield "innocent, easiest 70% of 85", innocent(rows[np.argsort(-free.easy[rows])[:60]])
    for times in (2, 3):
        rows, frequent = drawn(outside, 1500), free.label
        weight = np.where(frequent[rows] < FREQUENT, times, 1.0)
        yield (
            f"innocent, some classes {times} times",
            innocent(rng.choice(rows, ASKED, replace=False, p=weight / weight.sum())),
        )
    none = outside[:0]
    yield "guilty, all", guilty(drawn(inside), none)
    yield "guilty, half", guilty(drawn(inside, ASKED // 2), drawn(outside, ASKED // 2))
    for wrong in (0.1, 0.25):
        yield f"guilty, all, {wrong:.0%} wrong labels", guilty(drawn(inside), none, wrong)
        yield (
            f"guilty, half, {wrong:.0%} wrong labels",
            guilty(drawn(inside, ASKED // 2), drawn(outside, ASKED // 2), wrong),
        )
    for kind, pool in here.copies.items():
        rows = rng.permutation(len(pool.row))[:ASKED]
        yield f"guilty, all {kind}", Asking(parts=((pool, rows),), label=pool.label[rows], guilty=True)


def run(here: World, seed: int) -> dict[str, Any]:
    """Train one auditor and judge every row's set; the copies are of the last members, which no evidence holds."""
    rng = np.random.default_rng(seed)
    members = rng.permutation(len(here.members.row) - bank.COPIED)
    outside = rng.permutation(len(here.nonmembers.row))
    auditor = train(here, members[:KNOWN], outside[:KNOWN], seed)
    sets = rows_of(here, members[KNOWN:], outside[KNOWN:], rng)
    judged = {name: judge(here, auditor, asking, seed, moved=asking.guilty or name == PLAIN) for name, asking in sets}
    stopped = [control.name for control in auditor.controls if control.passed is False]
    return {"target": here.name, "seed": seed, "auc": auditor.performance, "failed": stopped, "sets": judged}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path)
    parser.add_argument("--bank", type=Path)
    parser.add_argument("--auditors", type=int, default=34)
    parser.add_argument("--views", type=int, default=2, choices=(2, 14, 26))
    parser.add_argument("--part", type=int, nargs=2, default=(0, 1), help="this process's share of the seeds")
    options = parser.parse_args()
    file = RESULTS / f"audits_{options.views}views.jsonl"
    torch.set_num_threads(1)
    part, parts = options.part
    mine = file if parts == 1 else file.with_suffix(f".{part}.jsonl")
    done = {(line["target"], line["seed"]) for line in read_lines(RESULTS, file.stem)}
    worlds = {name: world(name, options.shared, options.bank, options.views) for name in TARGETS}
    for seed in range(part, options.auditors, parts):
        for name, here in worlds.items():
            if (name, seed) not in done:
                with mine.open("a") as room:
                    room.write(json.dumps(run(here, seed)) + "\n")


if __name__ == "__main__":
    main()
