"""What share of the questioned images are members, and what share an audit would have noticed.

The questioned images are a mixture: with share t of members, the chance that one of them scores above a non-member is
(1 - t) / 2 + t AUC. So t = (effect - 1/2) / (AUC - 1/2), both measured with error ("mean matching" of placements; the
adjusted count of Forman 2008 is the same with one threshold).
"""

from dataclasses import dataclass

import numpy as np

from onnxmint.stats.estimates import Estimate, FloatArray
from onnxmint.stats.heldout import HeldOut

METHOD = (
    "ratio of effects, (effect - 1/2) / (AUC - 1/2); its 95% interval inverts the test of each share (Fieller 1954) "
    "with the variance of placements (DeLong 1988), ordered by likelihood as shares outside 0 to 1 are impossible "
    "(Feldman and Cousins 1998)"
)
CONFIDENCE = 0.95
_GRID = np.linspace(0, 1, 1001)
_MANY = 10_000_000  # images beyond which no plan is made
_UNIFORM = 1 / 12  # variance of a non-member's placement
_LEAST = 1e-12
_NO_EFFECT = 1e-6  # below it only the direction of the effect counts, not its size


@dataclass(frozen=True, slots=True, kw_only=True)
class Strength:
    """How well known members stand out, for planning: all that the power of an audit depends on.

    Attributes:
        effect: AUC - 1/2.
        spread: variance of the members' placements.
        members, nonmembers: held-out units it was measured on.
        inflation: factor on the variance that comes from them.
    """

    effect: float
    spread: float
    members: int
    nonmembers: int
    inflation: float = 1.0

    @classmethod
    def measured(cls, known: HeldOut) -> "Strength":
        """Return that of held-out scores."""
        placed, known_n = known.member_placements(), len(known.nonmember)
        return cls(
            effect=float(placed.mean()) - 0.5,
            spread=max(float(placed.var(ddof=1)), (known_n + 1) ** -2),
            members=len(placed),
            nonmembers=len(known.nonmember),
            inflation=known.inflation,
        )

    @classmethod
    def expected(cls, auc: float, members: int, nonmembers: int) -> "Strength":
        """Return that of two normal score distributions of equal variance with this AUC."""
        from scipy.stats import norm

        quantiles = (np.arange(2000) + 0.5) / 2000
        placed = norm.cdf(norm.ppf(quantiles) + np.sqrt(2) * norm.ppf(auc))
        return cls(effect=auc - 0.5, spread=float(placed.var()), members=members, nonmembers=nonmembers)


def share_of_members(questioned: FloatArray, known: HeldOut) -> Estimate:
    """Return the share of members among questioned images with its 95% interval.

    Args:
        questioned: (q,) or (q, K) scores of independent units.
        known: held-out scores of known ones.

    Returns:
        The estimate; without any difference between members and non-members its interval is 0 to 1.

    Raises:
        ValueError: fewer than two units on a side.
    """
    asked, strength = known.placements(questioned), Strength.measured(known)
    if min(len(asked), strength.members, strength.nonmembers) < 2:  # noqa: PLR2004 - a variance needs two
        raise ValueError("need at least two units on each side")
    effect = float(asked.mean()) - 0.5
    error = np.sqrt(_variance(strength, len(asked), _GRID))
    distance = effect - _GRID * strength.effect
    reach = max(strength.effect, _NO_EFFECT)
    p_value = _bounded_p(distance / error, -_GRID * reach / error, (1 - _GRID) * reach / error)
    kept = _GRID[p_value >= 1 - CONFIDENCE]
    value = float(np.clip(effect / reach, 0, 1))
    low, high = (float(kept[0]), float(kept[-1])) if len(kept) else (value, value)
    return Estimate(value=value, low=min(low, value), high=max(high, value))


def _variance(strength: Strength, questioned: int, share: FloatArray) -> FloatArray:
    """Return the variance of effect - share * (AUC - 1/2), for this share of members among so many questioned units.

    A non-member's placement has variance 1/12 on either side; the share is that of these very images, so that its own
    chance is no part of it.
    """
    of_asked = ((1 - share) * _UNIFORM + share * strength.spread) / questioned
    of_known = (1 - share) ** 2 * _UNIFORM / strength.nonmembers + share**2 * strength.spread / strength.members
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


def power(strength: Strength, questioned: int, share: FloatArray, *, alpha: float) -> FloatArray:
    """Return the chance that the test of the set finds this share of members among so many questioned units.

    The error of the measured AUC is part of it, so that a promise made from little evidence is a modest one.

    Args:
        strength: of the known members.
        questioned: number of units.
        share: (k,) of members among them.
        alpha: level of the test.
    """
    from scipy.stats import norm

    n = strength.nonmembers
    needed = norm.isf(alpha) * np.sqrt((n + strength.inflation * questioned + 1) * _UNIFORM / (n * questioned))
    error = np.sqrt(_variance(strength, questioned, share))
    found: FloatArray = norm.cdf((share * strength.effect - needed) / error)
    return found


def detectable_share(strength: Strength, questioned: int, *, alpha: float, wanted: float = CONFIDENCE) -> float | None:
    """Return the smallest share of members that would be found with probability `wanted`, None if not even all.

    Args:
        strength: of the known members.
        questioned: number of units.
        alpha: level of the test.
        wanted: probability.
    """
    enough = np.flatnonzero(power(strength, questioned, _GRID[1:], alpha=alpha) >= wanted)
    return float(_GRID[1 + enough[0]]) if len(enough) else None


def questioned_needed(strength: Strength, share: float, *, alpha: float, wanted: float = CONFIDENCE) -> int | None:
    """Return how many questioned units it takes to find a share with probability `wanted`, None if no number does."""
    asked = np.array([share])
    if power(strength, _MANY, asked, alpha=alpha)[0] < wanted:
        return None
    low, high = 0, _MANY
    while high - low > 1:
        middle = (low + high) // 2
        if power(strength, middle, asked, alpha=alpha)[0] >= wanted:
            high = middle
        else:
            low = middle
    return high
