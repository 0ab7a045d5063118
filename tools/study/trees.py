"""Boosted trees beside the dense network: `views`, `trees`, and what `auto` takes with and without `trees`.

    python tools/study/trees.py --shared ../shared --bank BANK --other OTHER

From what `validity/bank.py` recorded of targets: BANK is draw 1, OTHER draw 0, of which the features and the number of
trees were chosen; it is used for the largest evidence only. Half of the evidence is fitted on, as an audit does; all
that was recorded and not fitted on is held out. One JSON a target and number of known images; what is there is skipped.
"""

import argparse
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from onnxmint.evidence.table import FIT, EvidenceTable
from onnxmint.mint.choosing import SIMPLEST_FIRST, best_of
from onnxmint.mint.trainer import FittedModule, fit_on
from onnxmint.progress import quiet
from onnxmint.stats.compare import compare_auc
from onnxmint.stats.metrics import auc, tpr_at_fpr
from onnxmint.stats.partition import divide

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "validity"))
import bank  # noqa: E402

RESULTS = HERE / "results" / "trees"
DRAWS = {10_000: 1, 100: 5, 300: 3, 1000: 2, 4000: 1}  # evidence of a side -> how often it is drawn
BOTH = 10_000  # evidence that needs the images of both recordings
PLACES = 4

Sides = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """Evidence and what is held out, as log-odds of members and of non-members in all views."""

    fit: Sides
    held: Sides


def recorded(name: str, shared: Path, places: list[Path]) -> Sides:
    """Return (n, 26) float32 log-odds of members and of non-members."""
    kind = bank.ready(name, shared).model.answer.kind
    pools = [[bank.load(name, side, place) for place in places] for side in ("members", "nonmembers")]
    inside, outside = (
        np.concatenate([bank.log_odds(pool.logits, pool.label, kind) for pool in side]).astype(np.float32)
        for side in pools
    )
    return inside, outside


def drawn(sides: Sides, evidence: int, seed: int) -> Drawn:
    rng = np.random.default_rng(seed)
    mixed = [side[rng.permutation(len(side))] for side in sides]
    (fit_in, held_in), (fit_out, held_out) = ((side[: evidence // 2], side[evidence // 2 :]) for side in mixed)
    return Drawn(fit=(fit_in, fit_out), held=(held_in, held_out))


def table_of(fit: Sides, seed: int) -> EvidenceTable:
    """Return the images that are fitted on, in folds as an audit has them."""
    is_member = np.repeat([True, False], [len(side) for side in fit])
    rng = np.random.default_rng(seed)
    part = divide(is_member, None, None, rng, shares=[1 / len(FIT)] * len(FIT))
    none = np.zeros(len(part), np.int8)
    return EvidenceTable(
        index=np.arange(len(part)), is_member=is_member, labels=None, groups=None,
        part=np.array(FIT, np.int8)[part], fold=none,
    )  # fmt: skip


def measured(module: FittedModule, held: Sides) -> tuple[Sides, list[float]]:
    """Return the scores of the held-out images, and AUC and TPR at 1 % FPR."""
    inside, outside = (module.score(torch.from_numpy(side)) for side in held)
    return (inside, outside), [round(auc(inside, outside), PLACES), round(tpr_at_fpr(inside, outside, 0.01), PLACES)]


def once(sides: Sides, evidence: int, seed: int) -> dict[str, object]:
    """Fit and choose once; return what each module finds, what was taken, and how long each took to fit."""
    of = drawn(sides, evidence, seed)
    table, odds = table_of(of.fit, seed), torch.from_numpy(np.concatenate(of.fit))
    fitted, seconds = [], {}
    for name in SIMPLEST_FIRST:
        start = time.process_time()
        fitted.append(fit_on(name, odds, table, table.part, seed, quiet))
        seconds[name] = round(time.process_time() - start, 2)
    scores = {module.name: measured(module, of.held) for module in fitted}
    before, after = best_of(fitted[:-1], table, seed), best_of(fitted, table, seed)
    gain = compare_auc(scores["trees"][0], scores["views"][0], groups=None, rng=np.random.default_rng(seed))
    return {
        **{name: found for name, (_, found) in scores.items()},
        "before": before.name, "after": after.name, "seconds": seconds,
        "trees less views": [round(value, PLACES) for value in (gain.value, gain.low, gain.high)],
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--bank", type=Path, required=True)
    parser.add_argument("--other", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    RESULTS.mkdir(parents=True, exist_ok=True)
    held = dict[tuple[str, bool], Sides]()
    for evidence in DRAWS:
        for name in reversed(bank.BANKED):
            file, both = RESULTS / f"{name}_{evidence}.json", evidence == BOTH
            if file.exists():
                continue
            if (name, both) not in held:
                held[name, both] = recorded(name, options.shared, [options.bank, *([options.other] if both else [])])
            found = [once(held[name, both], evidence, seed) for seed in range(DRAWS[evidence])]
            file.write_text(json.dumps(found, separators=(",", ":")) + "\n")
            print(name, evidence, found[0], flush=True)


if __name__ == "__main__":
    main()
