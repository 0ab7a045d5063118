"""Can an audit tell members from non-members at all? Asked of other images than those that the verdict rests on.

The gate and the set test must not share known non-members: those that happen to score low open the gate and then call
innocent sets members, in 10 to 21% of the audits that a weak module lets pass. What is asked here is independent of the
set test, so that its level holds among those audits too.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onnxmint.stats.estimates import Estimate
from onnxmint.stats.heldout import HeldOut
from onnxmint.stats.ranges import Count

CHANCE = 0.5
LEVEL = 0.025
"""Chance that the gate opens where there is nothing to tell: half of what a 95% interval leaves out."""
_ONE_IN = 5  # known non-members that are spent on the gate where all are held out


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """Whether members can be told from non-members.

    Attributes:
        auc: with its 95% interval, of scores that no verdict rests on.
        members, nonmembers: units it was measured on.
    """

    auc: Estimate
    members: Count
    nonmembers: Count

    @property
    def is_open(self) -> bool:
        """Return whether the interval lies above chance."""
        return self.auc.low > CHANCE


def gate_of(known: HeldOut) -> Gate | None:
    """Return the gate, None where a side has fewer than two units.

    The interval is DeLong's, never narrower than that of no difference.

    Args:
        known: scores of known units, each by a network that did not learn from it: the out-of-fold scores of the part
            that the module was fitted on, with the fold of each, or those that `spent_on_gate` names.
    """
    from scipy.stats import norm

    m, n = len(known.member), len(known.nonmember)
    if min(m, n) < 2:  # noqa: PLR2004 - a variance needs two
        return None
    placed, above = known.member_placements(), known.above()
    value = float(placed.mean())
    variance = max(float(placed.var(ddof=1)) / m + float(above.var(ddof=1)) / n, (m + n + 1) / (12 * m * n))
    reach = float(norm.isf(LEVEL)) * (known.inflation * variance) ** 0.5
    auc = Estimate(value=value, low=max(0.0, value - reach), high=min(1.0, value + reach))
    return Gate(auc=auc, members=m, nonmembers=n)


def spent_on_gate(unit: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Return (n,) which known non-members serve the gate only, where all known images are held out.

    Cross-fitted evidence, and that of a module that learns nothing, has no images besides those that sets are measured
    by. One in five non-members, or groups of them, is then spent. Members serve both, as the set test needs none.

    Args:
        unit: (n,) number of the non-member, or of its group: which are spent must not depend on scores.
    """
    return np.isin(unit, np.unique(unit)[::_ONE_IN])
