"""Is one score better than another on the same images? Differences of AUC with intervals and p-values."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onnxmint.stats.estimates import FloatArray
from onnxmint.stats.metrics import auc
from onnxmint.stats.ranges import Share, Signed

_LEVEL = 0.95
_RESAMPLES = 1000

Groups = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """AUC of one score minus that of another on the same images, with its 95% interval.

    Attributes:
        value: the difference.
        low, high: ends of the 95% interval.
        p_value: two-sided, of no difference.
        test: "DeLong" or "paired bootstrap of groups".
    """

    value: Signed
    low: Signed
    high: Signed
    p_value: Share
    test: str


def compare_auc(
    first: tuple[FloatArray, FloatArray],
    second: tuple[FloatArray, FloatArray],
    *,
    groups: tuple[Groups, Groups] | None,
    rng: np.random.Generator,
) -> Difference:
    """Compare two scores of the same images.

    Args:
        first: (m,) scores of members and (n,) of non-members.
        second: the same images by another score.
        groups: of members and of non-members, resampled whole; None when images stand for themselves.
        rng: source of the resamples.

    Raises:
        ValueError: the two do not cover the same number of images, or one side is empty.
    """
    for a, b in zip(first, second, strict=True):
        if len(a) != len(b) or not len(a):
            raise ValueError(f"need scores of the same images, got {len(a)} and {len(b)}")
    return _delong(first, second) if groups is None else _bootstrap(first, second, groups, rng)


def _delong(first: tuple[FloatArray, FloatArray], second: tuple[FloatArray, FloatArray]) -> Difference:
    """DeLong, DeLong and Clarke-Pearson 1988, by midranks (Sun and Xu 2014)."""
    from scipy.stats import norm  # here: what only scores images needs results, and not SciPy

    parts = [_placements(*scores) for scores in (first, second)]
    of_members = np.stack([member for member, _ in parts])
    of_nonmembers = np.stack([nonmember for _, nonmember in parts])
    value = float(of_members[0].mean() - of_members[1].mean())
    spread = np.array([1.0, -1.0])
    variance = sum(
        float(spread @ np.atleast_2d(np.cov(placed)) @ spread) / placed.shape[1]
        for placed in (of_members, of_nonmembers)
        if placed.shape[1] > 1
    )
    deviation = float(np.sqrt(max(variance, 0.0)))
    reach = float(norm.ppf((1 + _LEVEL) / 2)) * deviation
    p_value = 1.0 if deviation == 0 else float(2 * norm.sf(abs(value) / deviation))
    return Difference(value=value, low=value - reach, high=value + reach, p_value=p_value, test="DeLong")


def _placements(member: FloatArray, nonmember: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return for each member the share of non-members below it, for each non-member the share of members above it."""
    from scipy.stats import rankdata

    m, n = len(member), len(nonmember)
    together = rankdata(np.concatenate([member, nonmember]))
    below = (together[:m] - rankdata(member)) / n
    above = 1 - (together[m:] - rankdata(nonmember)) / m
    return below, above


def _bootstrap(
    first: tuple[FloatArray, FloatArray],
    second: tuple[FloatArray, FloatArray],
    groups: tuple[Groups, Groups],
    rng: np.random.Generator,
) -> Difference:
    """Resample whole groups, the same ones for both scores; the p-value inverts the percentile interval."""
    value = auc(*first) - auc(*second)
    rows = [[np.flatnonzero(side == group) for group in np.unique(side)] for side in groups]
    draws = np.empty(_RESAMPLES)
    for number in range(_RESAMPLES):
        member, nonmember = (
            np.concatenate([parts[k] for k in rng.integers(0, len(parts), len(parts))]) for parts in rows
        )
        draws[number] = auc(first[0][member], first[1][nonmember]) - auc(second[0][member], second[1][nonmember])
    low, high = np.quantile(draws, ((1 - _LEVEL) / 2, (1 + _LEVEL) / 2))
    tail = min(int((draws <= 0).sum()), int((draws >= 0).sum()))
    p_value = min(1.0, 2 * (tail + 1) / (_RESAMPLES + 1))
    return Difference(value=value, low=float(low), high=float(high), p_value=p_value, test="paired bootstrap of groups")
