"""Are there members among a set of images? One test for the whole set, and what it could have found."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onnxmint.stats.estimates import FloatArray
from onnxmint.stats.metrics import auc

_DRAWS = 400
_LARGEST = 20_000  # images drawn for the power: enough to find almost any effect, and the time stays bounded


@dataclass(frozen=True, slots=True, kw_only=True)
class SetTest:
    """Result of the test that no member is among the questioned images.

    Attributes:
        p_value: one-sided Mann-Whitney.
        effect: chance that a questioned image scores above a non-member.
        power_all_members: chance that the test would have found a set of this size made only of members.
    """

    p_value: float
    effect: float
    power_all_members: float


def compare_sets(
    questioned: FloatArray,
    nonmember: FloatArray,
    *,
    heldout_member: FloatArray,
    alpha: float,
    rng: np.random.Generator,
    questioned_groups: NDArray[np.int64] | None = None,
    nonmember_groups: NDArray[np.integer] | None = None,
) -> SetTest:
    """Test whether questioned images score higher than non-members (Mann and Whitney 1947).

    Args:
        questioned: (q,) scores.
        nonmember: (n,) scores of non-members that nothing was fitted on.
        heldout_member: (m,) scores of members that nothing was fitted on; only for the power.
        alpha: level.
        rng: source of the simulated power.
        questioned_groups: (q,) groups; when both sides have them, the test is on the means of groups, since images of
            a group are not independent. The power then draws single members for groups, which is too low, not too high.
        nonmember_groups: (n,) groups.

    Raises:
        ValueError: no scores on a side, or NaN among them.
    """
    if questioned_groups is not None and nonmember_groups is not None:
        tested, against = _means(questioned, questioned_groups), _means(nonmember, nonmember_groups)
    else:
        tested, against = questioned, nonmember
    effect = auc(tested, against)
    size = min(len(tested), _LARGEST)
    found = sum(
        _p_value(rng.choice(heldout_member, size), rng.choice(against, min(len(against), _LARGEST))) <= alpha
        for _ in range(_DRAWS)
    )
    return SetTest(p_value=_p_value(tested, against), effect=effect, power_all_members=found / _DRAWS)


def _p_value(higher: FloatArray, lower: FloatArray) -> float:
    from scipy.stats import mannwhitneyu

    return float(mannwhitneyu(higher, lower, alternative="greater").pvalue)


def _means(scores: FloatArray, groups: NDArray[np.integer]) -> FloatArray:
    number = np.unique(groups, return_inverse=True)[1]
    found: FloatArray = np.bincount(number, weights=scores) / np.bincount(number)
    return found
