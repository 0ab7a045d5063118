"""Whole audits that know no members: innocent sets that look guilty, and guilty ones, on recorded columns.

    python tools/study/validity/alone.py --shared ../shared --bank BANK [--auditors 30] [--part 0 2]

As `audits.py`, but each auditor has 1,000 known non-members and no known member: the score is `gap` on 26 views, which
was fixed in advance, and all controls that can run without known members are run. Two rows more than there: known
non-members that are harder than the questioned ones, as if they had been collected later. One line of JSON an auditor;
what is there is not done again. Tables: `validity.py --tables`.
"""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import bank
import numpy as np
import torch
from asking import ASKED, TARGETS, Asking, World, answer, record_all, rows_of, world
from cells import ALPHA

from onnxmint.controls.panel import control_evidence, control_question
from onnxmint.controls.seen import Missing, Seen, SeenQuestioned
from onnxmint.evidence.copies import Copies
from onnxmint.evidence.known import Evidence
from onnxmint.evidence.nobody import Nobody
from onnxmint.evidence.table import TEST, EvidenceTable
from onnxmint.images.facts import ImageFacts
from onnxmint.mint.trainer import FitSettings, FittedModule, fit_module
from onnxmint.results.audit import Verdict
from onnxmint.results.facts import Control, EvidenceFacts
from onnxmint.verdict.answer import reach_verdict
from onnxmint.verdict.findings import Question
from onnxmint.verdict.opinions import second_scores
from onnxmint.verdict.units import as_units
from onnxmint.verdict.yardstick import HeldOutScores, Traces, Yardstick

RESULTS = Path(__file__).parent / "results"
KNOWN = 1000
HARDER = (0.8, 0.65)


@dataclass(frozen=True, kw_only=True)
class Alone:
    """What an auditor without known members keeps."""

    yardstick: Yardstick
    traces: Traces
    controls: tuple[Control, ...]


def gap() -> FittedModule:
    none = np.zeros(0, np.int8)
    return fit_module("gap", torch.zeros(0, 1), none > 0, none, settings=FitSettings(), advance=lambda _: None)


def observed(here: World, pool: bank.Pool, rows: np.ndarray, label: np.ndarray) -> dict[str, np.ndarray]:
    """Return scores, mean log-odds over the views, the same without labels, and the target's top classes."""
    predicted = pool.logits[rows, 0].argmax(axis=1)
    odds, free = here.odds(pool, rows, label), here.odds(pool, rows, predicted)
    return {
        "score": gap().score(torch.from_numpy(odds)), "level": odds.mean(axis=1).astype(float),
        "free": gap().score(torch.from_numpy(free)), "free_level": free.mean(axis=1).astype(float),
        "predicted": predicted,
    }  # fmt: skip


def calibrated(here: World, outside: np.ndarray, seed: int) -> Alone:
    """Measure and control as `workflows/training.py` does where only non-members are known."""
    pool, none, rows = here.nonmembers, np.zeros(len(outside), np.int8), np.arange(len(outside))
    label = pool.label[outside]
    seen = observed(here, pool, outside, label)
    table = EvidenceTable(index=rows, is_member=none > 0, labels=label, groups=None, part=none + TEST, fold=none)
    facts, score, right = replace(pool.facts.take(outside), index=rows), seen["score"], seen["predicted"] == label
    surest = here.odds(pool, outside, seen["predicted"])[:, 0].astype(float)
    controls = control_evidence(
        Seen(
            evidence=Evidence(table=table, sources=(Nobody(), Nobody()), facts=facts),
            copies=Copies(
                known=len(rows), on_both_sides=0, near_copies_of_members=0, left_out=0, grouped=0, left_out_images=()
            ),
            facts=EvidenceFacts(
                members=0, nonmembers=len(rows), fit=0, calibrate=0, test=len(rows), groups=None,
                accuracy_members=None, accuracy_nonmembers=float(right.mean()),
            ),
            classes=10,
            target=HeldOutScores(table=table, score=score, folds=1, surest=surest, predicted=seen["predicted"]),
            difficulty=Missing(why="none can be learned from non-members alone"),
            seed=seed,
        ), np.random.default_rng(seed), wanted=True,
    )  # fmt: skip
    order = np.argsort(score)
    second = {name: seen[name][order].astype(np.float32) for name in ("free", "level", "free_level")}
    return Alone(
        yardstick=Yardstick(
            score=score[order].astype(np.float32), is_member=none > 0, is_test=none == 0, fold=none,
            category=label[order].astype(np.int32), group=None, number=order.astype(np.int32), right=right[order],
            **second,
        ),
        traces=Traces(
            digest=facts.digest,
            is_member=table.is_member,
            features=np.concatenate([facts.pixel, pool.features[outside]], axis=1).astype(np.float32),
            described=rows.astype(np.int32),
            difficulty=np.zeros(0, np.float32),
            judged=np.zeros(0, np.int32),
        ),
        controls=controls,
    )  # fmt: skip


def described(facts: ImageFacts, asking: Asking) -> np.ndarray:
    return np.concatenate(
        [facts.pixel.astype(float), np.concatenate([pool.features[part] for pool, part in asking.parts])], axis=1
    )


def judge(here: World, auditor: Alone, asking: Asking, seed: int) -> dict[str, Any]:
    """Judge a set as `workflows/auditing.py` does; a control can only turn a finding into none, so others get none."""
    rows = np.arange(len(asking.label))
    parts = [observed(here, *one) for one in asking.pieces]
    found = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    questioned = asking.questioned()
    facts = questioned.facts
    units = as_units(
        found["score"][:, None], rows, questioned.groups(rows), auditor.yardstick, digest=facts.digest,
        known_digest=auditor.traces.digest[auditor.yardstick.number],
    )  # fmt: skip
    second = second_scores(
        units, rows, free=found["free"][:, None], level=found["level"], free_level=found["free_level"]
    )

    def verdict(controls: tuple[Control, ...]) -> Verdict:
        question = Question(
            scores=units.score, images=len(rows), grouped=units.grouped, alpha=ALPHA, relevant_share=0.5
        )
        return reach_verdict(question, units.known.groups(), auc=None, controls=controls, asked=second)

    quick, controls = verdict(()), ()
    if quick.kind == "members-found":
        seen = SeenQuestioned(
            questioned=questioned, units=units, yardstick=auditor.yardstick, traces=auditor.traces, row=rows,
            features=Missing(why="not asked of guilty sets") if asking.guilty else described(facts, asking),
            easy=None, aligned=None, scored=rows, predicted=found["predicted"], told=True, seed=seed,
        )  # fmt: skip
        controls = control_question(auditor.controls, seen, np.random.default_rng(seed), wanted=True)
    said = verdict(controls)
    return answer(said, quick, controls)


def run(here: World, seed: int) -> dict[str, Any]:
    """Judge every row's set; the copies are of the last images of a side, none of which is known."""
    rng = np.random.default_rng(seed)
    members = rng.permutation(len(here.members.row) - bank.COPIED)
    outside, pool = rng.permutation(len(here.nonmembers.row) - bank.COPIED), here.nonmembers
    auditor = calibrated(here, outside[:KNOWN], seed)
    sets = rows_of(here, members, outside[KNOWN:], rng)
    judged = {name: judge(here, auditor, one, seed) for name, one in sets}
    for share in HARDER:
        drawn = outside[: round(KNOWN / share)]
        harder = calibrated(here, drawn[np.argsort(pool.easy[drawn])[:KNOWN]], seed)
        rows = rng.permutation(outside[len(drawn) :])[:ASKED]
        asking = Asking(parts=((pool, rows),), label=pool.label[rows], guilty=False)
        judged[f"innocent, known ones are the hardest {share:.0%}"] = judge(here, harder, asking, seed)
    return {"target": here.name, "seed": seed, "sets": judged}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--bank", type=Path, required=True)
    parser.add_argument("--auditors", type=int, default=30)
    parser.add_argument("--part", type=int, nargs=2, default=(0, 1), help="this process's share of the seeds")
    options = parser.parse_args()
    file = RESULTS / "alone.jsonl"
    torch.set_num_threads(1)
    worlds = {name: world(name, options.shared, options.bank, 26) for name in TARGETS}
    start, step = options.part
    record_all(file, worlds, range(start, options.auditors, step), run)


if __name__ == "__main__":
    main()
