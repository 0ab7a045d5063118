"""Whole audits on recorded columns: innocent sets that look guilty, and guilty ones that look innocent.

    python tools/study/validity/audits.py --shared ../shared --bank BANK [--auditors 34] [--views 2]

Each auditor is trained on its own 1,000 + 1,000 known images of a target, with every control that runs by default (the
twin's module, learned difficulty, files, pixels, copies, exchangeability, labels, alignment); then every row's set of
questioned images, drawn anew and disjoint from the evidence, is judged. The module is fitted, the controls and the
verdict are those of the package; only showing images to models is replaced by columns of `bank.py`. One line of JSON an
auditor; what is there is not done again. Tables: `validity.py --tables`. Controls can only make an answer inconclusive:
but for "plain 0" they are run where they could change what a row is about (of innocent sets the answer members-found,
of guilty ones no-evidence too), so that "no-evidence" of the other innocent rows is before them.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import bank
import numpy as np
import torch
from asking import ASKED, PLAIN, Asking, World, answer, record_all, rows_of, world
from bank import Pool

from onnxmint.controls.alignment import READINGS
from onnxmint.controls.panel import control_evidence, control_question
from onnxmint.controls.seen import Difficulty, Missing, Seen, SeenQuestioned, Twin
from onnxmint.engine.local import Local
from onnxmint.engine.probe import ODDS, expose
from onnxmint.evidence.copies import Copies
from onnxmint.evidence.known import Evidence
from onnxmint.evidence.table import CALIBRATE, FIT, TEST, EvidenceTable, divided
from onnxmint.images.chosen import Decoded, Images
from onnxmint.images.facts import ImageFacts
from onnxmint.mint.difficulty import small_images
from onnxmint.mint.learned import learned_ease
from onnxmint.mint.trainer import FittedModule, fit_on
from onnxmint.progress import quiet
from onnxmint.results.audit import Verdict
from onnxmint.results.facts import EvidenceFacts
from onnxmint.stats import metrics
from onnxmint.stats.gate import Gate, gate_of
from onnxmint.stats.heldout import HeldOut, cross_fitting_inflation
from onnxmint.verdict.answer import reach_verdict
from onnxmint.verdict.findings import Question
from onnxmint.verdict.opinions import SECOND, second_scores
from onnxmint.verdict.units import as_units
from onnxmint.verdict.yardstick import HeldOutScores, Traces, Yardstick
from onnxmint.workflows.aligning import displaced

RESULTS = Path(__file__).parent / "results"
KNOWN, ALPHA = 1000, 0.05
TARGETS = ("cifar10-paper", "cifar10-small-nodropout", "cifar10-large-nhwc", "cifar10-resnet20")
LARGEST_GROUP = 12
NAMES = ("audits", "fresh")


@dataclass(frozen=True, kw_only=True)
class Auditor:
    """What an auditor keeps, and its module."""

    module: FittedModule
    gate: Gate | None
    yardstick: Yardstick
    traces: Traces
    controls: tuple[Any, ...]
    performance: float


def train(
    here: World,
    inside: np.ndarray,
    outside: np.ndarray,
    seed: int,
    *,
    groups: np.ndarray | None = None,
    controlled: bool = True,
) -> Auditor:
    """Fit and control as `workflows/training.py` does."""
    rng = np.random.default_rng(seed)
    pools = (here.members, inside), (here.nonmembers, outside)
    label = np.concatenate([pool.label[rows] for pool, rows in pools])
    is_member = np.arange(len(label)) < len(inside)
    none = np.zeros(len(label), np.int8)
    table = divided(
        EvidenceTable(
            index=np.arange(len(label)), is_member=is_member, labels=label, groups=groups, part=none, fold=none
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
    if controlled:
        ease, of = learned_ease(small, table, predicted, seed=seed, stage=quiet)
    else:
        ease, of = np.zeros(len(label)), np.zeros(len(label), np.int64)
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
        twin=Twin(scored=twin_scored, yardstick=yardstick(table, twin_score, predicted), row=table.index),
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
        yardstick=yardstick(table, score, predicted, (free_score, odds.mean(axis=1), free.mean(axis=1))),
        traces=Traces(
            digest=facts.digest,
            is_member=is_member,
            features=np.concatenate([facts.pixel[described], features[described]], axis=1).astype(np.float32),
            described=described.astype(np.int32),
            difficulty=np.zeros(0, np.float32),
            judged=np.zeros(0, np.int32),
        ),
        controls=control_evidence(seen, rng, wanted=controlled),
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
    second: tuple[np.ndarray, ...] = (),
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
        group=None if table.groups is None else table.groups[rows].astype(np.int32),
        number=rows.astype(np.int32),
        **{name: values[rows].astype(np.float32) for name, values in zip(SECOND, second, strict=False)},
        right=predicted[rows] == labels[rows],
    )


def judge(here: World, auditor: Auditor, asking: Asking, seed: int, *, whole: bool = False) -> dict[str, Any]:
    """Judge a set as `workflows/auditing.py` does."""
    rng, of = np.random.default_rng(seed), asking.pieces
    count = len(asking.label)
    rows = np.arange(count)
    odds = np.concatenate([here.odds(pool, part, label) for pool, part, label in of])
    predicted = np.concatenate([pool.logits[part, 0].argmax(axis=1) for pool, part, _ in of])
    free = np.concatenate([here.odds(pool, part, pool.logits[part, 0].argmax(axis=1)) for pool, part, _ in of])
    score = auditor.module.score(torch.from_numpy(odds))[:, None]
    questioned = asking.questioned()
    facts = questioned.facts
    units = as_units(
        score, rows, questioned.groups(rows), auditor.yardstick, digest=facts.digest,
        known_digest=auditor.traces.digest[auditor.yardstick.number],
    )  # fmt: skip
    known = units.known.groups()
    others = second_scores(
        units,
        rows,
        free=auditor.module.score(torch.from_numpy(free))[:, None],
        level=odds.mean(axis=1).astype(float),
        free_level=free.mean(axis=1).astype(float),
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
        aligned=aligned(here, of) if (asking.guilty or whole) and quick.kind == "no-evidence" else None,
        scored=rows,
        predicted=predicted,
        told=True,
        seed=seed,
    )
    matter = whole or quick.kind == "members-found" or (asking.guilty and quick.kind == "no-evidence")
    controls = control_question(auditor.controls, seen, rng, wanted=True) if matter else auditor.controls
    verdict = reach_verdict(question(units, count), known, auc=auc(auditor), controls=controls, asked=others)
    return {**answer(verdict, quick, controls), "found at": finding_level(verdict)}


def finding_level(verdict: Verdict) -> float | None:
    """Return the level from which on the tests agree that members are there, were no control to stop it."""
    found = [verdict.p_value, *(one.p_value for one in verdict.opinions)]
    return None if None in found else max(value for value in found if value is not None)


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


def run(here: World, seed: int) -> dict[str, Any]:
    """Train auditors and judge every row's set; copies are of the last images of a side, which no evidence holds."""
    rng = np.random.default_rng(seed)
    members = rng.permutation(len(here.members.row) - bank.COPIED)
    outside = rng.permutation(len(here.nonmembers.row) - bank.COPIED)
    auditor = train(here, members[:KNOWN], outside[:KNOWN], seed)
    sets = rows_of(here, members[KNOWN:], outside[KNOWN:], rng)
    judged = {name: judge(here, auditor, asking, seed, whole=name == PLAIN) for name, asking in sets}
    judged |= dict(others_of(here, rng, seed))
    stopped = [control.name for control in auditor.controls if control.passed is False]
    return {"target": here.name, "seed": seed, "auc": auditor.performance, "failed": stopped, "sets": judged}


def others_of(here: World, rng: np.random.Generator, seed: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Judge an innocent set by auditors of another kind: of harder known non-members, and of groups of all sizes."""
    members = rng.permutation(len(here.members.row) - bank.COPIED)
    outside = rng.permutation(len(here.nonmembers.row) - bank.COPIED)
    free, known, rest = here.nonmembers, outside[: 2 * KNOWN], outside[2 * KNOWN :]
    hard = known[np.argsort(free.easy[known])[:KNOWN]]
    asked = rest[:ASKED]
    plain = Asking(parts=((free, asked),), label=free.label[asked], guilty=False)
    found = judge(here, train(here, members[:KNOWN], hard, seed, controlled=False), plain, seed)
    if found["bare"] == "members-found":
        found = judge(here, train(here, members[:KNOWN], hard, seed), plain, seed)
    yield "innocent, known non-members are the harder half", found
    sizes = np.repeat(np.arange(2 * KNOWN), rng.integers(1, LARGEST_GROUP + 1, 2 * KNOWN))
    side = np.concatenate([sizes[:KNOWN], sizes[:KNOWN] + 2 * KNOWN])
    grouped = train(here, members[:KNOWN], outside[:KNOWN], seed, groups=side, controlled=False)
    large = np.arange(ASKED) // LARGEST_GROUP
    asked_groups = judge(here, grouped, replace(plain, groups=large), seed)
    yield "innocent, groups of 1 to 12 known, of 12 asked", asked_groups


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path)
    parser.add_argument("--bank", type=Path)
    parser.add_argument("--auditors", type=int, default=34)
    parser.add_argument("--views", type=int, default=2, choices=(2, 14, 26))
    parser.add_argument("--name", default="audits", choices=NAMES, help="of the results; fresh is of draw 1 of bank.py")
    parser.add_argument("--part", type=int, nargs=2, default=(0, 1), help="this process's share of the seeds")
    options = parser.parse_args()
    file = RESULTS / f"{options.name}_{options.views}views.jsonl"
    torch.set_num_threads(1)
    worlds = {name: world(name, options.shared, options.bank, options.views) for name in TARGETS}
    start, step = options.part
    record_all(file, worlds, range(start, options.auditors, step), run)


if __name__ == "__main__":
    main()
