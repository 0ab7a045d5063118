"""The ceiling: how much of what 64 shadow models find does an auditor without any find, on the same images?

    python tools/study/ceiling.py --store STORE --fashion FOLDER --train fashion --measure fashion

Trained models and what they say are kept in STORE, so that training and measuring can be stopped and taken up again;
results go to results/ceiling/, from which `study.py --tables` makes its section of README.md. A world of which not all
models are there yet is measured with those that are.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ceiling_models import FASHION, WORLDS, train_all
from ceiling_scores import QUERIES, VIEWS, Ground, scored

from onnxmint.stats import metrics

RESULTS = Path(__file__).parent / "results" / "ceiling"
CHOSEN_ON, TARGETS = 8, 12  # the first models are for choosing; as many more at most are measured
_RESAMPLES = 200

Scored = dict[str, tuple[np.ndarray, np.ndarray]]  # of each method the scores of members and non-members


def numbers_of(ground: Ground) -> range:
    """Return the targets that are measured."""
    return range(min(CHOSEN_ON, ground.models // 2), ground.models)[:TARGETS]


def measure(ground: Ground) -> dict[str, Any]:
    """Measure every method on every target."""
    numbers = numbers_of(ground)
    every, seconds = zip(*(scored(ground, number) for number in numbers), strict=True)
    facts = [ground.facts(number) for number in range(ground.models)]
    held = len(every[0]["phi"][0])
    return {
        "world": ground.name, "models": ground.models, "shadows": ground.models - 2, "targets": len(numbers),
        "validation": numbers[0], "held": held, "pooled": held * len(numbers), "pool": len(ground.labels),
        "accuracy": {side: float(np.mean([fact[side] for fact in facts])) for side in ("members", "nonmembers")},
        "training_seconds": float(np.mean([fact["seconds"] for fact in facts])),
        "methods": {name: _method(name, ground, every, seconds) for name in every[0]},
    }  # fmt: skip


def _method(name: str, ground: Ground, every: Sequence[Scored], seconds: Sequence[dict[str, float]]) -> dict[str, Any]:
    sides = [scored[name] for scored in every]
    each = [(metrics.auc(*side), metrics.tpr_at_fpr(*side, 0.01)) for side in sides]
    cost = _cost(name, ground)
    fitted = float(np.mean([spent.get(name, 0.0) for spent in seconds]))
    training = float(np.mean([ground.facts(number)["seconds"] for number in range(ground.models)]))
    shown = sum(_showing(ground, views) * models for views, models in cost["shown"])
    return {
        "each": [[round(auc, 5), round(tpr, 5)] for auc, tpr in each],
        "pooled": _pooled(sides),
        "models": cost["models"],
        "passes": sum(views * models for views, models in cost["shown"]),
        "seconds": round(training * cost["models"] + fitted + shown, 2),
    }


def _cost(name: str, ground: Ground) -> dict[str, Any]:
    """Return how many models have to be trained, and how many views target and shadow models are shown."""
    queries = QUERIES if name.endswith("queries") else 1
    models = 0
    if name.startswith("RMIA"):
        models = {"1 reference": 2, "4 references": 4}.get(name.removeprefix("RMIA, "), ground.models - 2)
    elif name.startswith(("LiRA", "phi less")):
        models = ground.models - 2
    mine = VIEWS if name.startswith("view") else queries
    return {"models": models, "shown": [(mine, 1), (queries, 1 if name == "RMIA, 1 reference" else models)]}


def _showing(ground: Ground, views: int) -> float:
    """Return the CPU seconds that it takes a model to be shown the pool in so many views."""
    recorded = VIEWS if views > QUERIES else QUERIES
    numbers = range(CHOSEN_ON, min(CHOSEN_ON + TARGETS, ground.models)) if views > QUERIES else range(ground.models)
    return float(np.mean([ground.says(number, recorded)["seconds"] for number in numbers])) * views / recorded


def _pooled(sides: list[tuple[np.ndarray, np.ndarray]]) -> list[float]:
    """Return the TPR at .1 % FPR of all targets' scores together, with the interval over targets."""
    rng, drawn = np.random.default_rng(0), []
    for _ in range(_RESAMPLES):
        picked = rng.integers(0, len(sides), len(sides))
        drawn.append(_rate([sides[place] for place in picked]))
    low, high = np.quantile(drawn, (0.025, 0.975))
    return [round(value, 5) for value in (_rate(sides), float(low), float(high))]


def _rate(sides: list[tuple[np.ndarray, np.ndarray]]) -> float:
    members, nonmembers = (np.concatenate([side[place] for side in sides]) for place in (0, 1))
    return metrics.tpr_at_fpr(members, nonmembers, 0.001)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", type=Path, required=True, help="where models and what they say are kept")
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--fashion", type=Path, default=FASHION)
    parser.add_argument("--train", nargs="*", choices=WORLDS, default=())
    parser.add_argument("--part", type=int, nargs=2, default=(0, 1), help="this process's share of the models")
    parser.add_argument("--score", nargs="*", choices=WORLDS, default=(), help="this process's share of the targets")
    parser.add_argument("--measure", nargs="*", choices=WORLDS, default=())
    options = parser.parse_args()
    torch.set_num_threads(1)
    for name in options.train:
        for facts in train_all(name, options.shared, options.fashion, options.store, options.part):
            print(name, facts, flush=True)
    for name in options.score:
        ground = Ground.open(name, options.shared, options.fashion, options.store)
        for number in range(options.part[0], ground.models, options.part[1]):
            ground.says(number, QUERIES)
        for number in numbers_of(ground)[options.part[0] :: options.part[1]]:
            aucs = {method: round(metrics.auc(*sides), 3) for method, sides in scored(ground, number)[0].items()}
            print(name, number, aucs, flush=True)
    RESULTS.mkdir(parents=True, exist_ok=True)
    for name in options.measure:
        found = measure(Ground.open(name, options.shared, options.fashion, options.store))
        (RESULTS / f"{name}.json").write_text(json.dumps(found, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
