"""Audits in growing lots on recorded columns; see `sequential.py`, which runs this.

At every look the images so far are judged by the whole rule of a verdict, controls left out (they can only stop a
finding, and see all images in either case). Members are found where it says so at the look's part of the level. Nothing
is found, and the audit ends, where it says "no evidence" both at the look's part and at the whole level.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from asking import TARGETS, World, world
from auditors import ALPHA, KNOWN, Auditor, auc, train
from bank import COPIED
from cells import read_lines

from onnxmint.results.audit import VerdictKind
from onnxmint.stats.sequential import Look, plan_looks
from onnxmint.verdict.case import Case
from onnxmint.verdict.findings import Question
from onnxmint.verdict.opinions import Compared, second_opinions, second_scores
from onnxmint.verdict.units import as_units

SET, VIEWS = 1000, 26
GUILTY = 3  # one set in so many is half members


def pool(here: World, auditor: Auditor, inside: np.ndarray, outside: np.ndarray) -> Case:
    """Return all images that the evidence left over, members first, as one case."""
    of = ((here.members, inside), (here.nonmembers, outside))
    odds = np.concatenate([here.odds(held, rows, held.label[rows]) for held, rows in of])
    top = [held.logits[rows, 0].argmax(axis=1) for held, rows in of]
    free = np.concatenate([here.odds(held, rows, best) for (held, rows), best in zip(of, top, strict=True)])
    score = auditor.module.score(torch.from_numpy(odds))[:, None].astype(float)
    row = np.arange(len(score))
    units = as_units(
        score,
        row,
        None,
        auditor.yardstick,
        digest=row.astype(np.uint64),
        known_digest=auditor.traces.digest[auditor.yardstick.number],
    )
    asked = second_scores(
        units,
        row,
        free=auditor.module.score(torch.from_numpy(free))[:, None].astype(float),
        level=odds.mean(axis=1).astype(float),
        free_level=free.mean(axis=1).astype(float),
    )
    question = Question(scores=units.score, images=len(row), grouped=False, alpha=ALPHA, relevant_share=0.5)
    return Case(question=question, known=units.known.groups(), second=asked, auc=auc(auditor), controls=())


def part(case: Case, rows: np.ndarray, alpha: float) -> Case:
    """Return the same of some images, at another level."""
    second = case.second
    return replace(
        case,
        question=replace(case.question, scores=case.question.scores[rows], images=len(rows), alpha=alpha),
        second=replace(
            second,
            free=None if second.free is None else second.free[rows],
            level=None if second.level is None else second.level[rows],
            free_level=None if second.free_level is None else second.free_level[rows],
        ),
    )


def level(case: Case) -> float:
    """Return the level from which on the tests agree that members are there."""
    question, second = case.question, case.second
    compared = Compared(score=question.scores, known=case.known, strata=None)
    equals = compared.beside_equals(second.level, second.known_level)
    test = (equals or compared).test(question.alpha, question.guarantee)
    others = second_opinions(compared, test, second, alpha=question.alpha, equal=equals is not None)
    labels = 0.0 if others.labels is None else others.labels.free.average
    return max(test.p_value, labels, 0.0 if others.together is None else others.together.average)


def judged(case: Case, rows: np.ndarray, alpha: float) -> VerdictKind:
    """Return the answer, quickly where nothing is found and none is asked for."""
    return part(case, rows, alpha).verdict().kind


def in_lots(case: Case, rows: np.ndarray, looks: tuple[Look, ...]) -> dict[str, Any]:
    """Return what a set that is looked at in lots ends as, and after how many images."""
    over, ended = [], None
    for look in looks:
        some, alpha = rows[: look.size], ALPHA * look.part
        value = level(part(case, some, alpha))
        found = value <= alpha and judged(case, some, alpha) == "members-found"
        over.append(value / look.part)
        if ended is None and found:
            ended = ("members-found", look.size)
        if ended is None and value > ALPHA and judged(case, some, alpha) == "no-evidence" == judged(case, some, ALPHA):
            ended = ("no-evidence", look.size)
    kind, size = ended or (last(case, rows, looks[-1]), looks[-1].size)
    return {"kind": kind, "images": size, "ever found": min(over) <= ALPHA}


def last(case: Case, rows: np.ndarray, look: Look) -> str:
    """Return the answer at the end of a set; never a finding beyond the part of the level that is left."""
    kind = judged(case, rows, ALPHA * look.part)
    return "inconclusive" if kind == "no-evidence" else kind


def drawn(rng: np.random.Generator, members: int, others: int, *, guilty: bool) -> np.ndarray:
    """Return the rows of a set in the order of its lots, of images that the evidence left over, members first."""
    some = rng.permutation(others)[:SET] + members
    if guilty:
        some = np.concatenate([rng.permutation(members)[: SET // 2], some[SET // 2 :]])
    found: np.ndarray = rng.permutation(some)
    return found


def run(here: World, seed: int, sets: int) -> Iterator[dict[str, Any]]:
    """Yield what became of the sets of one auditor of a target; sets with members cost more images and are fewer."""
    looks, rng = plan_looks(SET), np.random.default_rng(10_000 + seed)
    members = rng.permutation(len(here.members.row) - COPIED)
    outside = rng.permutation(len(here.nonmembers.row) - COPIED)
    auditor = train(here, members[:KNOWN], outside[:KNOWN], seed, controlled=False)
    left, free = members[KNOWN:], outside[KNOWN:]
    case = pool(here, auditor, left, free)
    for number in range(sets):
        guilty = number % GUILTY == 0
        rows = drawn(rng, len(left), len(free), guilty=guilty)
        fixed = judged(case, rows, ALPHA)
        yield {"target": here.name, "auditor": seed, "guilty": guilty, "fixed": fixed, **in_lots(case, rows, looks)}


def record(file: Path, shared: Path, bank: Path, auditors: int, sets: int) -> None:
    """Append a line of JSON for every set; auditors that are there are not done again."""
    done = {(line["target"], line["auditor"]) for line in read_lines(file.parent, file.stem)}
    here = {name: world(name, shared, bank, VIEWS) for name in TARGETS}
    for seed in range(auditors):
        for name in TARGETS:
            if (name, seed) not in done:
                lines = [json.dumps(row) for row in run(here[name], seed, sets)]
                with file.open("a") as place:
                    place.write("\n".join(lines) + "\n")
