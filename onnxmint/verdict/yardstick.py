"""What questioned images are measured by: the scores of known images that no network had learnt from."""

import hashlib
from dataclasses import dataclass, field, fields, replace

import numpy as np
from numpy.typing import NDArray

from onnxmint.evidence.table import EvidenceTable
from onnxmint.stats.estimates import FloatArray
from onnxmint.stats.heldout import HeldOut, cross_fitting_inflation, group_means
from onnxmint.stats.units import places_in_group

Rows = NDArray[np.int64]
_THUMB = 192  # bytes of a thumbnail


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOutScores:
    """What a module gave on known images that it had not learnt from, row by row.

    Attributes:
        table: the known images; `fold` is the network that scored a row.
        score: (n,) NaN where not held out or not read.
        folds: number of networks.
        surest: (n,) logarithm of the largest probability, NaN where not read.
        predicted: (n,) the model's top class, -1 where not read.
    """

    table: EvidenceTable
    score: FloatArray
    folds: int
    surest: FloatArray
    predicted: Rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Yardstick:
    """Held-out known images, one row an image, members and non-members together.

    Attributes:
        score: (h,) float32, by a network that did not learn from the image.
        is_member: (h,) bool.
        is_test: (h,) bool, whether performance was measured on it.
        fold: (h,) int8, number of that network; 0 throughout unless cross-fitted.
        category: (h,) int32, class of the image: its label where labels are told, else the target's top class.
        group: (h,) int32, what belongs together; None when images stand for themselves.
        number: (h,) int32, number of the known image, by which other facts of it are found.
        free: (h,) float32, the score that the target's own top class would have got; None where no labels are told.
        level: (h,) float32, mean log-odds over all views; None with fewer than two.
        free_level: (h,) float32, that of the target's own top class; None where no labels are told.
        right: (h,) bool, whether the target's top class is the image's label; None without labels.
    """

    score: NDArray[np.float32]
    is_member: NDArray[np.bool_]
    is_test: NDArray[np.bool_]
    fold: NDArray[np.int8]
    category: NDArray[np.int32]
    group: NDArray[np.int32] | None
    number: NDArray[np.int32]
    free: NDArray[np.float32] | None = None
    level: NDArray[np.float32] | None = None
    free_level: NDArray[np.float32] | None = None
    right: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        """Refuse columns of several lengths."""
        for column in fields(self):
            values = getattr(self, column.name)
            if values is not None and (values.ndim != 1 or len(values) != len(self.number)):
                raise ValueError(f"{column.name} of shape {values.shape} for {len(self.number)} images")

    def take(self, rows: NDArray[np.integer] | NDArray[np.bool_]) -> "Yardstick":
        """Return some rows."""
        return replace(
            self,
            score=self.score[rows],
            is_member=self.is_member[rows],
            is_test=self.is_test[rows],
            fold=self.fold[rows],
            category=self.category[rows],
            group=None if self.group is None else self.group[rows],
            number=self.number[rows],
            free=None if self.free is None else self.free[rows],
            level=None if self.level is None else self.level[rows],
            free_level=None if self.free_level is None else self.free_level[rows],
            right=None if self.right is None else self.right[rows],
        )

    @property
    def nonmembers(self) -> "Yardstick":
        """Return the non-members."""
        return self.take(~self.is_member)

    def test_scores(self, *, member: bool) -> FloatArray:
        """Return the scores of one side of the test part."""
        found: FloatArray = self.score[self.is_test & (self.is_member == member)].astype(np.float64)
        return found

    def with_nonmembers(self, numbers: NDArray[np.integer]) -> "Yardstick":
        """Return all members and only these non-members."""
        return self.take(self.is_member | np.isin(self.number, numbers))

    def images(self, stratum: Rows | None = None) -> HeldOut:
        """Return every image as a unit.

        Args:
            stratum: (h,) of each row; None compares all with all.
        """
        score, side = self.score.astype(np.float64), self.is_member
        return HeldOut(
            member_stratum=None if stratum is None else stratum[side],
            nonmember_stratum=None if stratum is None else stratum[~side],
            member=score[side],
            nonmember=score[~side],
            member_fold=self.fold[side],
            nonmember_fold=self.fold[~side],
            inflation=cross_fitting_inflation(self._networks),
        )

    @property
    def _networks(self) -> int:
        return int(self.fold.max(initial=0)) + 1

    def groups(self, stratum: Rows | None = None) -> HeldOut:
        """Return every group as a unit, by its mean score; images where there are no groups.

        Args:
            stratum: (h,) of each row, of a group that of its last row; None compares all with all.
        """
        if self.group is None:
            return self.images(stratum)
        sides = [self._means(member, stratum) for member in (True, False)]
        return HeldOut(
            member=sides[0][0],
            nonmember=sides[1][0],
            member_fold=sides[0][1],
            nonmember_fold=sides[1][1],
            inflation=cross_fitting_inflation(self._networks),
            member_stratum=None if stratum is None else sides[0][2],
            nonmember_stratum=None if stratum is None else sides[1][2],
        )

    def thinned(self, size: int, digest: NDArray[np.uint64]) -> "Yardstick":
        """Return so many images of every group, those of the smallest digests; smaller groups are left out.

        With 1 it is what a questioned image that stands for itself is exchangeable with.

        Args:
            size: images of a group that stay.
            digest: (h,) of the pixels.
        """
        if self.group is None:
            return self
        key = self.group.astype(np.int64) * 2 + self.is_member
        _, of, count = np.unique(key, return_inverse=True, return_counts=True)
        return self.take((places_in_group(key, digest) < size) & (count[of] >= size))

    def _means(self, member: bool, stratum: Rows | None) -> tuple[FloatArray, NDArray[np.int8], Rows]:
        mine = self.is_member == member
        side = self.take(mine)
        if side.group is None:
            raise ValueError("there are no groups")
        means, place = group_means(side.score.astype(np.float64), side.group)
        fold, of = np.zeros(len(means), np.int8), np.zeros(len(means), np.int64)
        fold[place] = side.fold  # a group is never divided between folds
        if stratum is not None:
            of[place] = stratum[mine]
        return means, fold, of


@dataclass(frozen=True, slots=True, kw_only=True)
class Traces:
    """What an auditor remembers of the known images, so that questioned ones can be held against them later.

    Attributes:
        digest: (n,) uint64, of the pixels of every known image: first those that the yardstick numbers, then those that
            were given and not used.
        is_member: (n,) bool, of each.
        features: (f, d) float32 of at most some thousand held-out non-members, that tell nothing of membership;
            (0, 0) when controls were switched off.
        described: (f,) int32, their numbers in the yardstick.
        difficulty: (h,) float32, mean log-odds of held-out non-members by given references; empty without.
        judged: (h,) int32, their numbers in the yardstick.
        phash: (n,) uint64, perceptual hash of every known image; none where they are too many to be kept.
        thumb: (n, 192) uint8, thumbnail of 8 x 8 pixels of each, by which near copies of known images are recognised.
    """

    digest: NDArray[np.uint64]
    is_member: NDArray[np.bool_]
    features: NDArray[np.float32]
    described: NDArray[np.int32]
    difficulty: NDArray[np.float32]
    judged: NDArray[np.int32]
    phash: NDArray[np.uint64] = field(default_factory=lambda: np.empty(0, np.uint64))
    thumb: NDArray[np.uint8] = field(default_factory=lambda: np.empty((0, _THUMB), np.uint8))

    def __post_init__(self) -> None:
        """Refuse columns of several lengths."""
        if self.thumb.shape != (len(self.phash), _THUMB) or len(self.phash) not in (0, len(self.digest)):
            raise ValueError(f"looks of shape {self.thumb.shape} for {len(self.digest)} images")
        if self.features.ndim != 2 or len(self.features) != len(self.described):  # noqa: PLR2004 - images, features
            raise ValueError(f"features of shape {self.features.shape} for {len(self.described)} images")
        for pair in ((self.digest, self.is_member), (self.difficulty, self.judged)):
            if pair[0].ndim != 1 or pair[0].shape != pair[1].shape:
                raise ValueError(f"columns of shapes {pair[0].shape} and {pair[1].shape} belong together")

    def identity(self, target_sha256: str) -> str:
        """Return the SHA-256 of a target and all known images with their sides, whatever was fitted on which."""
        found = hashlib.sha256(target_sha256.encode())
        for side in (self.is_member, ~self.is_member):
            found.update(np.unique(self.digest[side]).astype("<u8").tobytes() + b"/")
        return found.hexdigest()
