"""Twenty-six views for some images and two for the others: how well do such scores tell members apart?

    python tools/study/validity/cascade.py --shared ../shared --bank BANK

A module of 2 views and one of 26 are fitted on the same images; which images get the score of the second is decided by
that of the first: those that look most like members, those in the middle, or those at both ends. Such a score is one
function of the image, so that p-values stay what they are; the question is what it still finds. Held-out images.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from asking import TARGETS, World, world
from auditors import fitted
from bank import COPIED, MEMBERS, data

from onnxmint.stats import metrics

RESULT = Path(__file__).parent / "results" / "cascade.json"
STAGES, OPEN = (2, 26), (0.1, 0.25, 0.5, 0.75)
KNOWN = MEMBERS - COPIED


def chosen(rank: np.ndarray, share: float) -> dict[str, np.ndarray]:
    """Return by the words of a rule which images get all views; `rank` is from 0 to 1."""
    middle = np.abs(rank - 0.5)
    return {"highest": rank > 1 - share, "middle": middle < share / 2, "both ends": middle > (1 - share) / 2}


def measure(worlds: dict[int, World]) -> dict[str, Any]:
    """Return the AUC of both modules, and of each rule by the share of images that get all views."""
    rows = np.arange(KNOWN)
    score, inside, held = {}, np.arange(2 * KNOWN) < KNOWN, np.zeros(0, np.bool_)
    for views, here in worlds.items():
        sides = (here.members, here.nonmembers)
        label = np.concatenate([side.label[rows] for side in sides])
        table = data.evidence_of(label, inside, np.random.default_rng(0))
        odds = np.concatenate([here.odds(side, rows, side.label[rows]) for side in sides])
        _, found, _ = fitted("views", odds, table, 0)
        held = np.isfinite(found)
        score[views] = found[held]
    member, few, many = inside[held], *(score[views] for views in STAGES)
    rank = np.argsort(np.argsort(few)) / len(few)

    def auc(values: np.ndarray) -> float:
        return round(metrics.auc(values[member], values[~member]), 4)

    rules: dict[str, dict[str, float]] = {}
    for share in OPEN:
        for words, opened in chosen(rank, share).items():
            rules.setdefault(words, {})[f"{share}"] = auc(np.where(opened, many, few))
    return {"held": int(member.sum()), "2": auc(few), "26": auc(many), "rules": rules}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--bank", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    found = {
        name: measure({views: world(name, options.shared, options.bank, views) for views in STAGES}) for name in TARGETS
    }
    RESULT.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
