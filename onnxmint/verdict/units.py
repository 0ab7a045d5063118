"""What is counted: images that stand for themselves, or groups of them, and known ones of the same kind."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onnxmint.stats.estimates import FloatArray
from onnxmint.stats.heldout import group_means
from onnxmint.verdict.yardstick import Yardstick, places_in_group

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Units:
    """Independent units of the questioned images.

    Attributes:
        score: (u, K) mean scores by each network.
        unit: (n,) unit of each scored image.
        row: (r,) rows of the source's entries that the units are made of; n or fewer.
        place: (r,) unit of each of them.
        size: images of which a unit is made at most; 1 when every unit is a single image.
        known: what they are measured by, at most as many images a group.
    """

    score: FloatArray
    unit: Rows
    row: Rows
    place: Rows
    size: int
    known: Yardstick

    @property
    def grouped(self) -> bool:
        """Return whether some images count together."""
        return len(self.score) < len(self.unit)


def as_units(
    score: FloatArray, row: Rows, groups: Rows | None, yardstick: Yardstick, rng: np.random.Generator
) -> Units:
    """Make units of scored images.

    Means of few and of many images do not spread alike, so that questioned and known groups are thinned to the same
    size: the smaller of their typical sizes, which is 1 where one of the two knows no groups.

    Args:
        score: (n, K) by each network.
        row: (n,) rows of the source's entries.
        groups: (n,) what belongs together; None when images stand for themselves.
        yardstick: held-out known images.
        rng: draws the images that stay.
    """
    unit = np.arange(len(row)) if groups is None else np.unique(groups, return_inverse=True)[1].astype(np.int64)
    size = min(_typical(unit), 1 if yardstick.group is None else _typical(yardstick.nonmembers.group))
    kept = np.flatnonzero(places_in_group(unit, rng) < size)
    means, place = group_means(score[kept], unit[kept])
    return Units(score=means, unit=unit, row=row[kept], place=place, size=size, known=yardstick.thinned(size, rng))


def _typical(groups: NDArray[np.integer] | None) -> int:
    """Return the median size of groups, rounded up."""
    if groups is None or not len(groups):
        return 1
    return int(np.ceil(np.median(np.unique(groups, return_counts=True)[1])))
