"""How private training can have been at most: a lower bound on epsilon from one model and members drawn at random.

Steinke, Nasr and Jagielski 2023 (arXiv 2305.08846). It holds only if every known image became a member by a coin of its
own, fair and independent of all others, and if the guesses were made from the model without knowing the coins of the
images that are guessed: by a module that was fitted on other ones. A cross-fitted module breaks that, as each network
learned the coins of the images that the others guess.
"""

from dataclasses import dataclass

import numpy as np

from onnxmint.stats.estimates import FloatArray
from onnxmint.stats.ranges import Count, Share

CONDITION = (
    "It holds if every known image became a member by a fair coin of its own, thrown before training, and nothing else "
    "about the images decided it (Steinke, Nasr and Jagielski 2023, theorem 5.2)."
)
SHARES = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""Shares of the canaries that are guessed, the surest first; each gets its part of what may go wrong."""
_LARGEST = 1e3
_STEPS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivacyBound:
    """Training was not (epsilon, delta)-differentially private for any smaller epsilon.

    Attributes:
        epsilon: lower bound.
        delta: that it is stated for.
        confidence: with which it holds.
        canaries: images whose membership was drawn and that nothing was fitted on.
        guesses: of the best share; the others were not guessed.
        right: guesses that were right.
    """

    epsilon: float
    delta: Share
    confidence: Share
    canaries: Count
    guesses: Count
    right: Count


def audit_privacy(
    member: FloatArray, nonmember: FloatArray, *, delta: float = 1e-5, confidence: float = 0.95
) -> PrivacyBound:
    """Return the best lower bound over several numbers of guesses, all together at the confidence.

    The highest scores are guessed to be members, as many of the lowest not to be.

    Args:
        member: (m,) scores of canaries whose coin made them members.
        nonmember: (n,) scores of the others.
        delta: of differential privacy.
        confidence: of the bound; what may go wrong is divided equally among the numbers of guesses.

    Raises:
        ValueError: no canary, or NaN among the scores.
    """
    score = np.concatenate([member, nonmember])
    if not len(score) or np.isnan(score).any():
        raise ValueError(f"need scores of canaries without NaN, got {len(score)} scores")
    truth = np.arange(len(score)) < len(member)
    order = np.lexsort((np.arange(len(score)) * _GOLDEN % 1, score))  # ties in an order that does not know the coins
    pairs = sorted({max(1, round(share * len(score) / 2)) for share in SHARES if len(score) > 1})
    wrong = (1 - confidence) / max(len(pairs), 1)
    best = PrivacyBound(epsilon=0.0, delta=delta, confidence=confidence, canaries=len(score), guesses=0, right=0)
    for each in pairs:
        right = int(truth[order[-each:]].sum() + (~truth[order[:each]]).sum())
        bound = epsilon_at_least(len(score), 2 * each, right, delta=delta, confidence=1 - wrong)
        if bound > best.epsilon:
            best = PrivacyBound(
                epsilon=bound,
                delta=delta,
                confidence=confidence,
                canaries=len(score),
                guesses=2 * each,
                right=right,
            )
    return best


def epsilon_at_least(canaries: int, guesses: int, right: int, *, delta: float, confidence: float = 0.95) -> float:
    """Return the largest epsilon that so many right guesses refute, 0 where they refute none.

    Args:
        canaries: images whose membership was drawn by a fair coin each.
        guesses: how many of them were guessed; the number must not depend on the coins.
        right: how many of the guesses were right.
        delta: of differential privacy.
        confidence: of the bound.
    """
    wrong = 1 - confidence
    if p_value_of_privacy(canaries, guesses, right, epsilon=0.0, delta=delta) > wrong:
        return 0.0
    low, high = 0.0, 1.0
    while high < _LARGEST and p_value_of_privacy(canaries, guesses, right, epsilon=high, delta=delta) <= wrong:
        low, high = high, 2 * high
    for _ in range(_STEPS):
        middle = (low + high) / 2
        refuted = p_value_of_privacy(canaries, guesses, right, epsilon=middle, delta=delta) <= wrong
        low, high = (middle, high) if refuted else (low, middle)
    return low


def p_value_of_privacy(canaries: int, guesses: int, right: int, *, epsilon: float, delta: float) -> float:
    """Return the largest chance of so many right guesses or more under (epsilon, delta)-differential privacy.

    P(V >= v) <= P(W >= v) + 2 m delta max_i P(v > W >= v - i) / i, where W is binomial with r guesses and the chance
    e^epsilon / (1 + e^epsilon) (theorem 5.2).

    Args:
        canaries: m.
        guesses: r.
        right: v.
        epsilon: of the hypothesis.
        delta: of the hypothesis.

    Raises:
        ValueError: more right ones than guesses, or more guesses than canaries.
    """
    from scipy.stats import binom

    if not 0 <= right <= guesses <= canaries:
        raise ValueError(f"need right <= guesses <= canaries, got {right}, {guesses} and {canaries}")
    chance = 1 / (1 + np.exp(-epsilon))
    whole = float(binom.sf(right - 1, guesses, chance))
    if not delta or not right:
        return min(1.0, whole)
    below = np.cumsum(binom.pmf(np.arange(right - 1, -1, -1), guesses, chance))  # P(v > W >= v - i), i = 1 .. v
    worst = float((below / np.arange(1, right + 1)).max())
    return min(1.0, whole + 2 * canaries * delta * worst)


_GOLDEN = 0.6180339887498949
