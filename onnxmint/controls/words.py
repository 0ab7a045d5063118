"""How controls put their numbers."""

from statistics import NormalDist

from onnxmint.stats.estimates import Estimate
from onnxmint.stats.two_sample import LEVEL

CHANCE = 0.5
_NOTICED = 0.95  # of controls


def numbers(auc: Estimate, level: float = LEVEL) -> str:
    """Return the AUC with its interval; where it is compatible with chance, also what would have been seen."""
    shown = f"AUC {auc.value:.3f}, {1 - 2 * level:.1%} interval {auc.low:.3f} to {auc.high:.3f}"
    if auc.low > CHANCE:
        return shown
    return f"{shown}; from {visible_from(auc, level):.2f} on it would have been seen"


def visible_from(auc: Estimate, level: float = LEVEL) -> float:
    """Return the AUC from which 95 of 100 controls like this one would have failed."""
    reach, normal = max(auc.high - auc.value, auc.value - auc.low), NormalDist()
    return min(1.0, CHANCE + reach * (1 + normal.inv_cdf(_NOTICED) / normal.inv_cdf(1 - level)))
