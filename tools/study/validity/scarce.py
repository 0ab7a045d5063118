"""Scarce evidence and weak models: is a verdict right where the gate opened, and does cross-fitting win anything?

    python tools/study/validity/scarce.py --shared ../shared --bank BANK [--auditors 60] [--part 0 2]

Auditors of 60 to 500 known images a side, without controls, once with parts for fitting, calibration and test and once
cross-fitted in five folds, of the same known images. Sets of 300: innocent ones, all members, half members. One line of
JSON an auditor; what is there is not done again. Tables: `validity.py --tables`.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from asking import ASKED, TARGETS, Asking, Draw, World, record_all, world
from auditors import gate_of_parts, question, yardstick
from bank import Pool

from onnxmint.evidence.table import FIT, EvidenceTable, divided
from onnxmint.mint.trainer import FittedModule, fit_on
from onnxmint.progress import quiet
from onnxmint.stats import metrics
from onnxmint.stats.gate import Gate
from onnxmint.stats.partition import divide
from onnxmint.verdict.answer import reach_verdict
from onnxmint.verdict.gating import gate_and_yardstick
from onnxmint.verdict.opinions import second_scores
from onnxmint.verdict.units import as_units
from onnxmint.verdict.yardstick import Yardstick

KNOWN = (60, 120, 250, 500)
FOLDS = {"parts": 1, "folds": 5}
INNOCENT = 3  # sets an auditor
RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, kw_only=True)
class Crossed:
    """An auditor of one network, or of one for each fold."""

    modules: list[FittedModule]
    yardstick: Yardstick
    gate: Gate
    digest: np.ndarray

    def scores(self, odds: np.ndarray) -> np.ndarray:
        """Return (n, K)."""
        return np.stack([module.score(torch.from_numpy(odds)) for module in self.modules], axis=1)


def observed(here: World, pools: list[tuple[Pool, np.ndarray]]) -> tuple[np.ndarray, ...]:
    """Return log-odds of labels and of top classes over the views, labels and top classes of images."""
    label = np.concatenate([pool.label[rows] for pool, rows in pools])
    top = [pool.logits[rows, 0].argmax(axis=1) for pool, rows in pools]
    odds = np.concatenate([here.odds(pool, rows, pool.label[rows]) for pool, rows in pools])
    free = np.concatenate([here.odds(pool, rows, own) for (pool, rows), own in zip(pools, top, strict=True)])
    return odds, free, label, np.concatenate(top)


def train(here: World, inside: np.ndarray, outside: np.ndarray, seed: int, folds: int) -> Crossed:
    """Fit as `mint/fit_and_score.py` and `mint/crossing.py` do."""
    rng = np.random.default_rng(seed)
    odds, free, label, top = observed(here, [(here.members, inside), (here.nonmembers, outside)])
    row, none = np.arange(len(label)), np.zeros(len(label), np.int8)
    bare = EvidenceTable(index=row, is_member=row < len(inside), labels=label, groups=None, part=none, fold=none)
    table = divided(bare, rng, folds=None if folds == 1 else folds)
    score, blind, modules = np.full(len(row), np.nan), np.full(len(row), np.nan), []
    for number in range(folds):
        held = ~np.isin(table.part, FIT) if folds == 1 else table.fold == number
        mine = table.take(row[~held])
        part = mine.part if folds == 1 else inner(mine, seed)
        module = fit_on("views", torch.from_numpy(odds[~held]), mine, part, seed + number, quiet)
        score[held], blind[held] = (module.score(torch.from_numpy(values[held])) for values in (odds, free))
        modules.append(module)
    made = yardstick(table, score, top, (blind, odds.mean(axis=1), free.mean(axis=1)))
    gate = gate_of_parts(modules[0], table.take(table.rows(*FIT))) if folds == 1 else None
    found, left = gate_and_yardstick(gate, made)
    if found is None:
        raise ValueError("too few known images for a gate")
    digest = np.concatenate([here.members.facts.take(inside).digest, here.nonmembers.facts.take(outside).digest])
    return Crossed(modules=modules, yardstick=left, gate=found, digest=digest)


def inner(table: EvidenceTable, seed: int) -> np.ndarray:
    return divide(table.is_member, table.labels, None, np.random.default_rng(seed), shares=[1 / len(FIT)] * len(FIT))


def judged(here: World, auditor: Crossed, asking: Asking) -> dict[str, Any]:
    """Judge a set."""
    odds, free, label, _ = observed(here, list(asking.parts))
    rows = np.arange(len(label))
    questioned = asking.questioned()
    units = as_units(
        auditor.scores(odds), rows, questioned.groups(rows), auditor.yardstick,
        digest=questioned.facts.digest, known_digest=auditor.digest[auditor.yardstick.number],
    )  # fmt: skip
    second = second_scores(
        units, rows, free=auditor.scores(free), level=odds.mean(axis=1).astype(float),
        free_level=free.mean(axis=1).astype(float),
    )  # fmt: skip
    auc = auditor.gate.auc
    verdict = reach_verdict(question(units, len(rows)), units.known.groups(), auc=auc, controls=(), asked=second)
    return {"kind": verdict.kind, "p": verdict.p_value, "open": auditor.gate.is_open}


def run(here: World, seed: int) -> dict[str, Any]:
    """Train auditors of all sizes in both ways, and judge the same sets."""
    rng, found = np.random.default_rng(seed), []
    for count in KNOWN:
        members, outside = rng.permutation(len(here.members.row)), rng.permutation(len(here.nonmembers.row))
        draw = Draw(here=here, inside=members[count:], outside=outside[count:], rng=rng)
        none = draw.outside[:0]
        asked = [("innocent", draw.innocent(draw.some(draw.outside))) for _ in range(INNOCENT)]
        half = draw.guilty(draw.some(draw.inside, ASKED // 2), draw.some(draw.outside, ASKED // 2))
        asked += [("half", half), ("all", draw.guilty(draw.some(draw.inside), none))]
        for way, folds in FOLDS.items():
            auditor = train(here, members[:count], outside[:count], seed, folds)
            of = auditor.yardstick
            sides = of.score[of.is_member], of.score[~of.is_member]
            sets = [{"set": name, **judged(here, auditor, one)} for name, one in asked]
            found.append({"known": count, "way": way, "auc": metrics.auc(*sides), "sets": sets})
    return {"target": here.name, "seed": seed, "auditors": found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path)
    parser.add_argument("--bank", type=Path)
    parser.add_argument("--auditors", type=int, default=60)
    parser.add_argument("--part", type=int, nargs=2, default=(0, 1), help="this process's share of the seeds")
    options = parser.parse_args()
    torch.set_num_threads(1)
    worlds = {name: world(name, options.shared, options.bank, 2) for name in TARGETS}
    start, step = options.part
    record_all(RESULTS / "scarce.jsonl", worlds, range(start, options.auditors, step), run)


if __name__ == "__main__":
    main()
