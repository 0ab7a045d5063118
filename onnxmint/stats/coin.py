"""Was what a coin chose ranked higher than a coin would have it? The exact law of a sum of ranks.

One of k variants of each picture was drawn and published. A model that never saw it scores the k variants in some
order that cannot depend on the draw, so the rank of the drawn one is uniform, whatever the model, the pictures and the
variants are: the coin is the owner's own (Zhang, Das, Kamath and Tramer, arXiv 2409.19798, section V.A).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onnxmint.stats.ranges import Count, Few, Share

Scores = NDArray[np.float64]
Ranks = NDArray[np.int64]
_STEPS = 80  # of a bisection: more than the digits of a float


@dataclass(frozen=True, slots=True, kw_only=True)
class CoinTest:
    """What the ranks of the drawn variants say.

    Attributes:
        pictures: how many.
        variants: of each.
        p_value: probability that a fair coin, and nothing else, gives ranks as high in sum.
        log10_p_value: its logarithm, also where the p-value itself is too small for a float.
        mean_rank: of the drawn variants, from 0 (always lowest) to 1 (always highest); .5 by chance.
        effect: by how many standard deviations of one rank the mean rank is above chance.
    """

    pictures: Count
    variants: Few
    p_value: Share
    log10_p_value: float
    mean_rank: float
    effect: float


def coin_test(scores: Scores, drawn: Ranks) -> CoinTest:
    """Test whether drawn variants score higher than a coin would have it.

    Args:
        scores: (n, k) of every variant, higher where the model knows it better; made without knowing what was drawn.
        drawn: (n,) which variant of each was published.

    Raises:
        ValueError: shapes that do not fit, fewer than two variants, or a score that is no finite number.
    """
    if scores.ndim != 2 or scores.shape[1] < 2 or drawn.shape != scores.shape[:1]:  # noqa: PLR2004
        raise ValueError(f"need (n, k) scores, k of 2 or more, and (n,) drawn; got {scores.shape} and {drawn.shape}")
    if not len(scores) or not np.isfinite(scores).all():
        raise ValueError("need finite scores of one picture or more")
    count, variants = scores.shape
    if drawn.min() < 0 or drawn.max() >= variants:
        raise ValueError(f"drawn must be from 0 to {variants - 1}, got {drawn.min()} to {drawn.max()}")
    ranks = doubled_ranks(level(scores))
    own = ranks[np.arange(count), drawn]
    log_p = log_tail(ranks, int(own.sum()))
    spread = float(np.sqrt(ranks.var(axis=1).mean()))
    above = float(own.mean()) - (variants - 1)
    return CoinTest(
        pictures=count,
        variants=variants,
        p_value=float(np.exp(log_p)),
        log10_p_value=float(log_p / np.log(10)),
        mean_rank=float(own.mean() / (2 * (variants - 1))),
        effect=above / spread if spread else 0.0,
    )


def level(scores: Scores) -> Scores:
    """Return scores less the median of their column: a model may like every second variant, mirrored ones say.

    It does not look at what was drawn, so ranks stay uniform.
    """
    found: Scores = scores - np.median(scores, axis=0)
    return found


def doubled_ranks(scores: Scores) -> Ranks:
    """Return (n, k) twice the rank of each score in its row, from 0; equal scores share their mean rank."""
    below = (scores[:, :, np.newaxis] > scores[:, np.newaxis, :]).sum(axis=2)
    equal = (scores[:, :, np.newaxis] == scores[:, np.newaxis, :]).sum(axis=2) - 1
    found: Ranks = 2 * below + equal
    return found


def log_tail(ranks: Ranks, observed: int) -> float:
    """Return the logarithm of the probability that a sum of ranks, one drawn from each row, is `observed` or more.

    The law is computed, not approximated: rows with the same ranks are one factor of a product of Fourier transforms.
    So that a small tail keeps its digits, the law is tilted until its mean is what was observed (Esscher), and the
    tail is tilted back term by term.

    Args:
        ranks: (n, k) whole numbers from 0.
        observed: the sum.
    """
    rows, counts = np.unique(np.sort(ranks, axis=1), axis=0, return_counts=True)
    smallest, largest = int((rows[:, 0] * counts).sum()), int((rows[:, -1] * counts).sum())
    if observed <= smallest:
        return 0.0
    if observed >= largest:
        return float((counts * np.log((rows == rows[:, -1:]).mean(axis=1))).sum()) if observed == largest else -np.inf
    tilt = _tilt(rows, counts, observed)
    logs = _log_means(rows, tilt)
    size = largest + 1
    law = np.ones(size // 2 + 1, np.complex128)
    for row, count, log in zip(rows, counts, logs, strict=True):
        weights = np.bincount(row, np.exp(tilt * row - log) / len(row))
        law *= np.fft.rfft(weights, size) ** int(count)
    tail = np.fft.irfft(law, size)[observed:]
    back = np.exp(-tilt * np.arange(len(tail)))
    found = float((counts * logs).sum()) - tilt * observed + float(np.log((tail * back).sum()))
    return min(0.0, found)


def _log_means(rows: Ranks, tilt: float) -> Scores:
    """Return (m,) logarithms of the mean of exp(tilt * rank) in each row."""
    top = rows[:, -1] * tilt
    found: Scores = top + np.log(np.exp(tilt * rows - top[:, np.newaxis]).mean(axis=1))
    return found


def _tilt(rows: Ranks, counts: Ranks, observed: int) -> float:
    """Return the tilt that makes the observed sum the mean; 0 where that is at or above it already."""

    def mean(tilt: float) -> float:
        weights = np.exp(tilt * rows - _log_means(rows, tilt)[:, np.newaxis]) / rows.shape[1]
        return float((counts * (weights * rows).sum(axis=1)).sum())

    if mean(0.0) >= observed:
        return 0.0
    low, high = 0.0, 1.0
    while mean(high) < observed and high < 64:  # noqa: PLR2004 - exp(64) is beyond any sum below the largest
        high *= 2
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if mean(middle) < observed else (low, middle)
    return low
