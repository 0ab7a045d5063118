"""How well a score tells members from non-members: AUC, rates at low false-positive rates, and their intervals.

Convention everywhere: a higher score means more like a member.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from onnxmint.stats.estimates import FPRS, Estimate, FloatArray, Performance, Rate

INTERVAL_METHOD = (
    "95% percentile bootstrap, members and non-members resampled apart, whole groups when there are groups, 1,000 "
    "resamples; around 0 and 1 the exact binomial limit; none where fewer than five false alarms are expected"
)
_TAIL = 0.025  # left out on each side of an interval
_THIN = 10  # expected false alarms below which a rate must not be a headline
_FEWEST = 5  # expected false alarms below which no interval of a rate covers
_POINTS = 200  # of the ROC curve kept on each of a linear and a logarithmic grid


def auc(member: FloatArray, nonmember: FloatArray) -> float:
    """Return the chance that a member scores above a non-member, ties counting half (Mann-Whitney U / mn).

    Args:
        member: (m,) scores.
        nonmember: (n,) scores.

    Raises:
        ValueError: no scores, or NaN among them.
    """
    _require_scores(member, nonmember)
    return _auc(member, np.sort(nonmember))


def _auc(member: FloatArray, nonmember: FloatArray) -> float:
    """`auc` against sorted non-members; whole numbers are summed, so that no rounding depends on the order."""
    below, upto = (np.searchsorted(nonmember, member, side=side) for side in ("left", "right"))
    return int(below.sum() + upto.sum()) / (2 * len(member) * len(nonmember))


def roc_curve(member: FloatArray, nonmember: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return (fpr, tpr), each (k,), from (0, 0) to (1, 1): one point for each distinct score, ties moving together.

    Raises:
        ValueError: no scores, or NaN among them.
    """
    _require_scores(member, nonmember)
    levels = np.unique(np.concatenate([member, nonmember]))[::-1]
    fpr = _share_from(nonmember, levels)
    tpr = _share_from(member, levels)
    return np.concatenate([[0.0], fpr]), np.concatenate([[0.0], tpr])


def _share_from(scores: FloatArray, levels: FloatArray) -> FloatArray:
    """Return the share of scores at or above each level."""
    found: FloatArray = (len(scores) - np.searchsorted(np.sort(scores), levels, side="left")) / len(scores)
    return found


def tpr_at_fpr(member: FloatArray, nonmember: FloatArray, fpr: float) -> float:
    """Return the largest true-positive rate whose false-positive rate is at most `fpr`, over all thresholds.

    Nothing is interpolated, and images with the same score are called together or not at all.

    Raises:
        ValueError: no scores, or NaN among them; `fpr` outside 0 to 1.
    """
    _require_scores(member, nonmember)
    if not 0 <= fpr <= 1:
        raise ValueError(f"fpr must be between 0 and 1, got {fpr}")
    return float(_tpr_at(np.sort(member), np.sort(nonmember), fpr))


def _tpr_at(member: FloatArray, nonmember: FloatArray, fpr: float) -> float:
    """`tpr_at_fpr` of sorted scores: count members strictly above the first non-member that may not be called."""
    allowed = int(np.floor(fpr * len(nonmember) + 1e-9))  # 0.1 * 30 is 3 false alarms, whatever float makes of it
    if allowed >= len(nonmember):
        return 1.0
    first_refused = nonmember[len(nonmember) - 1 - allowed]
    return (len(member) - int(np.searchsorted(member, first_refused, side="right"))) / len(member)


def best_threshold(member: FloatArray, nonmember: FloatArray) -> float:
    """Return the score from which calling an image a member gives the best balanced accuracy.

    To be used on a calibration part; among equals the highest, which raises the fewest false alarms.

    Raises:
        ValueError: no scores, or NaN among them.
    """
    _require_scores(member, nonmember)
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
    inflation: float = 1.0,
) -> Performance:
    """Measure a score on a test part, with 95 % intervals.

    Precision without any image called a member is 0.5, the share it would have by chance.

    Args:
        member: (m,) scores of members.
        nonmember: (n,) scores of non-members.
        threshold: score from which an image is called a member, chosen elsewhere.
        rng: source of the resamples.
        resamples: bootstrap resamples. Thresholds at a false-positive rate are found anew in each: an interval at a
            fixed estimated threshold covers only 61 to 70 %.
        member_groups: (m,) groups that are resampled whole, None resamples images.
        nonmember_groups: (n,) the same of non-members.
        inflation: factor on the variance, for scores of cross-fitted networks.

    Raises:
        ValueError: no scores, or NaN among them.
    """
    _require_scores(member, nonmember)
    values = _measure(np.sort(member), np.sort(nonmember), threshold)
    pairs = zip(
        _resamples(member, member_groups, rng, resamples),
        _resamples(nonmember, nonmember_groups, rng, resamples),
        strict=True,
    )
    draws = np.array([_measure(a, b, threshold) for a, b in pairs])
    low, high = np.quantile(draws, (_TAIL, 1 - _TAIL), axis=0)
    wider, at = np.sqrt(inflation), np.array(values)
    low, high = np.maximum(at - wider * (at - low), 0.0), np.minimum(at + wider * (high - at), 1.0)
    units = min(_units(member, member_groups), _units(nonmember, nonmember_groups))
    found = [_estimate(*row, units) for row in zip(values, low.tolist(), high.tolist(), strict=True)]
    outside = _units(nonmember, nonmember_groups)
    roc_fpr, roc_tpr = _thinned(*roc_curve(member, nonmember))
    return Performance(
        auc=found[0],
        balanced_accuracy=found[1],
        precision=found[2],
        tpr_at_fpr={str(fpr): _rate(rate, fpr, outside) for fpr, rate in zip(FPRS, found[3:], strict=True)},
        threshold=float(threshold),
        roc_fpr=roc_fpr,
        roc_tpr=roc_tpr,
        members=len(member),
        nonmembers=len(nonmember),
    )


def _measure(member: FloatArray, nonmember: FloatArray, threshold: float) -> list[float]:
    """Return AUC, balanced accuracy, precision and the rates at FPRS of sorted scores."""
    called = (len(member) - int(np.searchsorted(member, threshold, side="left"))) / len(member)
    false = (len(nonmember) - int(np.searchsorted(nonmember, threshold, side="left"))) / len(nonmember)
    precision = called / (called + false) if called + false else 0.5
    rates = [_tpr_at(member, nonmember, fpr) for fpr in FPRS]
    return [_auc(member, nonmember), (called + 1 - false) / 2, precision, *rates]


def _rate(found: Estimate, fpr: float, nonmembers: int) -> Rate:
    """Return a rate with its interval, or without where the threshold is hardly more than the largest non-member.

    The bootstrap of a maximum is inconsistent: with less than one expected false alarm its intervals covered 53 to 56%.
    """
    expected = fpr * nonmembers
    thin = expected < _THIN
    if expected >= _FEWEST:
        return Rate(value=found.value, low=found.low, high=found.high, thin=thin)
    why = f"fewer than {_FEWEST} false alarms are expected among {nonmembers:,} non-members"
    return Rate(value=found.value, no_interval=why, thin=thin)


def _estimate(value: float, low: float, high: float, units: int) -> Estimate:
    """Join a value and its interval.

    A value of 0 or 1 is the same in every resample, so the bootstrap would claim certainty from any number of images;
    there the exact binomial limit of `units` trials is taken instead.
    """
    limit = _TAIL ** (1 / units)
    if value == 0:
        high = max(high, 1 - limit)
    if value == 1:
        low = min(low, limit)
    return Estimate(value=value, low=low, high=high)


def _units(scores: FloatArray, groups: NDArray[np.int64] | None) -> int:
    """Return how many independent draws there were."""
    return len(scores) if groups is None else len(np.unique(groups))


def _resamples(
    scores: FloatArray, groups: NDArray[np.int64] | None, rng: np.random.Generator, count: int
) -> Iterator[FloatArray]:
    """Yield sorted resamples, of images or of whole groups."""
    if groups is None:
        ordered = np.sort(scores)
        for _ in range(count):
            yield ordered[np.sort(rng.integers(0, len(ordered), len(ordered)))]
        return
    order = np.argsort(groups, kind="stable")
    parts = np.split(scores[order], np.flatnonzero(np.diff(groups[order])) + 1)
    for _ in range(count):
        yield np.sort(np.concatenate([parts[k] for k in rng.integers(0, len(parts), len(parts))]))


def _require_scores(member: FloatArray, nonmember: FloatArray) -> None:
    for name, scores in (("members", member), ("non-members", nonmember)):
        if len(scores) == 0:
            raise ValueError(f"got no scores of {name}, at least one is needed")
        if np.isnan(scores).any():
            raise ValueError(f"{int(np.isnan(scores).sum())} of {len(scores)} scores of {name} are NaN, none may be")


def _thinned(fpr: FloatArray, tpr: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Keep at most 2 * _POINTS points: enough for a drawing on a linear and on a logarithmic axis."""
    if len(fpr) <= 2 * _POINTS:
        return fpr, tpr
    grid = np.concatenate([np.linspace(0, 1, _POINTS), np.geomspace(1e-4, 1, _POINTS - 1), [0]])
    keep = np.unique(np.searchsorted(fpr, grid, side="right") - 1)
    return fpr[keep], tpr[keep]
