"""How controls put their numbers."""

from onnxmint.stats.estimates import Estimate

CHANCE = 0.5
_SEEN = (2.326 + 1.645) / 2.326  # of the reach of an interval: a difference that 95 of 100 such controls notice


def numbers(auc: Estimate) -> str:
    """Return the AUC with its interval; where it is compatible with chance, also what would have been seen."""
    shown = f"AUC {auc.value:.3f}, 98% interval {auc.low:.3f} to {auc.high:.3f}"
    if auc.low > CHANCE:
        return shown
    return f"{shown}; from {visible_from(auc):.2f} on it would have been seen"


def visible_from(auc: Estimate) -> float:
    """Return the AUC from which 95 of 100 controls like this one would have failed."""
    reach = max(auc.high - auc.value, auc.value - auc.low)
    return min(1.0, CHANCE + _SEEN * reach)
