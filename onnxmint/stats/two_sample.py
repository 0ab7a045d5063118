"""Do two sets of images differ? Classifiers that never saw a model, and the rule by which a control passes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onnxmint.stats.estimates import Estimate, FloatArray
from onnxmint.stats.heldout import HeldOut, cross_fitting_inflation, group_means

LEVEL = 0.008
"""One-sided level of a control: six can stop a verdict (reference, placebo, files, pixels, exchangeability, labels), so
together they flag clean audits in at most 6 * 0.8% = 4.8%, less than once in 20."""
SHARED = LEVEL / 2
"""Level of each test of a control that makes two: `reference` (of the evidence, of the questioned images), `labels`."""
METHOD = (
    f"AUC with its {1 - 2 * LEVEL:.1%} interval ({1 - 2 * SHARED:.1%} for a control of two tests) by DeLong's "
    "variance, never below that of no difference, and 2.25 times as large for classifiers of five folds (Nadeau and "
    "Bengio 2003)"
)
_FOLDS = 5
_CALIPER = 0.2  # standard deviations
_LARGEST = 2000  # images of a side that a classifier sees; more would take time and find only smaller differences

Numbers = NDArray[np.integer]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """How well a classifier tells two sets apart.

    Attributes:
        auc: out of fold, with its interval at LEVEL; above 1/2 when the first set scores higher.
        first, second: rows that were used.
        score: (len(first) + len(second),) out-of-fold log-odds of belonging to the first set.
    """

    auc: Estimate
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    score: FloatArray


def auc_of(known: HeldOut, level: float = LEVEL) -> Estimate:
    """Return the AUC of "members" against "non-members" with its interval; above 1/2 throughout fails a control.

    Args:
        known: scores of two sets of independent units; the first is called member.
        level: one-sided, left out on each side of the interval: SHARED for a control of two tests.
    """
    from scipy.stats import norm

    placed, above = known.member_placements(), known.above()
    m, n = len(placed), len(above)
    value = float(placed.mean())
    delong = sum(float(np.var(side, ddof=1)) / len(side) if len(side) > 1 else 0.25 for side in (placed, above))
    error = (known.inflation * max(delong, (m + n + 1) / (12 * m * n))) ** 0.5
    reach = float(norm.isf(level)) * error
    return Estimate(value=value, low=max(0.0, value - reach), high=min(1.0, value + reach))


def compare_features(
    first: FloatArray,
    second: FloatArray,
    *,
    rng: np.random.Generator,
    groups: tuple[Numbers, Numbers] | None = None,
) -> Comparison:
    """Train classifiers to tell two sets of images apart by their features, each image being judged out of fold.

    Boosted trees (scikit-learn's HistGradientBoostingClassifier) of five folds; groups are kept whole and count once.

    Args:
        first: (m, d) features; NaN where a feature has no meaning.
        second: (n, d).
        rng: source of the draw and of the folds.
        groups: (m,) and (n,) numbers of groups; None when images stand for themselves.

    Raises:
        ValueError: fewer than five units of a side.
    """
    kept = [_draw(len(side), rng) for side in (first, second)]
    values = np.concatenate([first[kept[0]], second[kept[1]]]).astype(np.float32)
    truth = np.arange(len(values)) < len(kept[0])
    unit = np.arange(len(values))
    if groups is not None:
        unit = np.unique(np.concatenate([groups[0][kept[0]], groups[1][kept[1]]]), return_inverse=True)[1]
    fold = _folds(truth, unit, rng)
    score = np.empty(len(values))
    for number in range(_FOLDS):
        held = fold == number
        score[held] = _judge(values[~held], truth[~held], values[held], seed=int(rng.integers(1 << 31)))
    return Comparison(auc=auc_of(_by_unit(score, truth, fold, unit)), first=kept[0], second=kept[1], score=score)


def match(first: FloatArray, second: FloatArray, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return places in `second` of images that match one of `first`, each used once, nearest score first.

    Greedy matching in random order within 0.2 standard deviations (propensity score, Rosenbaum and Rubin 1983; caliper
    by Austin 2011).

    Args:
        first: (m,) log-odds of belonging to the first set.
        second: (n,) the same of the second.
        rng: source of the order.
    """
    reach = _CALIPER * float(np.std(np.concatenate([first, second])))
    free, taken = np.array(second, np.float64), []
    for place in rng.permutation(len(first)):
        distance = np.abs(free - first[place])
        nearest = int(np.argmin(distance))
        if distance[nearest] <= reach:
            taken.append(nearest)
            free[nearest] = np.inf
        if len(taken) == len(second):
            break
    return np.sort(np.array(taken, np.int64))


def _draw(count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    return np.sort(rng.permutation(count)[:_LARGEST]).astype(np.int64)


def _folds(truth: NDArray[np.bool_], unit: Numbers, rng: np.random.Generator) -> Numbers:
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    fewest = min(len(np.unique(unit[side])) for side in (truth, ~truth))
    if fewest < _FOLDS:
        raise ValueError(f"needs {_FOLDS} independent images of a side, one has {fewest}")
    alone = len(np.unique(unit)) == len(unit)
    kind = StratifiedKFold if alone else StratifiedGroupKFold
    made = kind(n_splits=_FOLDS, shuffle=True, random_state=int(rng.integers(1 << 31)))
    fold = np.empty(len(truth), np.int8)
    for number, (_, held) in enumerate(made.split(np.zeros((len(truth), 1)), truth, groups=None if alone else unit)):
        fold[held] = number
    return fold


def _judge(values: FloatArray, truth: NDArray[np.bool_], others: FloatArray, *, seed: int) -> FloatArray:
    """Return log-odds of the first set for some images, by trees fitted on others."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits

    varies = np.array([len(np.unique(column[~np.isnan(column)])) > 1 for column in values.T], np.bool_)
    if not varies.any():
        return np.zeros(len(others))
    trees = HistGradientBoostingClassifier(
        max_iter=60, learning_rate=0.1, max_leaf_nodes=15, min_samples_leaf=10, l2_regularization=1.0,
        early_stopping=False, random_state=seed,
    )  # fmt: skip
    with threadpool_limits(1):  # so few images are divided among threads more slowly than they are sorted
        found: FloatArray = trees.fit(values[:, varies], truth).decision_function(others[:, varies])
    return found


def _by_unit(score: FloatArray, truth: NDArray[np.bool_], fold: Numbers, unit: Numbers) -> HeldOut:
    """Return the scores of images, or the mean scores of groups on each side."""
    sides = []
    for side in (truth, ~truth):
        means, place = group_means(score[side], unit[side])
        of_unit = np.empty(len(means), np.int8)
        of_unit[place] = fold[side]
        sides.append((means, of_unit))
    return HeldOut(
        member=sides[0][0],
        nonmember=sides[1][0],
        member_fold=sides[0][1],
        nonmember_fold=sides[1][1],
        inflation=cross_fitting_inflation(_FOLDS),
    )
