"""Audits in growing lots: false findings whatever the habit of stopping, and images per answer, against the fixed test.

    python tools/study/validity/sequential.py simulated
    python tools/study/validity/sequential.py recorded --shared ../shared --bank BANK [--auditors 10] [--sets 75]

"simulated": normal scores with 500 held-out non-members; plans of looks and an e-process that bets on conformal
p-values (Vovk 2003; Ramdas et al. 2022) are held against the fixed test. "recorded": the whole rule of a verdict (the
test among images of equal confidence, that without labels and that of all together must agree) on columns of `bank.py`:
sets of 1,000 unseen images, innocent or half members, of auditors with 1,000 + 1,000 known images each.
"""

import argparse
import json
from bisect import bisect
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import ndtri

from onnxmint.stats.guarantee import Guarantee, Luck
from onnxmint.stats.sequential import Look, plan_looks

RESULTS = Path(__file__).parent / "results"
ALPHA, OUTSIDE, SET = 0.05, 500, 1000
AUDITS = 4000
BETS = np.array([0.1, 0.2, 0.4, 0.8])  # shares of the stake on small p-values, a quarter of the wealth each
BETTING = 1000  # audits of them, for the e-process
CASES = ((0.60, 1.0), (0.66, 0.5), (0.66, 1.0), (0.75, 0.5), (0.75, 1.0), (0.90, 0.5))  # AUC, share of members
PLANS = ((2.0, 0.1), (2.0, 0.2), (2.0, 0.3), (1.5, 0.2), (4.0, 0.2))  # growth, part of the level spent early


def placements(auc: float, share: float, count: int, audits: int, seed: int) -> np.ndarray:
    """Return (audits, count) placements among known non-members, in random order."""
    rng, shift = np.random.default_rng(seed), float(ndtri(auc)) * 2**0.5
    placed = np.empty((audits, count))
    for audit in range(audits):
        known = np.sort(rng.normal(size=OUTSIDE))
        asked = rng.normal(size=count) + shift * (rng.random(count) < share)
        placed[audit] = np.searchsorted(known, asked) / OUTSIDE
    return placed


def online(auc: float, share: float, count: int, audits: int, seed: int) -> np.ndarray:
    """Return (audits, count) conformal p-values of each image among the known ones and those before it: uniform."""
    rng, shift = np.random.default_rng(seed), float(ndtri(auc)) * 2**0.5
    found = np.empty((audits, count))
    for audit in range(audits):
        scores = np.concatenate([rng.normal(size=OUTSIDE), rng.normal(size=count)])
        scores[OUTSIDE:] += shift * (rng.random(count) < share)
        before = np.sort(scores[:OUTSIDE]).tolist()
        for row, score in enumerate(scores[OUTSIDE:].tolist()):
            place = bisect(before, score)
            found[audit, row] = (len(before) - place + rng.random()) / (len(before) + 1)
            before.insert(place, score)
    return found


def looked(placed: np.ndarray, looks: tuple[Look, ...], guarantee: Guarantee) -> np.ndarray:
    """Return (audits, looks) p-values, each over its part of the level."""
    total = np.cumsum(placed, axis=1)
    found = []
    for look in looks:
        luck = Luck.of(OUTSIDE, look.size, step=0.5 / OUTSIDE / look.size)
        found.append(luck.p_values(total[:, look.size - 1] / look.size - 0.5, guarantee) / look.part)
    return np.stack(found, axis=1)


def stopped(over: np.ndarray, looks: tuple[Look, ...]) -> dict[str, float]:
    """Return how often members are found by whoever looks at every lot, and how many images that takes."""
    hit = over <= ALPHA
    first = np.where(hit.any(axis=1), hit.argmax(axis=1), len(looks) - 1)
    size = np.array([look.size for look in looks])[first]
    return {"found": float(hit.any(axis=1).mean()), "images": float(size.mean()), "median": float(np.median(size))}


def betting(p_value: np.ndarray) -> dict[str, float]:
    """Return the same of an e-process: a mixture of bets that p-values are small."""
    wealth = np.mean(
        [np.exp(np.cumsum(np.log1p(bet * (1 - 2 * p_value)), axis=1)) for bet in BETS],
        axis=0,
    )
    hit = wealth >= 1 / ALPHA
    size = np.where(hit.any(axis=1), hit.argmax(axis=1) + 1, p_value.shape[1])
    return {"found": float(hit.any(axis=1).mean()), "images": float(size.mean()), "median": float(np.median(size))}


def simulated() -> dict[str, Any]:
    """Hold plans and bets against the fixed test, on innocent sets and on members."""
    rows = []
    for auc, share in ((0.66, 0.0), *CASES):
        placed = placements(auc, share, SET, AUDITS, seed=int(1000 * auc + 10 * share))
        whole = (Look(size=SET, part=1.0),)
        row: dict[str, Any] = {"auc": auc, "share": share, "audits": AUDITS}
        for guarantee in ("each", "average"):
            row[f"fixed, {guarantee}"] = stopped(looked(placed, whole, guarantee), whole)
            for growth, early in PLANS:
                looks = plan_looks(SET, growth=growth, early=early)
                row[f"growth {growth:g}, early {early:g}, {guarantee}"] = stopped(
                    looked(placed, looks, guarantee), looks
                )
        row["bets, average"] = betting(online(auc, share, SET, BETTING, seed=int(auc * 100)))
        rows.append(row)
    return {"sets": rows, "room": [needed(auc, share) for auc, share in CASES]}


def needed(auc: float, share: float, power: float = 0.9) -> dict[str, float]:
    """Return the images with which the fixed test finds so often, and the power of the default plan with 1.1 times."""
    placed = placements(auc, share, 2 * SET, 2000, seed=7)
    low, high = 8, 2 * SET

    def fixed(count: int) -> float:
        looks = (Look(size=count, part=1.0),)
        return stopped(looked(placed, looks, "each"), looks)["found"]

    if fixed(int(high / 1.1)) < power:
        return {"auc": auc, "share": share}
    high = int(high / 1.1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if fixed(middle) >= power else (middle, high)
    looks = plan_looks(int(np.ceil(1.1 * high)))
    return {"auc": auc, "share": share, "fixed needs": high, "power": fixed(high)} | {
        f"in lots: {name}": value for name, value in stopped(looked(placed, looks, "each"), looks).items()
    }


def write(name: str, found: Any) -> None:
    (RESULTS / name).write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("simulated", "recorded"))
    parser.add_argument("--shared", type=Path)
    parser.add_argument("--bank", type=Path)
    parser.add_argument("--auditors", type=int, default=10)
    parser.add_argument("--sets", type=int, default=75)
    given = parser.parse_args()
    if given.what == "simulated":
        write("sequential_simulated.json", simulated())
    else:
        import sequential_audits

        file = RESULTS / "sequential_audits.jsonl"
        sequential_audits.record(file, given.shared, given.bank, given.auditors, given.sets)
