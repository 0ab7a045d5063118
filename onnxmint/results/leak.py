"""What an evaluation says of the leak as a whole, and of the limits that it was given."""

from dataclasses import dataclass
from typing import Literal

from onnxmint.results.facts import ControlName
from onnxmint.stats.estimates import Estimate
from onnxmint.stats.limits import Decision
from onnxmint.stats.ranges import Count

LeakKind = Literal["leak", "no-leak-seen", "below", "above", "unsettled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitFacts:
    """One limit, and what was measured of it by the method that the verdict is about.

    Attributes:
        measure: "auc", or "tpr@1%" and the like.
        bound: the largest value that passes.
        decision: on which side of it the whole 95% interval lies.
        value: what was measured.
        low, high: ends of the 95% interval, None where there can be none.
        members, nonmembers: known images of each side with which 95% of evaluations like this one would settle it; None
            where it is settled, or where no number would do.
        text: the same in a sentence.
    """

    measure: str
    bound: float
    decision: Decision
    value: float
    low: float | None
    high: float | None
    members: Count | None = None
    nonmembers: Count | None = None
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LeakVerdict:
    """How much the model gives away about its training images, by one method chosen before the test part.

    Attributes:
        kind: with limits "below" (all proved), "above" (one proved) or "unsettled"; without them whether the method
            tells members from non-members: "leak", or "no-leak-seen".
        headline: in a few words, the number first.
        text: in a sentence or two: how the method was chosen, and what the number does not cover.
        method: name of the method that is judged.
        title: what a reader calls it.
        auc: of it on the test part.
        bound: the largest AUC that is still possible: the upper end of the 95% interval.
        limits: one by one.
        stopped_by: failed controls, for which nothing is said to be above or below.
    """

    kind: LeakKind
    headline: str
    text: str
    method: str
    title: str
    auc: Estimate
    bound: float
    limits: tuple[LimitFacts, ...] = ()
    stopped_by: tuple[ControlName, ...] = ()
