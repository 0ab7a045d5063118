"""How much likelier a score is for a member than for a non-member, and what follows from it for one image."""

import numpy as np
from numpy.typing import NDArray

from onnxmint.stats.estimates import FloatArray
from onnxmint.stats.heldout import HeldOut

METHOD = (
    "logistic regression of membership on the score, over held-out known images, prior odds taken off (Platt 1999; "
    "Brummer and du Preez 2006); never beyond what the number of known images can support"
)


def likelihood_ratios(scores: FloatArray, known: HeldOut) -> FloatArray:
    """Return (q,) likelihood ratios: above 1 speaks for membership, below 1 against it.

    Where higher scores do not go with membership all are 1. Ratios are kept between 1 / (m + 1) and n + 1: beyond, no
    known image could contradict them.

    Args:
        scores: (q,) or (q, K) scores; the logarithms of several networks' ratios are averaged.
        known: held-out scores of known images.
    """
    from sklearn.linear_model import LogisticRegression

    n, m = len(known.nonmember), len(known.member)
    both = np.concatenate([known.member, known.nonmember])
    middle, spread = float(np.median(both)), float(np.std(both))
    if spread == 0:
        return np.ones(len(scores))
    truth = np.arange(n + m) < m
    fitted = LogisticRegression(C=1e6).fit(((both - middle) / spread)[:, None], truth)
    slope, level = float(fitted.coef_[0, 0]), float(fitted.intercept_[0]) - np.log(m / n)
    if slope <= 0:
        return np.ones(len(scores))
    columns = (scores.reshape(len(scores), -1) - middle) / spread
    log_ratio = (level + slope * columns).mean(axis=1)
    found: FloatArray = np.exp(np.clip(log_ratio, -np.log(m + 1), np.log(n + 1)))
    return found


def probabilities(ratio: FloatArray, prior: float) -> NDArray[np.float64]:
    """Return (q,) probabilities of membership by Bayes' rule.

    Args:
        ratio: (q,) likelihood ratios.
        prior: probability of membership before the score was seen, 0 to 1.
    """
    found: FloatArray = prior * ratio / (prior * ratio + 1 - prior)
    return found
