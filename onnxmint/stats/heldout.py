"""Known images scored by a network that did not learn from them: the yardstick of every statement about a set.

Everything rests on *placements*: the share of known non-members that an image scores above. Their mean is the AUC, they
do not depend on the scale of a score, and they are comparable between the networks of a cross-fitted module and between
strata: an image is placed among the known non-members of its own stratum only.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onnxmint.stats.estimates import FloatArray
from onnxmint.writing.scratch import empty, release

_BLOCK = 1 << 17  # images handled at once
Numbers = NDArray[np.integer]


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOut:
    """Scores of known images, each by a network that did not learn from it; independent units only.

    Attributes:
        member: (m,) scores of members; none where no member is known.
        nonmember: (n,) scores of non-members.
        member_fold: (m,) number of the network that gave each score; all 0 when there is one.
        nonmember_fold: (n,) the same.
        inflation: factor on every variance that comes from the known images; see `cross_fitting_inflation`.
        member_stratum: (m,) number of the stratum of each, None when all are compared with all.
        nonmember_stratum: (n,) the same.
        levels: so many neighbouring numbers are levels of confidence of one stratum, over which members are spread in
            another way than non-members.
    """

    member: FloatArray
    nonmember: FloatArray
    member_fold: Numbers
    nonmember_fold: Numbers
    inflation: float = 1.0
    member_stratum: Numbers | None = None
    nonmember_stratum: Numbers | None = None
    levels: int = 1

    def __post_init__(self) -> None:
        """Refuse strata of one side only."""
        if (self.member_stratum is None) != (self.nonmember_stratum is None):
            raise ValueError("need strata of members and of non-members, got those of one side")

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

    def columns(self, scores: FloatArray) -> FloatArray:
        """Return scores as (q, K), one column for each network.

        Raises:
            ValueError: another number of columns than networks, or NaN.
        """
        columns = scores.reshape(len(scores), -1)
        if columns.shape[1] < self.networks:
            raise ValueError(f"need scores by {self.networks} networks, got {columns.shape[1]}")
        if np.isnan(columns).any():
            raise ValueError("scores hold NaN, none may be")
        return columns

    def strata(self, stratum: Numbers | None, count: int) -> tuple[Numbers, Numbers]:
        """Return the strata of so many questioned images and of the non-members; one for all where there are none.

        Raises:
            ValueError: only one of the two has strata, or there are not as many as images.
        """
        if (stratum is None) != (self.nonmember_stratum is None):
            raise ValueError("need strata of the questioned and of the known images, got those of one side")
        if stratum is None or self.nonmember_stratum is None:
            return np.zeros(count, np.int64), np.zeros(len(self.nonmember), np.int64)
        if len(stratum) != count:
            raise ValueError(f"need the strata of {count} images, got {len(stratum)}")
        return stratum, self.nonmember_stratum

    def placements(self, scores: FloatArray, stratum: Numbers | None = None) -> FloatArray:
        """Return (q,) shares of the non-members below each image, ties half; 1/2 where its stratum knows none.

        Args:
            scores: (q,) or (q, K), one column for each network.
            stratum: (q,) where the known images have strata.

        Raises:
            ValueError: another number of columns than networks, strata on one side only, or NaN.
        """
        return self.standing(scores, stratum)[0]

    def standing(self, scores: FloatArray, stratum: Numbers | None = None) -> tuple[FloatArray, FloatArray]:
        """Return `placements`, and (q,) shares of the non-members that score as high or higher; 1 where none is known.

        Args:
            scores: as in `placements`.
            stratum: as in `placements`.
        """
        columns = self.columns(scores)
        asked, known = self.strata(stratum, len(columns))
        below, above = empty((len(columns),), np.float64), empty((len(columns),), np.float64)
        for part in in_blocks(len(columns)):
            below[part], above[part] = self._standing(columns[part], asked[part], known)
        release()
        return below, above

    def _standing(self, columns: FloatArray, asked: Numbers, known: Numbers) -> tuple[FloatArray, FloatArray]:
        """Return what `standing` does of (q, K) scores in strata, and the non-members in theirs."""
        below, above, count = np.zeros((3, len(columns)))
        for number in range(self.networks):
            mine = self.nonmember_fold == number
            low, high, total = _counts(columns[:, number], asked, self.nonmember[mine], known[mine])
            below, above, count = below + (low + high) / 2, above + total - low, count + total
        met, among = count > 0, np.maximum(count, 1)
        return np.where(met, below / among, 0.5), np.where(met, above / among, 1.0)

    def member_placements(self) -> FloatArray:
        """Return (m,) shares of the non-members of the same fold and stratum below each member, ties half."""
        found = np.full(len(self.member), 0.5)
        for number in range(self.networks):
            mine, theirs = self.member_fold == number, self.nonmember_fold == number
            inside, outside = (
                np.zeros(side.sum(), np.int64) if stratum is None else stratum[side]
                for side, stratum in ((mine, self.member_stratum), (theirs, self.nonmember_stratum))
            )
            low, high, total = _counts(self.member[mine], inside, self.nonmember[theirs], outside)
            found[mine] = np.where(total > 0, (low + high) / 2 / np.maximum(total, 1), 0.5)
        return found

    def above(self, scores: FloatArray | None = None) -> FloatArray:
        """Return (n,) shares of images above each non-member, ties half: of questioned ones, or of the members.

        Strata are left aside.

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
                ordered = np.sort(others)
                left, right = (np.searchsorted(ordered, self.nonmember[mine], side=side) for side in ("left", "right"))
                found[mine] = 1 - (left + right) / 2 / len(others)
        return found


def in_blocks(count: int) -> Iterator[slice]:
    """Yield slices of so many images that what is computed of each by itself needs little memory of all."""
    for start in range(0, count, _BLOCK):
        yield slice(start, start + _BLOCK)


def cross_fitting_inflation(folds: int) -> float:
    """Return by how much the variance of a cross-fitted AUC exceeds that of independent scores: 1 + K / (K - 1).

    Networks that learned to tell the same known images apart err alike, so folds are no independent votes (Nadeau and
    Bengio 2003, equation 7; measured with trees on noise: 1.7 to 2.1 for five folds, 2.25 by the formula).

    Args:
        folds: K; 1 for networks that were not cross-fitted.
    """
    return 1.0 if folds == 1 else 1.0 + folds / (folds - 1)


def _counts(
    scores: FloatArray, stratum: Numbers, others: FloatArray, other_stratum: Numbers
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return (q,) how many of the others of the same stratum are below each score, are not above it, and are in all.

    Scores become whole numbers that keep their order, so that one sorted row of stratum and score serves all strata.
    """
    both, place = np.unique(np.concatenate([scores, others]), return_inverse=True)
    strata, cell = np.unique(np.concatenate([stratum, other_stratum]), return_inverse=True)
    key = cell.astype(np.int64) * (len(both) + 1) + place
    ordered = np.sort(key[len(scores) :])
    first = np.searchsorted(ordered, np.arange(len(strata) + 1) * (len(both) + 1))
    mine = cell[: len(scores)]
    low, high = (np.searchsorted(ordered, key[: len(scores)], side=side) - first[mine] for side in ("left", "right"))
    return low.astype(np.float64), high.astype(np.float64), (first[mine + 1] - first[mine]).astype(np.float64)


def ranked(values: Numbers) -> NDArray[np.int64]:
    """Return (n,) the place of each value among the distinct ones, as `np.unique` does, with less memory."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    rank = np.zeros(len(values), np.int32)
    np.cumsum(ordered[1:] != ordered[:-1], out=rank[1:])
    del ordered
    found = np.empty(len(values), np.int64)
    found[order] = rank
    release()
    return found


def group_means(scores: FloatArray, groups: Numbers) -> tuple[FloatArray, NDArray[np.int64]]:
    """Return the mean score of each group and the group's place of each row.

    Args:
        scores: (n,) or (n, K).
        groups: (n,) numbers of groups.

    Returns:
        (g,) or (g, K) means, and (n,) rows of them; no row gives no group.
    """
    place = ranked(groups)
    columns = scores[:, None] if scores.ndim == 1 else scores
    sums = [np.bincount(place, weights=columns[:, number]) for number in range(columns.shape[1])]
    means: FloatArray = np.stack(sums, axis=1, dtype=np.float64)
    del sums
    means /= np.bincount(place)[:, None]
    return (means[:, 0] if scores.ndim == 1 else means), place
