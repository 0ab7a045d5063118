"""The share of members, and what would have been found, as auditors of real targets state them, on recorded columns.

    python tools/study/validity/shares.py --shared ../shared --bank BANK [--auditors 30] [--views 2] [--part 0 2]

Each auditor has its own 1,000 + 1,000 known images, as in `audits.py` but without controls: they change neither number.
Sets of 300 questioned images hold 0 to 100 % members; one more holds just the share that the auditor says it would find
with 95 % probability. One line of JSON an auditor; what is there is not done again. Tables: `validity.py --tables`.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from asking import ASKED, TARGETS, Draw, World, record_all, world
from auditors import KNOWN, Auditor, scored, train

SHARES = (0.0, 0.05, 0.2, 0.5, 0.8, 1.0)
SETS = 3  # of each share
RESULTS = Path(__file__).parent / "results"


def run(here: World, seed: int) -> dict[str, Any]:
    """Train an auditor, and judge its sets."""
    rng = np.random.default_rng(seed)
    members, outside = rng.permutation(len(here.members.row)), rng.permutation(len(here.nonmembers.row))
    auditor = train(here, members[:KNOWN], outside[:KNOWN], seed, controlled=False)
    draw = Draw(here=here, inside=members[KNOWN:], outside=outside[KNOWN:], rng=rng)
    found = [judged(here, auditor, draw, share) for share in SHARES for _ in range(SETS)]
    promised = next((one["detectable"] for one in found if one["truth"] == 0), None)
    kept = None if promised is None else judged(here, auditor, draw, promised)
    return {"target": here.name, "seed": seed, "auc": auditor.performance, "sets": found, "promised": kept}


def judged(here: World, auditor: Auditor, draw: Draw, share: float) -> dict[str, Any]:
    """Judge a set with this share of members."""
    count = int(np.ceil(share * ASKED))
    asking = draw.guilty(draw.some(draw.inside, count), draw.some(draw.outside, ASKED - count))
    verdict = scored(here, auditor, asking).verdict(auditor)
    estimate = verdict.share_of_members
    return {
        "truth": count / ASKED,
        "share": None if estimate is None else (estimate.value, estimate.low, estimate.high),
        "detectable": verdict.detectable_share,
        "p": verdict.p_value,
        "kind": verdict.kind,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path)
    parser.add_argument("--bank", type=Path)
    parser.add_argument("--auditors", type=int, default=30)
    parser.add_argument("--views", type=int, default=2, choices=(2, 14, 26))
    parser.add_argument("--part", type=int, nargs=2, default=(0, 1), help="this process's share of the seeds")
    options = parser.parse_args()
    torch.set_num_threads(1)
    worlds = {name: world(name, options.shared, options.bank, options.views) for name in TARGETS}
    start, step = options.part
    record_all(RESULTS / f"shares_{options.views}views.jsonl", worlds, range(start, options.auditors, step), run)


if __name__ == "__main__":
    main()
