"""A second opinion without labels: labels of questioned images can be wrong, or the model's own, and decide a verdict.

Scores with labels and without are two measures of one thing. Of images with true labels the two effects keep the ratio
that they have for known members, whatever the share of members is; wrong labels take from the first alone, labels that
the model itself gave add to it alone.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from onnxmint.stats.estimates import FloatArray
from onnxmint.stats.heldout import HeldOut
from onnxmint.stats.set_test import SetTest

Opinion = Literal["agree", "only-labelled", "labels-raise", "only-free", "labels-lower"]
"""What the label-free score says of the labelled one's answer.

agree: the same; only-labelled: finds nothing where the other finds members; labels-raise: finds members too, but labels
add more than membership does; only-free: finds members where the other finds none; labels-lower: neither finds any, but
labels take away what membership would have added.
"""
RAISED, LOWERED = 0.01, 0.05
"""Levels of the two comparisons of effects: the first can spoil a true finding, the second only an acquittal."""
_LEAST = 0.02  # effect of known members, on either score, below which the ratio of the two is unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """Whether the effects with and without labels keep the ratio that they have for known members.

    Attributes:
        value: of the effects without and with labels, known members against non-members.
        raised: p-value against labels that add to the effect, as those that the model itself gave.
        lowered: p-value against labels that take from it, as wrong ones do.
    """

    value: float
    raised: float
    lowered: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondOpinion:
    """What the label-free score says of the labelled one's answer.

    Attributes:
        kind: see `Opinion`.
        free: the test of the set without labels.
        ratio: None where known members hardly differ from non-members on one of the two scores.
    """

    kind: Opinion
    free: SetTest
    ratio: Ratio | None


def compare_effects(labelled: tuple[FloatArray, HeldOut], free: tuple[FloatArray, HeldOut]) -> Ratio | None:
    """Return whether the two effects of a set keep the ratio of known members, None where that is unknown.

    The difference of the two, effect(free) - ratio * effect(labelled), has mean 0 for true labels and any share of
    members, and varies little, as the two scores of an image are nearly the same. Its variance is that of placements
    (DeLong 1988) with the ratio's own error in proportion to the estimated share. Strata are left aside.

    Args:
        labelled: (q,) or (q, K) scores of the set, and what they are measured by.
        free: the same without labels; the known images in the same order.

    Raises:
        ValueError: the two are not of the same images.
    """
    (asked, known), (asked_free, known_free) = labelled, free
    sides = ((asked, asked_free), (known.member, known_free.member), (known.nonmember, known_free.nonmember))
    if any(len(one) != len(other) for one, other in sides):
        raise ValueError("need scores of the same images with labels and without")
    if min(len(known.member), len(known.nonmember), len(asked)) < 2:  # noqa: PLR2004 - a variance needs two
        return None
    inside = known.member_placements() - 0.5, known_free.member_placements() - 0.5
    whole, whole_free = float(inside[0].mean()), float(inside[1].mean())
    if min(whole, whole_free) < _LEAST:
        return None
    ratio = whole_free / whole
    placed = _bare(known).placements(asked) - 0.5, _bare(known_free).placements(asked_free) - 0.5
    share = float(np.clip(placed[0].mean() / whole, 0, 1))
    each = placed[1] - ratio * placed[0]
    of_members = inside[1] - ratio * inside[0]
    of_nonmembers = (known_free.above(asked_free) - ratio * known.above(asked)) - share * (
        known_free.above() - ratio * known.above()
    )
    variance = float(each.var(ddof=1)) / len(each)
    variance += known.inflation * float(of_nonmembers.var(ddof=1)) / len(of_nonmembers)
    variance += known.inflation * share**2 * float(of_members.var(ddof=1)) / len(of_members)
    return _ratio(ratio, float(each.mean()), variance)


def second_opinion(
    labelled: SetTest, free: SetTest, ratio: Ratio | None, *, alpha: float, level: float | None = None
) -> SecondOpinion:
    """Decide what an answer that rests on labels is worth.

    Members found with labels count only if the label-free score finds them too: whatever the labels are, then at most
    `level` of innocent sets are called members. That costs power, as the label-free score is weaker; a higher level
    trades the one for the other.

    Args:
        labelled: the test of the set with labels.
        free: the same without.
        ratio: from `compare_effects`.
        alpha: level of the tests.
        level: of the label-free test as a second opinion, on average over auditors (the first already allows for an
            unlucky one); None takes alpha.
    """
    kind: Opinion = "agree"
    if labelled.p_value <= alpha:
        if free.average > (alpha if level is None else level):
            kind = "only-labelled"
        elif ratio is not None and ratio.raised <= RAISED:
            kind = "labels-raise"
    elif free.p_value <= alpha:
        kind = "only-free"
    elif ratio is not None and ratio.lowered <= LOWERED:
        kind = "labels-lower"
    return SecondOpinion(kind=kind, free=free, ratio=ratio)


def _ratio(value: float, difference: float, variance: float) -> Ratio:
    from scipy.stats import norm

    if variance <= 0:
        return Ratio(value=value, raised=1.0, lowered=1.0)
    z = difference / variance**0.5
    return Ratio(value=value, raised=float(norm.cdf(z)), lowered=float(norm.sf(z)))


def _bare(known: HeldOut) -> HeldOut:
    """Return the scores without strata."""
    return HeldOut(
        member=known.member,
        nonmember=known.nonmember,
        member_fold=known.member_fold,
        nonmember_fold=known.nonmember_fold,
        inflation=known.inflation,
    )
