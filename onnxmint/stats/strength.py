"""How well known members stand out, where and as far as the questioned images are compared with known ones."""

from dataclasses import dataclass

import numpy as np

from onnxmint.stats.estimates import FloatArray
from onnxmint.stats.heldout import HeldOut, Numbers
from onnxmint.stats.strata import UNIFORM, Cells


@dataclass(frozen=True, slots=True, kw_only=True)
class Strength:
    """How well known members stand out, for planning: all that the power of an audit depends on.

    Strata that the questioned images fill in another proportion than the known ones make these fewer: n known ones with
    the shares a_h of them in stratum h, weighing b_h, are worth 1 / sum(b_h^2 / (a_h n)).

    Attributes:
        effect: AUC - 1/2.
        spread: variance of the members' placements.
        members, nonmembers: held-out units it was measured on, or what they are worth.
        inflation: factor on the variance that comes from them.
        null: variance of a non-member's placement among very many known ones; ties make it smaller.
    """

    effect: float
    spread: float
    members: float
    nonmembers: float
    inflation: float = 1.0
    null: float = UNIFORM

    @classmethod
    def measured(cls, known: HeldOut, cells: Cells | None = None) -> "Strength":
        """Return that of held-out scores.

        Args:
            known: with at least two members.
            cells: of the questioned images, which say how much each stratum counts; None where there are no strata.
        """
        placed, count = known.member_placements(), len(known.nonmember)
        weight, beside = np.full(len(placed), 1 / len(placed)), np.ones(len(placed))
        worth, null = float(count), UNIFORM
        if cells is not None and known.member_stratum is not None:
            weight, beside = _member_weights(known, known.member_stratum, cells)
            used = cells.known > 0
            worth = 1 / float((cells.portion[used] ** 2 / cells.known[used]).sum())
            null = UNIFORM * float((cells.portion * cells.untied()).sum())
        elif known.networks == 1:
            null = UNIFORM * _untied(known.nonmember)
        excess = beside * (placed - 0.5)
        return cls(
            effect=float((weight * excess).sum()),
            spread=max(float(excess.var(ddof=1)), (count + 1) ** -2),
            members=1 / float((weight**2).sum()),
            nonmembers=worth,
            inflation=known.inflation,
            null=max(null, (count + 1) ** -2),
        )

    @classmethod
    def expected(cls, auc: float, members: int, nonmembers: int) -> "Strength":
        """Return that of two normal score distributions of equal variance with this AUC."""
        from scipy.stats import norm

        quantiles = (np.arange(2000) + 0.5) / 2000
        placed = norm.cdf(norm.ppf(quantiles) + np.sqrt(2) * norm.ppf(auc))
        return cls(effect=auc - 0.5, spread=float(placed.var()), members=members, nonmembers=nonmembers)


def _member_weights(known: HeldOut, stratum: Numbers, cells: Cells) -> tuple[FloatArray, FloatArray]:
    """Return (m,) weights of members, and (m,) what the placement of each counts beside others of its stratum.

    Every stratum of difficulty and class gets the portion that it has among the questioned images. Within it members
    are spread over levels of confidence as the known members are, not as the questioned images: these are members and
    non-members, who are sure of other pictures. Strata without a known member lend their portion to the others; if no
    stratum has both, all members weigh the same.
    """
    mine, theirs = stratum // known.levels, cells.numbers // known.levels
    one_unit, used = _weight_of_a_unit(known, stratum, cells), cells.known > 0
    asked = [(number, (theirs == number) & used) for number in np.unique(theirs[used]) if (mine == number).any()]
    portions = [float(cells.portion[place].sum()) for _, place in asked]
    weight, beside = np.full(len(stratum), 1 / len(stratum)), np.ones(len(stratum))
    if asked:
        weight[:] = 0
    for (number, place), portion in zip(asked, portions, strict=True):
        inside, units = mine == number, cells.asked[place]
        weight[inside] = portion / sum(portions) / inside.sum()
        beside[inside] = one_unit[inside] / ((cells.weight[place] * units).sum() / units.sum())
    return weight, beside


def _weight_of_a_unit(known: HeldOut, stratum: Numbers, cells: Cells) -> FloatArray:
    """Return (m,) the weight of one questioned unit in the cell of each known member, were it asked of or not."""
    theirs = known.nonmember_stratum if known.nonmember_stratum is not None else np.zeros(0, np.int64)
    numbers, place = np.unique(stratum, return_inverse=True)
    outside = np.array([(theirs == number).sum() for number in numbers], np.float64)
    asked = np.array([cells.asked[cells.numbers == number].sum() for number in numbers])
    found: FloatArray = (outside / (outside + asked + 1))[place]
    return found


def _untied(scores: FloatArray) -> float:
    count = len(scores)
    same = np.unique(scores, return_counts=True)[1].astype(np.float64)
    return 1 - float((same**3 - same).sum()) / max(count**3 - count, 1)


def strength_for(questioned: FloatArray, known: HeldOut, strata: Numbers | None = None) -> tuple[Strength, float]:
    """Return how well known members stand out where the questioned images lie, and what number these are worth.

    Args:
        questioned: (q,) or (q, K) scores of independent units.
        known: held-out scores of known ones, with at least two members.
        strata: (q,) of the questioned, where the known ones have strata.
    """
    cells = Cells.of(questioned, known, strata)
    return Strength.measured(known, cells), cells.worth
