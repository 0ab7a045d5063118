"""Known images scored by a network that did not learn from them: the yardstick of every statement about a set.

Everything rests on *placements*: the share of known non-members that an image scores above. Their mean is the AUC, they
do not depend on the scale of a score, and they are comparable between the networks of a cross-fitted module.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onnxmint.stats.estimates import FloatArray

Numbers = NDArray[np.integer]


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOut:
    """Scores of known images, each by a network that did not learn from it; independent units only.

    Attributes:
        member: (m,) scores of members.
        nonmember: (n,) scores of non-members.
        member_fold: (m,) number of the network that gave each score; all 0 when there is one.
        nonmember_fold: (n,) the same.
        inflation: factor on every variance that comes from the known images; see `cross_fitting_inflation`.
    """

    member: FloatArray
    nonmember: FloatArray
    member_fold: Numbers
    nonmember_fold: Numbers
    inflation: float = 1.0

    @classmethod
    def of(cls, member: NDArray[np.floating], nonmember: NDArray[np.floating]) -> "HeldOut":
        """Return the scores of one network."""
        return cls(
            member=member.astype(np.float64),
            nonmember=nonmember.astype(np.float64),
            member_fold=np.zeros(len(member), np.int8),
            nonmember_fold=np.zeros(len(nonmember), np.int8),
        )

    @property
    def networks(self) -> int:
        """Return how many networks gave the scores."""
        return int(max(self.member_fold.max(initial=0), self.nonmember_fold.max(initial=0))) + 1

    def placements(self, scores: FloatArray) -> FloatArray:
        """Return (q,) shares of the non-members below each image, ties half.

        Args:
            scores: (q,) or (q, K), one column for each network.

        Raises:
            ValueError: another number of columns than networks, or NaN.
        """
        columns = scores.reshape(len(scores), -1)
        if columns.shape[1] < self.networks:
            raise ValueError(f"need scores by {self.networks} networks, got {columns.shape[1]}")
        if np.isnan(columns).any():
            raise ValueError("scores hold NaN, none may be")
        below = np.zeros(len(scores))
        for number in range(self.networks):
            below += _below(columns[:, number], self.nonmember[self.nonmember_fold == number])
        return below / len(self.nonmember)

    def member_placements(self) -> FloatArray:
        """Return (m,) shares of the non-members of the same fold below each member, ties half."""
        found = np.full(len(self.member), 0.5)
        for number in range(self.networks):
            mine, others = self.member_fold == number, self.nonmember[self.nonmember_fold == number]
            if len(others):
                found[mine] = _below(self.member[mine], others) / len(others)
        return found

    def above(self, scores: FloatArray | None = None) -> FloatArray:
        """Return (n,) shares of images above each non-member, ties half: of questioned ones, or of the members.

        Args:
            scores: (q,) or (q, K) of the questioned; None compares with the members of the same fold.
        """
        found = np.full(len(self.nonmember), 0.5)
        for number in range(self.networks):
            mine = self.nonmember_fold == number
            if scores is None:
                others = self.member[self.member_fold == number]
            else:
                others = scores.reshape(len(scores), -1)[:, number]
            if len(others):
                found[mine] = 1 - _below(self.nonmember[mine], others) / len(others)
        return found


def cross_fitting_inflation(folds: int) -> float:
    """Return by how much the variance of a cross-fitted AUC exceeds that of independent scores: 1 + K / (K - 1).

    Networks that learned to tell the same known images apart err alike, so folds are no independent votes (Nadeau and
    Bengio 2003, equation 7; measured with trees on noise: 1.7 to 2.1 for five folds, 2.25 by the formula).

    Args:
        folds: K; 1 for networks that were not cross-fitted.
    """
    return 1.0 if folds == 1 else 1.0 + folds / (folds - 1)


def _below(scores: FloatArray, others: FloatArray) -> FloatArray:
    """Return how many of the others each score is above, ties half."""
    ordered = np.sort(others)
    left, right = (np.searchsorted(ordered, scores, side=side) for side in ("left", "right"))
    found: FloatArray = (left + right) / 2
    return found


def group_means(scores: FloatArray, groups: Numbers) -> tuple[FloatArray, NDArray[np.int64]]:
    """Return the mean score of each group and the group's place of each row.

    Args:
        scores: (n,) or (n, K).
        groups: (n,) numbers of groups.

    Returns:
        (g,) or (g, K) means, and (n,) rows of them.
    """
    _, place = np.unique(groups, return_inverse=True)
    columns = scores.reshape(len(scores), -1)
    sums = np.stack([np.bincount(place, weights=columns[:, number]) for number in range(columns.shape[1])], axis=1)
    means: FloatArray = sums / np.bincount(place)[:, None]
    return (means[:, 0] if scores.ndim == 1 else means), place.astype(np.int64)
