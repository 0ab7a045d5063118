"""The answer to whether sealed pictures were trained on, in words that say what it rests on."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onnxmint.results.sealed import SealedKind, SealedScores
from onnxmint.stats.coin import CoinTest, coin_test, doubled_ranks, level

_TINY = -4  # powers of ten below which a p-value is written as one


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """All that follows from the scores of variants, as `SealedAudit` has it."""

    test: CoinTest
    ranks: tuple[int, ...]
    kind: SealedKind
    headline: str
    text: str


def decide(scores: SealedScores, alpha: float, *, sure: bool) -> Decided:
    """Judge what a model said of variants.

    Args:
        scores: of all of them, and which was drawn.
        alpha: level of the test.
        sure: whether somebody else had the commitment.

    Raises:
        ValueError: scores that cannot be.
    """
    test = coin_test(scores.score, scores.drawn)
    kind, headline, text = answer(test, alpha, sure=sure)
    ranks: NDArray[np.int64] = doubled_ranks(level(scores.score))[np.arange(len(scores.drawn)), scores.drawn] // 2
    counts = np.bincount(ranks, minlength=scores.score.shape[1])
    return Decided(test=test, ranks=tuple(counts.tolist()), kind=kind, headline=headline, text=text)


def answer(test: CoinTest, alpha: float, *, sure: bool) -> tuple[SealedKind, str, str]:
    """Return the kind of the answer, its headline and its sentences.

    Args:
        test: of the ranks.
        alpha: its level.
        sure: whether somebody else had the commitment.
    """
    of = f"{test.pictures:,} pictures"
    higher = f"mean rank {test.mean_rank:.3f}, .5 by chance"
    if test.p_value <= alpha:
        coin = (
            "the coin was fixed by the commitment" if sure else "if the seal is older than the model, the coin was fair"
        )
        return (
            "members-found",
            "Published variants found",
            f"The model knows the published variants of {of} better than a fair coin would have it ({higher}; "
            f"{p_words(test)}): pictures of this set, as they were published, were used to train it, or a model that "
            f"it was made from. Nothing is assumed of model or pictures; {coin}. It does not say which of them, nor "
            "how many.",
        )
    return (
        "inconclusive",
        "Nothing to be told",
        f"The published variants of {of} rank as a fair coin would have it ({higher}; {p_words(test)}, not at or below "
        f"{alpha:g}). That does not say that they were not used: onnxmint help sealing tells how many pictures of "
        "which kind it takes.",
    )


def p_words(test: CoinTest) -> str:
    """Return the p-value as people write it."""
    if test.log10_p_value < _TINY:
        return f"p below 10^{int(test.log10_p_value)}"
    return f"p = {test.p_value:.4f}"
