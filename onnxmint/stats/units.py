"""Which images stand for a group: a rule that another program can repeat, without a random draw."""

import numpy as np
from numpy.typing import NDArray

from onnxmint.stats.heldout import Numbers

Rows = NDArray[np.int64]

_MOST = 0.95  # share of the known groups that must be as large as a common size


def places_in_group(groups: Numbers, digest: NDArray[np.uint64]) -> Rows:
    """Return (n,) the place of each row in its group by rising digest, from 0.

    A digest of the pixels is as good as a random order, as it knows nothing of scores, and it is the same tomorrow.
    Rows of the same digest keep their order.

    Args:
        groups: (n,) numbers of groups.
        digest: (n,) of the pixels.
    """
    order, place = np.lexsort((digest, groups)), np.arange(len(groups), dtype=np.int32)
    ordered = groups[order]
    start = np.zeros_like(place)
    start[1:] = np.where(ordered[1:] != ordered[:-1], place[1:], 0)
    del ordered
    np.maximum.accumulate(start, out=start)
    place -= start
    found = np.empty(len(groups), np.int64)
    found[order] = place
    return found


def representatives(groups: Numbers | None, digest: NDArray[np.uint64]) -> Rows:
    """Return the rows of one image a group, the one of the smallest digest, ascending; all rows without groups."""
    if groups is None:
        return np.arange(len(digest))
    return np.flatnonzero(places_in_group(groups, digest) == 0)


def common_size(asked: Numbers, *known: Numbers) -> int:
    """Return the largest number of images that units can be made of, so that like is compared with like.

    Means of few and of many images do not spread alike, and of skewed scores not even around the same rank, so that
    units of unequal size break a rank test. All questioned groups must be as large; smaller known groups can be left
    out, but at most 5% of a side. Else units are single images, one a group.

    Args:
        asked: (q,) groups of the questioned images.
        known: (n,) groups of the known images of each side.
    """
    if not len(asked):
        return 1
    found = [int(np.unique(asked, return_counts=True)[1].min())]
    for groups in known:
        if len(groups):
            sizes = np.sort(np.unique(groups, return_counts=True)[1])
            found.append(int(sizes[int(np.floor(len(sizes) * (1 - _MOST)))]))
    return min(found)
