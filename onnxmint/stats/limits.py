"""Is a measured leak below a limit or above it? Decided by the ends of its interval, never by its value."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from onnxmint.stats.estimates import FPRS, Estimate, Performance, Rate

Decision = Literal["below", "above", "unsettled"]
EPSILON = "epsilon"
SETTLED = 0.95
"""Share of evaluations of the size asked for that come to a decision."""
FEWEST_ALARMS = 10
"""Expected false alarms from which on a limit on a rate is decided: with fewer, ends of its interval miss too often."""
_SETTLED_Z, _END_Z = 1.6449, 1.96  # normal quantiles of `SETTLED`, and of an end of a 95% interval
_MOST = 250_000  # test images of a side, for which it takes a million known ones: a larger number is no advice
_CHANCE = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """The largest leak that is let pass.

    Attributes:
        measure: what is limited, as users write it: "auc", "tpr@1%" for the true-positive rate at that false-positive
            rate, or "epsilon", of which no performance tells anything.
        bound: the largest value of it.
        fpr: the false-positive rate, None for the others.
    """

    measure: str
    bound: float
    fpr: float | None = None

    def of(self, found: Performance) -> Estimate | Rate:
        """Return what is limited of a performance."""
        return found.auc if self.fpr is None else found.tpr_at_fpr[str(self.fpr)]

    def decide(self, found: Performance) -> Decision:
        """Say on which side of the bound the whole interval lies; where there is none, nothing is settled."""
        measured = self.of(found)
        if measured.low is None or measured.high is None or (isinstance(measured, Rate) and measured.thin):
            return "unsettled"
        if measured.high <= self.bound:
            return "below"
        return "above" if measured.low > self.bound else "unsettled"

    def times_needed(self, found: Performance) -> float | None:
        """Return how many times as many test images would settle it in 95% of evaluations, at least 1.

        The leak is taken to be the one measured, and an interval's reach to fall with the root of the number of images.
        None where no number that anybody has does: the measured value lies at the bound. A rate that rests on too few
        false alarms tells nothing of what it will be, so for it as many are returned as give enough of them.
        """
        measured = self.of(found)
        if measured.low is None or measured.high is None or (isinstance(measured, Rate) and measured.thin):
            return self._more_nonmembers(found)
        gap = self.bound - measured.value
        reach = measured.high - measured.value if gap > 0 else measured.value - measured.low
        wanted = reach * (1 + _SETTLED_Z / _END_Z)
        most = _MOST / max(found.members, found.nonmembers)
        if not gap or (times := (wanted / gap) ** 2) > most:
            return None
        return max(1.0, times)

    def _more_nonmembers(self, found: Performance) -> float:
        """Return how many times as many non-members a rate takes before anything is said of it, at least 1."""
        return 1.0 if self.fpr is None else max(1.0, FEWEST_ALARMS / (self.fpr * found.nonmembers))


def limit_of(words: str) -> Limit:
    """Return the limit that a user wrote, such as "auc=0.60" or "tpr@1%=0.05".

    Raises:
        ValueError: saying what may be written.
    """
    measure, _, number = (part.strip() for part in words.partition("="))
    known = {"auc": None} | {f"tpr@{100 * fpr:g}%": fpr for fpr in FPRS} | {EPSILON: None}
    if measure.lower() not in known:
        raise ValueError(f"{words!r} limits none of {', '.join(known)}; write for example auc=0.60 or tpr@1%=0.05")
    fpr = known[measure.lower()]
    try:
        bound = float(number)
    except ValueError:
        raise ValueError(f"{words!r} has no number after the equals sign; write for example auc=0.60") from None
    if measure.lower() == EPSILON:
        if not 0 < bound < math.inf:
            raise ValueError(f"{words!r}: a limit on epsilon is a number above 0")
        return Limit(measure=EPSILON, bound=bound)
    lowest = _CHANCE if fpr is None else fpr
    if not lowest < bound <= 1:
        raise ValueError(f"{words!r}: a limit lies above {lowest:g}, which guessing has, and is at most 1")
    return Limit(measure=measure.lower(), bound=bound, fpr=fpr)


def limits_of(words: Sequence[str]) -> list[Limit]:
    """Return the limits that a user wrote, each measure once.

    Raises:
        ValueError: one of them limits nothing that is measured here, or one measure has two.
    """
    found = [limit_of(one) for one in words]
    require_once([limit.measure for limit in found], words)
    return found


def require_once(measures: Sequence[str], words: Sequence[str]) -> None:
    """Refuse two limits on one measure.

    Raises:
        ValueError: naming what was written.
    """
    if len(set(measures)) < len(measures):
        raise ValueError(f"{', '.join(words)} limits one measure twice: give each one limit")


def together(decisions: Sequence[Decision]) -> Decision:
    """Return what several limits come to: above where one is, below where all are."""
    if "above" in decisions:
        return "above"
    return "below" if all(one == "below" for one in decisions) else "unsettled"


def rounded_up(count: float) -> int:
    """Return a number of images with two digits, never a smaller one."""
    step = 10 ** max(math.floor(math.log10(count)) - 1, 0) if count >= 1 else 1
    return math.ceil(count / step - 1e-9) * step
