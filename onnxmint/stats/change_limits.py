"""Does a second model give away more than a first by more than is let pass? Decided by the ends of an interval."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from onnxmint.stats.estimates import Measured
from onnxmint.stats.limits import Decision, require_once
from onnxmint.stats.paired import AUC, RATES, SHARE

_SETTLED_Z, _END_Z = 1.6449, 1.96  # normal quantiles of 95%, and of an end of a 95% interval
_MOST = 100  # times as many images, which nobody has
_EXAMPLE = "write for example auc=0.02 (at most 0.02 more), auc=0 (not more) or auc=-0.05 (at least 0.05 less)"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeLimit:
    """The largest change, after minus before, that is let pass.

    Attributes:
        measure: "auc", "tpr@1%" and the like, or "share".
        bound: the largest change; below 0 it has to be less by so much.
    """

    measure: str
    bound: float

    def decide(self, difference: Measured) -> Decision:
        """Say on which side of the bound the whole interval lies; where there is none, nothing is settled."""
        if difference.low is None or difference.high is None or difference.thin:
            return "unsettled"
        if difference.high <= self.bound:
            return "below"
        return "above" if difference.low > self.bound else "unsettled"

    def times_needed(self, difference: Measured) -> float | None:
        """Return how many times as many images would settle it in 95 of 100 comparisons; None where none would."""
        if difference.low is None or difference.high is None or difference.thin:
            return None
        gap = self.bound - difference.value
        reach = difference.high - difference.value if gap > 0 else difference.value - difference.low
        if not gap or (times := (reach * (1 + _SETTLED_Z / _END_Z) / gap) ** 2) > _MOST:
            return None
        return max(1.0, times)


def change_limits_of(words: Sequence[str]) -> list[ChangeLimit]:
    """Return the limits that a user wrote, each measure once.

    Raises:
        ValueError: one of them limits nothing that is compared here, or one measure has two.
    """
    found = [_limit_of(one) for one in words]
    require_once([limit.measure for limit in found], words)
    return found


def _limit_of(words: str) -> ChangeLimit:
    measure, _, number = (part.strip() for part in words.partition("="))
    known = (AUC, *RATES, SHARE)
    if measure.lower() not in known:
        raise ValueError(f"{words!r} limits none of {', '.join(known)}; {_EXAMPLE}")
    try:
        bound = float(number)
    except ValueError:
        raise ValueError(f"{words!r} has no number after the equals sign; {_EXAMPLE}") from None
    if not (math.isfinite(bound) and -1 < bound < 1):
        raise ValueError(f"{words!r}: a change lies between -1 and 1; {_EXAMPLE}")
    return ChangeLimit(measure=measure.lower(), bound=bound)
