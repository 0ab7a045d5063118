"""Innocent images that somebody chose because they are easy: how high do they score, by `views` and by `relative`?

    python tools/study/ceiling_easy.py --store STORE --fashion FOLDER --targets 0 3 20 22

Half of a target's held-out non-members are questioned: those that models of another architecture, which are no
references of the audit, find easiest. The others are known. An AUC above .5 is what a verdict could be misled by; the
second is among images of equal level, as a verdict compares them.
"""

import json
from pathlib import Path

import numpy as np
from ceiling_outside import hardness, reference
from ceiling_references import WORLD
from ceiling_scores import Case, Ground, ground_of, module, parser_of

from onnxmint.engine.probe import ODDS
from onnxmint.stats import metrics

RESULTS = Path(__file__).parent / "results" / "ceiling" / "tried" / "easy.json"
STRATA, REFERENCES, OTHERS = 10, 4, 2

Column = np.ndarray


def stratified(score: Column, chosen: Column, level: Column) -> float:
    """Return the AUC of the chosen within strata of equal level, weighted by the pairs in each."""
    edges = np.quantile(level, np.linspace(0, 1, STRATA + 1)[1:-1])
    of, total, pairs = np.searchsorted(edges, level), 0.0, 0
    for number in range(STRATA):
        mine, others = score[(of == number) & chosen], score[(of == number) & ~chosen]
        total += metrics.auc(mine, others) * len(mine) * len(others) if len(mine) and len(others) else 0.0
        pairs += len(mine) * len(others)
    return total / pairs


def measure(ground: Ground, fashion: Path, number: int) -> dict[str, list[float]]:
    """Return of each method the AUC of the easy half, and the same within strata of the target's confidence."""
    case = Case.of(ground, number)
    odds = case.said()[ODDS]
    easy, hard = (
        np.mean([hardness(ground, reference(ground, fashion, kind, one))[case.order] for one in range(count)], axis=0)
        for kind, count in (("other", OTHERS), ("same", REFERENCES))
    )
    relative = np.concatenate([odds, hard[:, None]], axis=1).astype(np.float32)
    scores = {
        "phi": odds[:, 0].astype(float),
        "views": module(case, "views", odds),
        "relative, 4 references": module(case, "relative", relative, "relative"),
    }
    rows = case.held[~case.table.is_member[case.held]]
    chosen, level = easy[rows] > np.median(easy[rows]), odds[rows].mean(axis=1)
    found = {}
    for name, score in scores.items():
        mine = score[rows]
        found[name] = [metrics.auc(mine[chosen], mine[~chosen]), stratified(mine, chosen, level)]
    return {name: [round(value, 4) for value in values] for name, values in found.items()}


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--targets", type=int, nargs="+", required=True)
    options = parser.parse_args()
    ground, found = ground_of(WORLD, options), {}
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    for number in options.targets:
        found[str(number)] = measure(ground, options.fashion, number)
        print(number, found[str(number)], flush=True)
        RESULTS.write_text(json.dumps(found, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
