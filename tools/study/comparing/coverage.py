"""How often the intervals of `onnxmint compare` hold the true change, in simulated pairs of models.

python tools/study/comparing/coverage.py --out tools/study/comparing/results/coverage.json
python tools/study/comparing/coverage.py --table tools/study/comparing/results/coverage.json

The asked set is a mixture of members and of images that were never seen; its score in the second model is that of the
first in part (the correlation), as on the same images. What is true is known in closed form, so that "covered" is.
"""

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from scipy.special import ndtr, ndtri

from onnxmint.stats.estimates import FloatArray
from onnxmint.stats.paired import RATES, Side, changes

SIZES = {100: 400, 500: 400, 2000: 400}  # images of a set -> comparisons
RESAMPLES = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Two models.

    Attributes:
        name: of the row.
        effect: how far members are above others in each, in standard deviations.
        share: of members among the asked images, in each.
        correlation: of an image's score in both.
    """

    name: str
    effect: tuple[float, float]
    share: tuple[float, float]
    correlation: float


CASES = (
    Case(name="no change", effect=(0.6, 0.6), share=(1, 1), correlation=0.8),
    Case(name="half forgotten", effect=(0.8, 0.6), share=(1, 0.5), correlation=0.6),
    Case(name="all forgotten, strong leak", effect=(2.5, 2.5), share=(1, 0), correlation=0.3),
)


def truth(case: Case) -> dict[str, float]:
    """Return the true change of every measure."""

    def in_model(model: int) -> dict[str, float]:
        effect, share = case.effect[model], case.share[model]
        found = {"auc": 0.5 + share * (ndtr(effect / np.sqrt(2)) - 0.5), "gap": share * effect, "share": share}
        for name, fpr in RATES.items():
            found[name] = share * ndtr(effect + ndtri(fpr)) + (1 - share) * fpr
        return found

    before, after = in_model(0), in_model(1)
    return {name: float(after[name] - before[name]) for name in before}


def scores(case: Case, count: int, share: tuple[float, float], rng: np.random.Generator) -> FloatArray:
    """Return (2, n) scores; who is a member of the asked ones in the second model is one in the first too."""
    common, rest = np.sqrt(case.correlation), np.sqrt(1 - case.correlation)
    place = rng.random(count)
    moved = np.stack([effect * (place < of) for effect, of in zip(case.effect, share, strict=True)])
    found: FloatArray = common * rng.normal(size=count) + rest * rng.normal(size=(2, count)) + moved
    return found


def measured(case: Case, count: int, comparisons: int, seed: int) -> dict[str, list[int]]:
    """Return of every measure how many intervals there were, and how many held the true change."""
    rng, true = np.random.default_rng([seed, count, CASES.index(case)]), truth(case)
    found: dict[str, list[int]] = {name: [0, 0] for name in true}
    for _ in range(comparisons):
        asked, outside, members = (
            Side(score=scores(case, count, share, rng)) for share in (case.share, (0.0, 0.0), (1.0, 1.0))
        )
        for one in changes(asked, outside, members, rng, resamples=RESAMPLES):
            low, high = one.difference.low, one.difference.high
            if low is not None and high is not None:
                found[one.measure][0] += 1
                found[one.measure][1] += low <= true[one.measure] <= high
    return found


def table(rows: list[dict[str, object]]) -> str:
    """Return the rows in Markdown."""
    names = ["auc", "tpr@10%", "tpr@1%", "gap", "share"]
    lines = [
        f"| pair of models | images of a set | comparisons | {' | '.join(names)} |",
        f"| {'--- | ' * (3 + len(names))}",
    ]
    for row in rows:
        cells = []
        for name in names:
            number, held = row["covered"][name]  # type: ignore[index]
            cells.append(f"{held / number:.1%}" if number else "none given")
        lines.append(f"| {row['name']} | {row['images']:,} | {row['comparisons']:,} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path)
    parser.add_argument("--table", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    if given.table is not None:
        print(table(json.loads(given.table.read_text())), end="")
        return
    there = given.out is not None and given.out.exists()
    rows: list[dict[str, object]] = json.loads(given.out.read_text()) if there else []  # a killed run goes on
    done = {(row["name"], row["images"], row["comparisons"]) for row in rows}
    for count, comparisons in SIZES.items():
        for case in CASES:
            if (case.name, count, comparisons) in done:
                continue
            covered = measured(case, count, comparisons, given.seed)
            rows.append({**asdict(case), "images": count, "comparisons": comparisons, "covered": covered})
            print(table(rows[-1:]).splitlines()[-1], flush=True)
            if given.out is not None:
                given.out.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
