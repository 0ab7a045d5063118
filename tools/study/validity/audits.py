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
from dataclasses import replace
from pathlib import Path
from typing import Any

import bank
import numpy as np
import torch
from asking import ASKED, PLAIN, TARGETS, Asking, World, answer, record_all, rows_of, world
from auditors import KNOWN, Auditor, scored, train
from bank import Pool

from onnxmint.controls.alignment import READINGS
from onnxmint.controls.panel import control_question
from onnxmint.controls.seen import Missing, SeenQuestioned
from onnxmint.engine.local import Local
from onnxmint.engine.probe import ODDS, expose
from onnxmint.images.chosen import Decoded, Images
from onnxmint.results.audit import Verdict
from onnxmint.workflows.aligning import displaced

RESULTS = Path(__file__).parent / "results"
LARGEST_GROUP = 12


def judge(here: World, auditor: Auditor, asking: Asking, seed: int, *, whole: bool = False) -> dict[str, Any]:
    """Judge a set as `workflows/auditing.py` does."""
    rng, of = np.random.default_rng(seed), asking.pieces
    rows, found = np.arange(len(asking.label)), scored(here, auditor, asking)
    quick = found.verdict(auditor)
    features = np.concatenate([pool.features[part] for pool, part, _ in of])
    seen = SeenQuestioned(
        questioned=found.questioned,
        units=found.units,
        yardstick=auditor.yardstick,
        traces=auditor.traces,
        row=rows,
        features=np.concatenate([found.questioned.facts.pixel.astype(float), features], axis=1),
        easy=None,
        aligned=aligned(here, of) if (asking.guilty or whole) and quick.kind == "no-evidence" else None,
        scored=rows,
        predicted=found.predicted,
        told=True,
        seed=seed,
    )
    matter = whole or quick.kind == "members-found" or (asking.guilty and quick.kind == "no-evidence")
    controls = control_question(auditor.controls, seen, rng, wanted=True) if matter else auditor.controls
    verdict = found.verdict(auditor, controls)
    return {**answer(verdict, quick, controls), "found at": finding_level(verdict)}


def finding_level(verdict: Verdict) -> float | None:
    """Return the level from which on the tests agree that members are there, were no control to stop it."""
    found = [verdict.p_value, *(one.p_value for one in verdict.opinions)]
    return None if None in found else max(value for value in found if value is not None)


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
    """Train an auditor and judge every row's set; copies are of the last images of a side, which no evidence holds."""
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
    parser.add_argument("--part", type=int, nargs=2, default=(0, 1), help="this process's share of the seeds")
    options = parser.parse_args()
    file = RESULTS / f"audits_{options.views}views.jsonl"
    torch.set_num_threads(1)
    worlds = {name: world(name, options.shared, options.bank, options.views) for name in TARGETS}
    start, step = options.part
    record_all(file, worlds, range(start, options.auditors, step), run)


if __name__ == "__main__":
    main()
