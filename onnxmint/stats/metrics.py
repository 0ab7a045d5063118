"""How well a score tells members from non-members: AUC, rates at low false-positive rates, and their intervals.

Convention everywhere: a higher score means more like a member.
"""

import numpy as np
from numpy.typing import NDArray

from onnxmint.stats.estimates import Estimate, FloatArray, Performance

INTERVAL_METHOD = "95 % percentile interval of a bootstrap of members and non-members apart (1,000 resamples)"
FPRS = (0.1, 0.01, 0.001)
_THIN = 10  # expected false alarms below which a rate must not be a headline
_POINTS = 200  # of the ROC curve kept on each of a linear and a logarithmic grid


def auc(member: FloatArray, nonmember: FloatArray) -> float:
    """Return the chance that a member scores above a non-member, ties counting half (Mann-Whitney U / mn).

    Args:
        member: (m,) scores.
        nonmember: (n,) scores.
    """
    ordered = np.sort(nonmember)
    below, upto = (np.searchsorted(ordered, member, side=side) for side in ("left", "right"))
    return float((below + upto).mean() / (2 * len(ordered)))


def roc_curve(member: FloatArray, nonmember: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return (fpr, tpr), each (k,), from (0, 0) to (1, 1): one point for each distinct score, ties moving together."""
    levels = np.unique(np.concatenate([member, nonmember]))[::-1]
    fpr = _share_from(nonmember, levels)
    tpr = _share_from(member, levels)
    return np.concatenate([[0.0], fpr]), np.concatenate([[0.0], tpr])


def _share_from(scores: FloatArray, levels: FloatArray) -> FloatArray:
    """Return the share of scores at or above each level."""
    found: FloatArray = 1 - np.searchsorted(np.sort(scores), levels, side="left") / len(scores)
    return found


def tpr_at_fpr(member: FloatArray, nonmember: FloatArray, fpr: float) -> float:
    """Return the largest true-positive rate whose false-positive rate is at most `fpr`, over thresholds on scores."""
    return float(_tpr_at(np.sort(member), np.sort(nonmember), fpr))


def _tpr_at(member: FloatArray, nonmember: FloatArray, fpr: float) -> float:
    """`tpr_at_fpr` of sorted scores: count members strictly above the first non-member that may not be called."""
    allowed = int(np.floor(fpr * len(nonmember) + 1e-9))
    if allowed >= len(nonmember):
        return 1.0
    first_refused = nonmember[len(nonmember) - 1 - allowed]
    return float(1 - np.searchsorted(member, first_refused, side="right") / len(member))


def best_threshold(member: FloatArray, nonmember: FloatArray) -> float:
    """Return the score from which calling an image a member gives the best balanced accuracy.

    To be used on a calibration part; among equals the highest, which raises the fewest false alarms.
    """
    levels = np.unique(np.concatenate([member, nonmember]))[::-1]
    gain = _share_from(member, levels) - _share_from(nonmember, levels)
    return float(levels[int(np.argmax(gain))])


def evaluate(
    member: FloatArray,
    nonmember: FloatArray,
    *,
    threshold: float,
    rng: np.random.Generator,
    resamples: int = 1000,
    member_groups: NDArray[np.int64] | None = None,
    nonmember_groups: NDArray[np.int64] | None = None,
) -> Performance:
    """Measure a score on a test part, with 95 % intervals.

    Args:
        member: (m,) scores of members.
        nonmember: (n,) scores of non-members.
        threshold: score from which an image is called a member, chosen elsewhere.
        rng: source of the resamples.
        resamples: bootstrap resamples. Thresholds at a false-positive rate are found anew in each: an interval at a
            fixed estimated threshold covers only 61 to 70 % (shared/reference/scale-ux.md).
        member_groups, nonmember_groups: (m,), (n,) groups that are resampled whole.
    """
    names = ["auc", "balanced_accuracy", "precision", *map(str, FPRS)]
    values = _measure(np.sort(member), np.sort(nonmember), threshold)
    draws = np.array(
        [
            _measure(a, b, threshold)
            for a, b in zip(
                _resamples(member, member_groups, rng, resamples),
                _resamples(nonmember, nonmember_groups, rng, resamples),
                strict=True,
            )
        ]
    )
    low, high = np.quantile(draws, (0.025, 0.975), axis=0)
    thin = {str(fpr): fpr * len(nonmember) < _THIN for fpr in FPRS}
    found = {
        name: Estimate(value=float(values[k]), low=float(low[k]), high=float(high[k]), thin=thin.get(name, False))
        for k, name in enumerate(names)
    }
    roc_fpr, roc_tpr = _thinned(*roc_curve(member, nonmember))
    return Performance(
        auc=found["auc"],
        balanced_accuracy=found["balanced_accuracy"],
        precision=found["precision"],
        tpr_at_fpr={str(fpr): found[str(fpr)] for fpr in FPRS},
        threshold=threshold,
        roc_fpr=roc_fpr,
        roc_tpr=roc_tpr,
        members=len(member),
        nonmembers=len(nonmember),
    )


def _measure(member: FloatArray, nonmember: FloatArray, threshold: float) -> list[float]:
    """Return AUC, balanced accuracy, precision and the rates of sorted scores."""
    below, upto = (np.searchsorted(nonmember, member, side=side) for side in ("left", "right"))
    called = 1 - np.searchsorted(member, threshold, side="left") / len(member)
    false = 1 - np.searchsorted(nonmember, threshold, side="left") / len(nonmember)
    precision = called / (called + false) if called + false else 0.5
    rates = [_tpr_at(member, nonmember, fpr) for fpr in FPRS]
    return [(below + upto).mean() / (2 * len(nonmember)), (called + 1 - false) / 2, precision, *rates]


def _resamples(scores: FloatArray, groups: NDArray[np.int64] | None, rng: np.random.Generator, count: int):  # type: ignore[no-untyped-def]
    """Yield sorted resamples, of images or of whole groups."""
    if groups is None:
        ordered = np.sort(scores)
        for _ in range(count):
            yield ordered[np.sort(rng.integers(0, len(ordered), len(ordered)))]
        return
    order = np.argsort(groups, kind="stable")
    starts = np.flatnonzero(np.diff(groups[order], prepend=groups[order][0] - 1))
    parts = np.split(scores[order], starts[1:])
    for _ in range(count):
        yield np.sort(np.concatenate([parts[k] for k in rng.integers(0, len(parts), len(parts))]))


def _thinned(fpr: FloatArray, tpr: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Keep at most 2 * _POINTS points: enough for a drawing on a linear and on a logarithmic axis."""
    if len(fpr) <= 2 * _POINTS:
        return fpr, tpr
    grid = np.concatenate([np.linspace(0, 1, _POINTS), np.geomspace(1e-4, 1, _POINTS - 1), [0]])
    keep = np.unique(np.searchsorted(fpr, grid, side="right") - 1)
    return fpr[keep], tpr[keep]
