"""What is counted: images that stand for themselves, or groups of them, and known ones of the same kind."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onnxmint.stats.estimates import FloatArray
from onnxmint.stats.heldout import group_means, ranked
from onnxmint.stats.units import common_size, places_in_group
from onnxmint.verdict.yardstick import Yardstick
from onnxmint.writing import scratch

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Units:
    """Independent units of the questioned images.

    Attributes:
        score: (u, K) mean scores by each network.
        unit: (n,) unit of each scored image.
        row: (r,) rows of the source's entries that the units are made of; n or fewer.
        place: (r,) unit of each of them.
        size: images of which every unit is made.
        known: what they are measured by, as many images of every group.
    """

    score: FloatArray
    unit: Rows
    row: Rows
    place: Rows
    size: int
    known: Yardstick

    def of_units(self, values: Rows) -> Rows:
        """Return (u,) the value of each unit, of several images that of the last one.

        Args:
            values: (r,) of the rows that units are made of, as `row` has them.
        """
        found = np.zeros(len(self.score), np.int64)
        found[self.place] = values
        return found

    @property
    def grouped(self) -> bool:
        """Return whether some images count together."""
        return len(self.score) < len(self.unit)


def as_units(
    score: FloatArray,
    row: Rows,
    groups: Rows | None,
    yardstick: Yardstick,
    *,
    digest: NDArray[np.uint64],
    known_digest: NDArray[np.uint64],
) -> Units:
    """Make units of scored images, all of one size, and of known images of the same size.

    Means of few and of many images do not spread alike, so units are single images, one a group, unless the groups of
    both sides are large enough for more (`common_size`). Of a group the images of the smallest digests stay.

    Args:
        score: (n, K) by each network.
        row: (n,) rows of the source's entries.
        groups: (n,) what belongs together; None when images stand for themselves.
        yardstick: held-out known images.
        digest: (n,) of the pixels of the scored images.
        known_digest: (h,) of those of the yardstick.
    """
    if groups is None:
        unit = scratch.kept(np.arange(len(row)))
        return Units(
            score=_floats(score), unit=unit, row=row, place=unit, size=1, known=yardstick.thinned(1, known_digest)
        )
    unit = scratch.kept(ranked(groups))
    size = 1
    if yardstick.group is not None:
        size = common_size(unit, *(yardstick.group[yardstick.is_member == member] for member in (True, False)))
    kept = np.flatnonzero(places_in_group(unit, digest) < size)
    return _made(score, row, unit, kept, yardstick.thinned(size, known_digest))


def units_again(
    score: FloatArray,
    unit: Rows,
    counted: NDArray[np.bool_],
    yardstick: Yardstick,
    *,
    known_digest: NDArray[np.uint64],
) -> Units:
    """Return the units that were made before, of what was kept of them.

    Args:
        score: (n, K) by each network.
        unit: (n,) unit of each image.
        counted: (n,) whether its unit is made of it.
        yardstick: held-out known images.
        known_digest: (h,) of those of the yardstick.

    Raises:
        ValueError: no units could have been made so.
    """
    if len(unit) and not (unit.min() >= 0 and unit.max() < len(unit)):
        raise ValueError("scores.parquet counts units that it cannot hold")
    sizes = np.bincount(unit[counted], minlength=int(unit.max(initial=-1)) + 1)
    if len(unit) and (not sizes.all() or len(np.unique(sizes)) > 1):
        raise ValueError("the images of scores.parquet do not make units of one size")
    size = int(sizes[0]) if len(sizes) else 1
    return _made(score, np.arange(len(unit)), unit, np.flatnonzero(counted), yardstick.thinned(size, known_digest))


def _made(score: FloatArray, row: Rows, unit: Rows, kept: Rows, known: Yardstick) -> Units:
    """Return the units of images of which some are kept, all of one size."""
    means, place = group_means(score[kept], unit[kept])
    size = int(np.bincount(place).max(initial=1))
    return Units(
        score=scratch.kept(means),
        unit=unit,
        row=scratch.kept(row[kept]),
        place=scratch.kept(place),
        size=size,
        known=known,
    )


def _floats(score: FloatArray) -> FloatArray:
    """Return scores as the mean of each by itself."""
    return scratch.kept(score.astype(np.float64))
