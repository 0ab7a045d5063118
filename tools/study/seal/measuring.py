"""What the answers of a target say of sealed pictures: the exact test by signal, subsets of them, how visible it is."""

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.ndimage import uniform_filter

from onnxmint.stats.coin import coin_test, doubled_ranks, level, log_tail

LEVELS = (0.05, 0.001)
COUNTS = (50, 200)
FEWER = (2, 4)  # variants, beside all
SUBSETS = 1000
CHUNK = 50  # pictures of a set nobody trained on


def signals(logits: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    """Return (n, k) scores of (n, k, classes) logits, higher where the target knows a variant better.

    Without labels, the class of a picture is the one that its variants agree on: the same for all of them.
    """
    values = logits.astype(np.float64)
    log_p = values - _log_sum(values)[..., np.newaxis]
    agreed = log_p.mean(axis=1).argmax(axis=1)
    return {
        "odds of the label": _odds(values, labels),
        "odds of the agreed class": _odds(values, agreed),
        "largest probability": log_p.max(axis=2),
        "low entropy": (np.exp(log_p) * log_p).sum(axis=2),
    }


def _log_sum(values: np.ndarray) -> np.ndarray:
    top = values.max(axis=-1)
    found: np.ndarray = top + np.log(np.exp(values - top[..., np.newaxis]).sum(axis=-1))
    return found


def _odds(values: np.ndarray, classes: np.ndarray) -> np.ndarray:
    own = np.arange(values.shape[2]) == classes[:, np.newaxis, np.newaxis]
    of_class = np.where(own, values, 0).sum(axis=2)
    return of_class - _log_sum(np.where(own, -1e30, values))


def told(logits: np.ndarray, labels: np.ndarray, drawn: np.ndarray, rng: np.random.Generator) -> dict[str, Any]:
    """Return the exact test of all pictures, of fewer variants, and the power of subsets, by signal."""
    found = {}
    for name, scores in signals(logits, labels).items():
        test = coin_test(scores, drawn)
        found[name] = {
            "effect": _rounded(test.effect), "p": _rounded(test.p_value), "log10_p": _rounded(test.log10_p_value),
            "effect_of_fewer": {str(k): _rounded(coin_test(*fewer(scores, drawn, k, rng)).effect)
                                for k in FEWER if k < scores.shape[1]},
            "power": dict(power(scores, drawn, rng)),
        }  # fmt: skip
    return found


def fewer(scores: np.ndarray, drawn: np.ndarray, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return scores of so many variants, the drawn one among them, as if no others had been made."""
    order = rng.random(scores.shape)
    order[np.arange(len(drawn)), drawn] = -1
    kept = rng.permuted(np.argsort(order, axis=1)[:, :count], axis=1)
    return np.take_along_axis(scores, kept, axis=1), (kept == drawn[:, np.newaxis]).argmax(axis=1)


def power(scores: np.ndarray, drawn: np.ndarray, rng: np.random.Generator) -> Iterator[tuple[str, list[float]]]:
    """Yield for each number of pictures the shares of random subsets with a p-value at or below the levels."""
    ranks = doubled_ranks(level(scores))
    own = ranks[np.arange(len(drawn)), drawn]
    for count in (one for one in COUNTS if one < len(own)):
        sums = np.array([own[rng.permutation(len(own))[:count]].sum() for _ in range(SUBSETS)])
        yield str(count), [_rounded(float((sums >= untied(count, scores.shape[1], one)).mean())) for one in LEVELS]


@functools.cache
def untied(count: int, variants: int, level_: float) -> int:
    """Return the smallest sum of doubled ranks that is significant where no scores are equal."""
    return critical(np.tile(2 * np.arange(variants), (count, 1)), level_)


def critical(ranks: np.ndarray, level_: float) -> int:
    """Return the smallest sum of ranks whose p-value is at or below a level."""
    low, high = 0, int(ranks.max(axis=1).sum()) + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if log_tail(ranks, middle) <= np.log(level_) else (middle, high)
    return high


def p_value(scores: np.ndarray, drawn: np.ndarray, rows: np.ndarray) -> float:
    return coin_test(scores[rows], drawn[rows]).p_value


def innocent(logits: np.ndarray, labels: np.ndarray, drawn: np.ndarray) -> dict[str, list[float]]:
    """Return p-values of sets of pictures that the target was not trained on, by signal."""
    parts = np.arange(len(drawn) // CHUNK * CHUNK).reshape(-1, CHUNK)
    return {
        name: [_rounded(p_value(scores, drawn, rows)) for rows in parts]
        for name, scores in signals(logits, labels).items()
    }


def redrawn(scores: np.ndarray, draws: int, rng: np.random.Generator) -> list[float]:
    """Return the shares of p-values at or below the levels when only the coin is thrown again, scores being real."""
    ranks = doubled_ranks(level(scores))
    rows = np.arange(len(scores))
    sums = np.array([ranks[rows, rng.integers(scores.shape[1], size=len(scores))].sum() for _ in range(draws)])
    return [float((sums >= critical(ranks, one)).mean()) for one in LEVELS]


def visible(original: np.ndarray, variants: np.ndarray) -> dict[str, float]:
    """Return medians over pictures of how far variants are from them: PSNR, SSIM, the largest change of a level.

    Of mirrored or cut ones, which are other pictures pixel by pixel, these numbers say nothing of what is seen.
    """
    rows = np.linspace(0, len(original) - 1, 100).astype(int)
    before, after = original[rows].astype(np.float64), variants[rows, -1].astype(np.float64)
    error = ((before - after) ** 2).mean(axis=(1, 2, 3))
    return {
        "psnr": _rounded(float(np.median(10 * np.log10(255**2 / np.maximum(error, 1e-9))))),
        "ssim": _rounded(float(np.median([ssim(a, b) for a, b in zip(before, after, strict=True)]))),
        "largest": float(np.median(np.abs(before - after).max(axis=(1, 2, 3)))),
    }


def kept(variants: np.ndarray, drawn: np.ndarray, saved: np.ndarray) -> dict[str, float]:
    """Return what re-saving leaves of published variants.

    Args:
        variants: (n, k, H, W, C).
        drawn: (n,) which was published.
        saved: (n, H, W, C) the published ones, saved again.

    Returns:
        The part of what tells variants apart that is left (a regression through the origin, over all pictures), and the
        share of pictures that are still nearest to the variant that they were.
    """
    every, after = variants.astype(np.float64), saved.astype(np.float64)
    middle = every.mean(axis=1)
    own = every[np.arange(len(drawn)), drawn] - middle
    far = ((every - after[:, np.newaxis]) ** 2).sum(axis=(2, 3, 4))
    return {
        "left": _rounded(float((own * (after - middle)).sum() / (own**2).sum())),
        "nearest": _rounded(float((far.argmin(axis=1) == drawn).mean())),
    }


def ssim(first: np.ndarray, second: np.ndarray) -> float:
    """Return the mean structural similarity of (H, W, C) levels: windows of 7 x 7, channel by channel (Wang 2004)."""

    def mean(values: np.ndarray) -> np.ndarray:
        found: np.ndarray = uniform_filter(values, size=(7, 7, 1))
        return found

    one, two = mean(first), mean(second)
    unbiased = 49 / 48
    var_one, var_two = (unbiased * (mean(x * x) - m * m) for x, m in ((first, one), (second, two)))
    both = unbiased * (mean(first * second) - one * two)
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    found = (2 * one * two + c1) * (2 * both + c2) / ((one**2 + two**2 + c1) * (var_one + var_two + c2))
    return float(found[3:-3, 3:-3].mean())


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
