"""How many known images it takes before any number of questioned ones can give an answer."""

from dataclasses import replace

import numpy as np

from onnxmint.stats.gate import LEVEL
from onnxmint.stats.share import CONFIDENCE, questioned_needed
from onnxmint.stats.strength import Strength

USUAL_AUC = 0.6  # of a model that gives away as much as many do
HELD_OUT = 0.5  # share of the known images that is not fitted on
_MOST = 10_000_000


def expected(auc: float, members: int, nonmembers: int) -> Strength:
    """Return the strength of an audit of so many known images of each kind at an expected AUC."""
    return Strength.expected(auc, max(int(members * HELD_OUT), 2), max(int(nonmembers * HELD_OUT), 2))


def scaled(strength: Strength, factor: float) -> Strength:
    """Return the strength of an audit with so many times the known images, were it to stay as good."""
    return replace(
        strength,
        members=max(int(strength.members * factor), 2),
        nonmembers=max(int(strength.nonmembers * factor), 2),
    )


def evidence_needed(strength: Strength, known: int, share: float, alpha: float) -> int | None:
    """Return the smallest evidence with which some number of questioned images finds a share.

    Args:
        strength: with the evidence that there is.
        known: members that it was made from.
        share: of members that is to be found.
        alpha: level of the test.

    Returns:
        Known members, and as many non-members; None when no number does.
    """

    def enough(count: int) -> bool:
        more = scaled(strength, count / known)
        return questioned_needed(more, share, alpha=alpha) is not None and tells_apart(more)

    if not enough(_MOST):
        return None
    low, high = 0, _MOST
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def tells_apart(strength: Strength) -> bool:
    """Return whether the test part shows an AUC above 1/2 with 95% probability.

    It is half of what is held out, or all of it for cross-fitted evidence.
    """
    return bool(strength.effect > _reach(strength))


def smallest_auc(members: int, nonmembers: int) -> float:
    """Return the smallest AUC that so many known images of each kind show to be above 1/2 with 95% probability."""
    return 0.5 + _reach(expected(0.5 + 1e-3, members, nonmembers))


def _reach(strength: Strength) -> float:
    from scipy.stats import norm

    part = 1 if strength.inflation > 1 else 2
    members, nonmembers = strength.members / part, strength.nonmembers / part
    error = np.sqrt(strength.inflation * (strength.spread / members + 1 / 12 / nonmembers))
    return float((norm.isf(LEVEL) + norm.isf(1 - CONFIDENCE)) * error)
