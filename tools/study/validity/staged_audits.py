"""Audits in stages: all that two views can tell first, twenty-six views only where they leave a set open.

    python tools/study/validity/staged_audits.py --shared ../shared --bank BANK [--auditors 10] [--sets 30]

Two auditors of the same known images, one of 2 and one of 26 views, judge the same sets of 1,000 in growing lots
(`sequential_audits.py`). The first may spend a share of the level, the second the rest, so that both together call an
innocent set `members-found` as rarely as one that spends it all. Passes are those of the target: 2 an image in the
first stage, 26 in the second. One line of JSON a set; auditors that are there are not done again.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from asking import TARGETS, World, world
from auditors import KNOWN, train
from bank import COPIED
from cells import read_lines
from sequential_audits import GUILTY, SET, drawn, in_lots, judged, pool

from onnxmint.stats.sequential import Look, plan_looks

RESULTS = Path(__file__).parent / "results"
STAGES = (2, 26)
FIRST = (0.5, 0.8)  # shares of the level that the first stage may spend


def share_of(looks: tuple[Look, ...], share: float) -> tuple[Look, ...]:
    """Return the same looks, with a share of the level for all of them together."""
    return tuple(replace(look, part=look.part * share) for look in looks)


def run(worlds: dict[int, World], seed: int, sets: int) -> Iterator[dict[str, Any]]:
    """Yield what became of the sets of one pair of auditors."""
    here, rng = worlds[STAGES[0]], np.random.default_rng(20_000 + seed)
    members = rng.permutation(len(here.members.row) - COPIED)
    outside = rng.permutation(len(here.nonmembers.row) - COPIED)
    left, free = members[KNOWN:], outside[KNOWN:]
    cases = {}
    for views, of in worlds.items():
        auditor = train(of, members[:KNOWN], outside[:KNOWN], seed, controlled=False)
        cases[views] = pool(of, auditor, left, free)
    looks = plan_looks(SET)
    for number in range(sets):
        guilty = number % GUILTY == 0
        rows = drawn(rng, len(left), len(free), guilty=guilty)
        found: dict[str, Any] = {"target": here.name, "auditor": seed, "guilty": guilty}
        for views, case in cases.items():
            found[f"fixed {views}"] = judged(case, rows, 0.05)
            found[f"lots {views}"] = in_lots(case, rows, looks)
            for share in FIRST:
                spent = share if views == STAGES[0] else 1 - share
                found[f"{views} at {spent:.1f}"] = in_lots(case, rows, share_of(looks, spent))
        yield found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--bank", type=Path, required=True)
    parser.add_argument("--auditors", type=int, default=10)
    parser.add_argument("--sets", type=int, default=30)
    parser.add_argument("--out", type=Path, default=RESULTS / "staged_audits.jsonl")
    options = parser.parse_args()
    torch.set_num_threads(1)
    done = {(line["target"], line["auditor"]) for line in read_lines(options.out.parent, options.out.stem)}
    here = {name: {views: world(name, options.shared, options.bank, views) for views in STAGES} for name in TARGETS}
    for seed in range(options.auditors):
        for name in TARGETS:
            if (name, seed) not in done:
                lines = [json.dumps(row) for row in run(here[name], seed, options.sets)]
                with options.out.open("a") as place:
                    place.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
