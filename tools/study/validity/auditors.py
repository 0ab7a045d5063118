"""Auditors of recorded columns: fitted, controlled and asked as the package does, on images of a world."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from asking import Asking, World
from bank import data
from cells import ALPHA

from onnxmint.controls.panel import control_evidence
from onnxmint.controls.seen import Difficulty, Seen, Twin
from onnxmint.evidence.copies import Copies
from onnxmint.evidence.known import Evidence
from onnxmint.evidence.questioned import Questioned
from onnxmint.evidence.table import CALIBRATE, FIT, TEST, EvidenceTable
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
from onnxmint.verdict.opinions import SECOND, SecondScores, second_scores
from onnxmint.verdict.units import Units, as_units
from onnxmint.verdict.yardstick import HeldOutScores, Traces, Yardstick

KNOWN = 1000


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
    table = data.evidence_of(label, is_member, rng, groups)
    facts = ImageFacts.joined([replace(pool.facts.take(rows), index=rows) for pool, rows in pools])
    odds = np.concatenate([here.odds(pool, rows, pool.label[rows]) for pool, rows in pools])
    top = [pool.logits[rows, 0].argmax(axis=1) for pool, rows in pools]
    free = np.concatenate([here.odds(pool, rows, t) for (pool, rows), t in zip(pools, top, strict=True)])
    twins = [here.twin_odds(pool, rows, pool.label[rows]) for pool, rows in pools]
    twin = np.concatenate(twins)
    predicted = np.concatenate(top)
    held = table.rows(CALIBRATE, TEST)
    read = np.concatenate([here.read(pool, rows, pool.label[rows]) for pool, rows in pools])
    free_read = np.concatenate([here.read(pool, rows, t) for (pool, rows), t in zip(pools, top, strict=True)])
    twin_read = [
        here.read(pool, rows, pool.label[rows], odds=of) for (pool, rows), of in zip(pools, twins, strict=True)
    ]
    module, score, gate = fitted(here.module, read, table, seed)
    _, twin_score, _ = fitted(here.module, np.concatenate(twin_read), table, seed)
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
    free_score[held] = module.score(torch.from_numpy(free_read[held]))
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


def fitted(
    name: str, read: np.ndarray, table: EvidenceTable, seed: int
) -> tuple[FittedModule, np.ndarray, Gate | None]:
    rows = table.rows(*FIT)
    mine = table.take(rows)
    module = fit_on(name, torch.from_numpy(read[rows]), mine, mine.part, seed, quiet)
    score, held = np.full(len(read), np.nan), table.rows(CALIBRATE, TEST)
    score[held] = module.score(torch.from_numpy(read[held]))
    return module, score, gate_of_parts(module, mine)


def gate_of_parts(module: FittedModule, mine: EvidenceTable) -> Gate | None:
    """Return the gate of a module that was fitted on these images in folds."""
    sides = [(module.unseen[mine.is_member == side], mine.part[mine.is_member == side]) for side in (True, False)]
    known = HeldOut(
        member=sides[0][0], nonmember=sides[1][0], member_fold=sides[0][1], nonmember_fold=sides[1][1],
        inflation=cross_fitting_inflation(5),
    )  # fmt: skip
    return gate_of(known)


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
        fold=table.fold[rows],
        category=labels[rows].astype(np.int32),
        group=None if table.groups is None else table.groups[rows].astype(np.int32),
        number=rows.astype(np.int32),
        **{name: values[rows].astype(np.float32) for name, values in zip(SECOND, second, strict=False)},
        right=predicted[rows] == labels[rows],
    )


@dataclass(frozen=True, kw_only=True)
class Scored:
    """Questioned images with all that an auditor says of them."""

    questioned: Questioned
    units: Units
    second: SecondScores
    predicted: np.ndarray

    def verdict(self, auditor: Auditor, controls: tuple[Any, ...] = ()) -> Verdict:
        """Return the answer, given these controls."""
        asked = question(self.units, len(self.predicted))
        known = self.units.known.groups()
        return reach_verdict(asked, known, auc=auc(auditor), controls=controls, asked=self.second)


def scored(here: World, auditor: Auditor, asking: Asking) -> Scored:
    """Score a set as `workflows/auditing.py` does."""
    of, rows, questioned = asking.pieces, np.arange(len(asking.label)), asking.questioned()
    odds = np.concatenate([here.odds(pool, part, label) for pool, part, label in of])
    predicted = np.concatenate([pool.logits[part, 0].argmax(axis=1) for pool, part, _ in of])
    free = np.concatenate([here.odds(pool, part, pool.logits[part, 0].argmax(axis=1)) for pool, part, _ in of])
    read = np.concatenate([here.read(pool, part, label) for pool, part, label in of])
    free_read = [here.read(pool, part, pool.logits[part, 0].argmax(axis=1)) for pool, part, _ in of]
    units = as_units(
        auditor.module.score(torch.from_numpy(read))[:, None], rows, questioned.groups(rows), auditor.yardstick,
        digest=questioned.facts.digest, known_digest=auditor.traces.digest[auditor.yardstick.number],
    )  # fmt: skip
    second = second_scores(
        units,
        rows,
        free=auditor.module.score(torch.from_numpy(np.concatenate(free_read)))[:, None],
        level=odds.mean(axis=1).astype(float),
        free_level=free.mean(axis=1).astype(float),
    )
    return Scored(questioned=questioned, units=units, second=second, predicted=predicted)


def question(units: Any, count: int) -> Question:
    return Question(scores=units.score, images=count, grouped=units.grouped, alpha=ALPHA, relevant_share=0.5)


def auc(auditor: Auditor) -> Any:
    return None if auditor.gate is None else auditor.gate.auc
