"""What share of the questioned images are members, and what share an audit would have noticed.

The questioned images are a mixture: with share t of members, the chance that one of them scores above a non-member is
(1 - t) / 2 + t AUC. So t = (effect - 1/2) / (AUC - 1/2), both measured with error ("mean matching" of placements; the
adjusted count of Forman 2008 is the same with one threshold).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from onnxmint.stats.estimates import Estimate, FloatArray
from onnxmint.stats.guarantee import DEFAULT, Guarantee, Luck
from onnxmint.stats.heldout import HeldOut, Numbers
from onnxmint.stats.ranges import Count, Share
from onnxmint.stats.strata import Cells
from onnxmint.stats.strength import Strength

METHOD = (
    "ratio of effects, (effect - 1/2) / (AUC - 1/2); its 95% interval inverts the test of each share (Fieller 1954) "
    "with the variance of placements (DeLong 1988), ordered by likelihood as shares outside 0 to 1 are impossible "
    "(Feldman and Cousins 1998); where there are strata, members are taken to lie in them as the questioned images do, "
    "and at levels of confidence as the known members do"
)
CONFIDENCE = 0.95
_GRID = np.linspace(0, 1, 1001)
_MANY = 10_000_000  # images beyond which no plan is made
_LEAST = 1e-12
_BOTH: tuple[Guarantee, Guarantee] = ("each", "average")
_NO_EFFECT = 1e-6  # below it only the direction of the effect counts, not its size


def share_of_members(questioned: FloatArray, known: HeldOut, strata: Numbers | None = None) -> Estimate:
    """Return the share of members among questioned images with its 95% interval.

    Args:
        questioned: (q,) or (q, K) scores of independent units.
        known: held-out scores of known ones.
        strata: (q,) of the questioned, where the known ones have strata; members among them are then taken to be spread
            over strata of difficulty and class as the questioned images are, and over levels of confidence within these
            as the known members are.

    Returns:
        The estimate; without any difference between members and non-members its interval is 0 to 1.

    Raises:
        ValueError: fewer than two units on a side, or none that can be compared.
    """
    cells = Cells.of(questioned, known, strata)
    if min(cells.compared, len(known.member), int(cells.known.sum())) < 2:  # noqa: PLR2004 - a variance needs two
        raise ValueError("need at least two units on each side")
    strength = Strength.measured(known, cells)
    effect = cells.mean_excess(known.placements(questioned, strata))
    error = np.sqrt(_variance(strength, cells.worth, _GRID))
    distance = effect - _GRID * strength.effect
    reach = max(strength.effect, _NO_EFFECT)
    p_value = _bounded_p(distance / error, -_GRID * reach / error, (1 - _GRID) * reach / error)
    kept = _GRID[p_value >= 1 - CONFIDENCE]
    value = float(np.clip(effect / reach, 0, 1))
    low, high = (float(kept[0]), float(kept[-1])) if len(kept) else (value, value)
    return Estimate(value=value, low=min(low, value), high=max(high, value))


def _variance(strength: Strength, questioned: float, share: FloatArray) -> FloatArray:
    """Return the variance of effect - share * (AUC - 1/2), for this share of members among so many questioned units.

    A non-member's placement has variance 1/12 on either side, less with ties; the share is that of these very images,
    so that its own chance is no part of it.
    """
    of_asked = ((1 - share) * strength.null + share * strength.spread) / questioned
    of_known = (1 - share) ** 2 * strength.null / strength.nonmembers + share**2 * strength.spread / strength.members
    found: FloatArray = of_asked + strength.inflation * of_known
    return found


def _bounded_p(z: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
    """Return p-values of a unit normal whose mean lies in [low, high], 0 within, tested to be 0.

    Values are ordered by how much likelier the best possible mean makes them than 0 does (Feldman and Cousins 1998).
    """
    from scipy.stats import norm

    best = np.clip(z, low, high)
    gain = z**2 - (z - best) ** 2  # twice the log likelihood ratio
    upper = np.where(gain <= high**2, np.sqrt(gain), (gain + high**2) / np.maximum(2 * high, _LEAST))
    lower = np.where(gain <= low**2, -np.sqrt(gain), (gain + low**2) / np.minimum(2 * low, -_LEAST))
    found: FloatArray = np.minimum(norm.cdf(lower) + norm.sf(upper), 1.0)
    return np.where(gain <= 0, 1.0, found)


def power(
    strength: Strength, questioned: float, share: FloatArray, *, alpha: float, guarantee: Guarantee = DEFAULT
) -> FloatArray:
    """Return the chance that the test of the set finds this share of members among so many questioned units.

    The error of the measured AUC is part of it, so that a promise made from little evidence is a modest one. It is the
    chance over audits of all auditors, the luck of the known images included.

    Args:
        strength: of the known members.
        questioned: number of units, or what they are worth.
        share: (k,) of members among them.
        alpha: level of the test.
        guarantee: of which auditors the level holds.
    """
    from scipy.stats import norm

    luck = Luck.of(strength.nonmembers, questioned, inflation=strength.inflation, null=strength.null)
    error = np.sqrt(_variance(strength, questioned, share))
    found: FloatArray = norm.cdf((share * strength.effect - luck.needed(alpha, guarantee)) / error)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerCost:
    """What it costs that nearly every auditor keeps the level, not only the average one.

    Attributes:
        each, average: chance that a set with this share of members is found, under the two guarantees.
        needed_each, needed_average: how far above 1/2 the effect has to be.
        nonmembers: known non-members with which "each" finds the set as often as "average" does with what there is;
            None when no number does.
    """

    each: Share
    average: Share
    needed_each: float
    needed_average: float
    nonmembers: Count | None

    @property
    def points(self) -> float:
        """Return the loss in percentage points."""
        return 100 * (self.average - self.each)


def power_cost(strength: Strength, questioned: float, share: float, *, alpha: float) -> PowerCost:
    """Return what the guarantee of each auditor costs in power.

    Args:
        strength: of the known members.
        questioned: number of units.
        share: of members among them.
        alpha: level of the test.
    """
    asked = np.array([share])
    each, average = (float(power(strength, questioned, asked, alpha=alpha, guarantee=kind)[0]) for kind in _BOTH)
    luck = Luck.of(strength.nonmembers, questioned, inflation=strength.inflation, null=strength.null)

    def enough(count: int) -> bool:
        more = count / strength.nonmembers
        richer = replace(strength, nonmembers=count, members=strength.members * more)
        return float(power(richer, questioned, asked, alpha=alpha, guarantee="each")[0]) >= average

    return PowerCost(
        each=each,
        average=average,
        needed_each=float(luck.needed(alpha, "each")),
        needed_average=float(luck.needed(alpha, "average")),
        nonmembers=_first(enough, start=int(strength.nonmembers)),
    )


def detectable_share(
    strength: Strength, questioned: float, *, alpha: float, wanted: float = CONFIDENCE, guarantee: Guarantee = DEFAULT
) -> float | None:
    """Return the smallest share of members that would be found with probability `wanted`, None if not even all.

    Args:
        strength: of the known members.
        questioned: number of units, or what they are worth.
        alpha: level of the test.
        wanted: probability.
        guarantee: of which auditors the level holds.
    """
    chance = power(strength, questioned, _GRID[1:], alpha=alpha, guarantee=guarantee)
    enough = np.flatnonzero(chance >= wanted)
    return float(_GRID[1 + enough[0]]) if len(enough) else None


def questioned_needed(
    strength: Strength, share: float, *, alpha: float, wanted: float = CONFIDENCE, guarantee: Guarantee = DEFAULT
) -> int | None:
    """Return how many questioned units it takes to find a share with probability `wanted`, None if no number does."""
    asked = np.array([share])

    def enough(count: int) -> bool:
        return float(power(strength, count, asked, alpha=alpha, guarantee=guarantee)[0]) >= wanted

    return _first(enough)


def _first(enough: Callable[[int], bool], start: int = 0) -> int | None:
    """Return the smallest number above `start` that is enough, None when not even _MANY are."""
    if not enough(_MANY):
        return None
    low, high = start, _MANY
    while high - low > 1:
        middle = (low + high) // 2
        if enough(middle):
            high = middle
        else:
            low = middle
    return high
