"""Whole audits that know no members: innocent sets that look guilty, and guilty ones, on recorded columns.

    python tools/study/validity/alone.py --shared ../shared --bank BANK [--auditors 40] [--part 0 2]

As `audits.py`, but each auditor has 1,000 known non-members and no known member: the score is `gap` on 26 views, which
was fixed in advance, and all controls that can run without known members are run. Two rows more than there: known
non-members that are harder than the questioned ones, as if they had been collected later. One line of JSON an auditor;
what is there is not done again. Tables: `validity.py --tables`.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import bank
import numpy as np
import torch
from audits import ASKED, KNOWN, RESULTS, TARGETS, Asking, Auditor, World, judge, rows_of, world, yardstick
from validity_tables import read_lines

from onnxmint.controls.panel import control_evidence
from onnxmint.controls.seen import Missing, Seen
from onnxmint.evidence.copies import Copies
from onnxmint.evidence.known import Evidence
from onnxmint.evidence.nobody import Nobody
from onnxmint.evidence.table import TEST, EvidenceTable
from onnxmint.mint.fit import FitSettings, fit_module
from onnxmint.results.facts import EvidenceFacts
from onnxmint.verdict.yardstick import HeldOutScores, Traces

HARDER = (0.8, 0.65)
GUILTY = 10  # auditors of a target that guilty sets are judged by; their controls take nearly all of the time
FOUND = {"moved": False, "controlled": False}  # without known members a control can only turn a finding into none


def calibrated(here: World, outside: np.ndarray, seed: int) -> Auditor:
    """Measure and control as `workflows/training.py` does where only non-members are known."""
    pool, none = here.nonmembers, np.zeros(len(outside), np.int8)
    label, rows = pool.label[outside], np.arange(len(outside))
    table = EvidenceTable(index=rows, is_member=none > 0, labels=label, groups=None, part=none + TEST, fold=none)
    facts = replace(pool.facts.take(outside), index=rows)
    odds, predicted = here.odds(pool, outside, label), pool.logits[outside, 0].argmax(axis=1)
    module = fit_module(
        "gap", torch.zeros(0, 1), none[:0] > 0, none[:0], settings=FitSettings(seed=seed), advance=lambda _: None
    )
    score, free = (module.score(torch.from_numpy(o)) for o in (odds, here.odds(pool, outside, predicted)))
    seen = Seen(
        evidence=Evidence(table=table, sources=(Nobody(), Nobody()), facts=facts),
        copies=Copies(
            known=len(rows), on_both_sides=0, near_copies_of_members=0, left_out=0, grouped=0, left_out_images=()
        ),
        facts=EvidenceFacts(
            members=0, nonmembers=len(rows), fit=0, calibrate=0, test=len(rows), groups=None, accuracy_members=None,
            accuracy_nonmembers=float((predicted == label).mean()),
        ),
        classes=10,
        target=HeldOutScores(table=table, score=score, folds=1, surest=odds[:, 0].astype(float), predicted=predicted),
        difficulty=Missing(why="none can be learned from non-members alone"),
        seed=seed,
    )  # fmt: skip
    return Auditor(
        module=module,
        gate=None,
        yardstick=yardstick(table, score, predicted, free, odds.mean(axis=1)),
        traces=Traces(
            digest=facts.digest,
            is_member=table.is_member,
            features=np.concatenate([facts.pixel, pool.features[outside]], axis=1).astype(np.float32),
            described=rows.astype(np.int32),
            difficulty=np.zeros(0, np.float32),
            judged=np.zeros(0, np.int32),
        ),
        controls=control_evidence(seen, np.random.default_rng(seed), wanted=True),
        performance=float("nan"),
    )


def run(here: World, seed: int) -> dict[str, Any]:
    """Judge every row's set; the copies are of the last members."""
    rng = np.random.default_rng(seed)
    members = rng.permutation(len(here.members.row) - bank.COPIED)
    outside, pool = rng.permutation(len(here.nonmembers.row)), here.nonmembers
    auditor = calibrated(here, outside[:KNOWN], seed)
    sets = rows_of(here, members, outside[KNOWN:], rng)
    judged = {
        name: judge(here, auditor, asking, seed, **FOUND) for name, asking in sets if seed < GUILTY or not asking.guilty
    }
    for share in HARDER:
        drawn = outside[: round(KNOWN / share)]
        harder = calibrated(here, drawn[np.argsort(pool.easy[drawn])[:KNOWN]], seed)
        rows = rng.permutation(outside[len(drawn) :])[:ASKED]
        asking = Asking(parts=((pool, rows),), label=pool.label[rows], guilty=False)
        judged[f"innocent, known ones are the hardest {share:.0%}"] = judge(here, harder, asking, seed, **FOUND)
    return {"target": here.name, "seed": seed, "sets": judged}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path)
    parser.add_argument("--bank", type=Path)
    parser.add_argument("--auditors", type=int, default=40)
    parser.add_argument("--part", type=int, nargs=2, default=(0, 1), help="this process's share of the seeds")
    options = parser.parse_args()
    file = RESULTS / "alone.jsonl"
    torch.set_num_threads(1)
    part, parts = options.part
    mine = file if parts == 1 else file.with_suffix(f".{part}.jsonl")
    done = {(line["target"], line["seed"]) for line in read_lines(RESULTS, file.stem)}
    worlds = {name: world(name, options.shared, options.bank, 26) for name in TARGETS}
    for seed in range(part, options.auditors, parts):
        for name, here in worlds.items():
            if (name, seed) not in done:
                with mine.open("a") as room:
                    room.write(json.dumps(run(here, seed)) + "\n")


if __name__ == "__main__":
    main()
