"""What was tried on targets that serve for choosing, to find more than `views` does; most of it was not taken.

    python tools/study/ceiling_tried.py --store STORE --fashion FOLDER --targets 0 3 20 22

Trees are scikit-learn's histogram boosting, on the numbers that the dense networks read.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from ceiling_outside import views_of
from ceiling_references import WORLD, files, measured
from ceiling_scores import Case, Ground, ground_of, module, parser_of
from scipy.stats import t
from sklearn.ensemble import HistGradientBoostingClassifier

from onnxmint.engine.probe import ODDS
from onnxmint.evidence.table import FIT
from onnxmint.mint.modules import views as read

RESULTS = Path(__file__).parent / "results" / "ceiling" / "tried" / "all.json"
GIVEN = {
    "1 reference": ("same", 1),
    "4 references": ("same", 4),
    "4 references of another architecture": ("other", 4),
    "1 student": ("student", 1),
    "2 students": ("student", 2),
}
_PARTS, _WIDTH, _RIDGE = 60, 60, 0.3  # components of the pixels; width of the kernel, and how much is taken off
_FOLDS = 5

Column = np.ndarray


def ridge(ground: Ground) -> Column:
    """Return (n, 4) how hard images are by kernel ridge on their pixels, cross-fitted on the pool itself."""
    from sklearn.decomposition import PCA

    pixels = ground.pixels.reshape(len(ground.labels), -1).astype(np.float64) / 255
    parts = PCA(_PARTS, random_state=0).fit_transform(pixels - pixels.mean(0))
    parts /= parts.std()
    squares = (parts**2).sum(1)
    kernel = np.exp(-(squares[:, None] + squares[None] - 2 * parts @ parts.T) / _WIDTH)
    truth, fold = np.eye(10)[ground.labels] * 2 - 1, np.random.default_rng(0).integers(0, _FOLDS, len(pixels))
    said = np.zeros_like(truth)
    for number in range(_FOLDS):
        learn, rest = fold != number, fold == number
        inner = kernel[np.ix_(learn, learn)] + _RIDGE * np.eye(learn.sum())
        said[rest] = kernel[np.ix_(rest, learn)] @ np.linalg.solve(inner, truth[learn])
    row = np.arange(len(said))
    own = said[row, ground.labels]
    others = said.copy()
    others[row, ground.labels] = -np.inf
    ranked = np.sort(said, axis=1)
    return np.stack([own, others.max(1), own - others.max(1), ranked[:, -1] - ranked[:, -2]], axis=1)


def features(odds: Column) -> Column:
    """Return what `views` reads."""
    found: Column = read.Module.features(torch.from_numpy(np.ascontiguousarray(odds, np.float32))).numpy()
    return found.astype(float)


def dense(case: Case, columns: Column) -> Column:
    """Return the scores of the network of `views` on other columns than its own."""
    kept = read.Module.features
    read.Module.features = staticmethod(lambda given: given)  # type: ignore[method-assign]
    try:
        return module(case, "dense", columns.astype(np.float32))
    finally:
        read.Module.features = staticmethod(kept)  # type: ignore[method-assign]


def trees(case: Case, columns: Column) -> Column:
    """Return the scores of boosted trees."""
    fit = case.table.rows(*FIT)
    made = HistGradientBoostingClassifier(
        max_iter=150, max_leaf_nodes=8, learning_rate=0.05, max_features=0.5, early_stopping=False, random_state=0
    )
    found: Column = made.fit(columns[fit], case.table.is_member[fit]).decision_function(columns)
    return found


def both(case: Case, first: Column, second: Column) -> Column:
    """Return the mean of two scores, each in its own deviations."""
    found: Column = sum(score / np.nanstd(score[case.held]) for score in (first, second))
    return found


def scores(case: Case, fashion: Path, hard: Column) -> Iterator[tuple[str, Column]]:
    """Yield everything that was tried."""
    odds = case.said()[ODDS]
    plain, mine = module(case, "views", odds), features(odds)
    yield "views", plain
    of_trees = trees(case, mine)
    yield "trees", of_trees
    yield "trees and views", both(case, plain, of_trees)
    ease = hard[case.order]
    yield "trees, with a ridge's difficulty", trees(case, np.c_[mine, ease, odds.mean(1) - ease[:, 0]])
    for words, (kind, count) in GIVEN.items():
        given = [
            views_of(case.ground, file, odds.shape[1]) for file in files(case.ground, fashion, case.number, kind, count)
        ]
        theirs = np.mean([one[ODDS][case.order] for one in given], axis=0).astype(float)
        first = theirs[:, 0]
        relative = np.c_[mine, first, odds[:, 0] - first, odds.mean(1) - first]
        yield f"{words}, alone", first
        taken, other = dense(case, relative), trees(case, relative)
        yield f"relative, {words}", taken
        yield f"trees, {words}", other
        yield f"relative and trees, {words}", both(case, taken, other)
        every = np.c_[mine, features(theirs), features(odds - theirs)]
        yield f"network, {words} shown 26 views", dense(case, every)


def summary(each: list[list[float]], base: list[list[float]]) -> dict[str, object]:
    """Return mean AUC and TPR at 1 %, their differences from `views`, and how far the 95 % interval reaches."""
    found, apart = np.array(each), np.array(each) - np.array(base)
    wide = t.ppf(0.975, len(found) - 1) * apart.std(0, ddof=1) / np.sqrt(len(found)) if len(found) > 2 else None  # noqa: PLR2004
    return {
        "targets": len(found), "mean": found.mean(0).round(4).tolist(), "difference": apart.mean(0).round(4).tolist(),
        "reach": None if wide is None else wide.round(4).tolist(),
    }  # fmt: skip


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--targets", type=int, nargs="+", required=True)
    options = parser.parse_args()
    ground = ground_of(WORLD, options)
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    hard, every = ridge(ground), {}
    for number in options.targets:
        case = Case.of(ground, number)
        member = case.table.is_member[case.held]
        for name, score in scores(case, options.fashion, hard):
            every.setdefault(name, []).append(measured(score[case.held][member], score[case.held][~member]))
        print(number, {name: each[-1] for name, each in every.items()}, flush=True)
        found = {name: summary(each, every["views"]) for name, each in every.items()}
        RESULTS.write_text(json.dumps(found, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
