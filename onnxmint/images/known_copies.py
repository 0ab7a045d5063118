"""Questioned images that are near copies of known ones: they are known already, and their score proves nothing new."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onnxmint.images.duplicates import Chosen, Stacked, Thumbs, copies
from onnxmint.writing.scratch import kept

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Looks:
    """What copies are told by.

    Attributes:
        digest: (n,) uint64 hash of the pixels.
        phash: (n,) uint64 perceptual hash.
        thumb: (n, 192) uint8 thumbnail.
    """

    digest: NDArray[np.uint64]
    phash: NDArray[np.uint64]
    thumb: Thumbs

    def take(self, rows: Rows) -> "Looks":
        """Return some of the images."""
        return Looks(digest=self.digest[rows], phash=self.phash[rows], thumb=Chosen(self.thumb, rows))


def known_already(asked: Looks, known: Looks) -> NDArray[np.int32]:
    """Return (q,) the row of a known image that each questioned one is an exact or near copy of, -1 where of none.

    The rule is that by which known non-members that are near copies of known members are left out, copies of copies
    included: a yardstick without them and a questioned set with them are not exchangeable, and bursts and re-posts are
    common. Of several known ones it is the first.

    Args:
        asked: the questioned images.
        known: known images, of one side or of both.
    """
    count = len(asked.digest)
    if not count or not len(known.digest):
        return np.full(count, -1, np.int32)
    cluster = copies(
        kept(np.concatenate([asked.digest, known.digest])),
        kept(np.concatenate([asked.phash, known.phash])),
        Stacked(asked.thumb, known.thumb),
    )
    numbers, first = np.unique(cluster[count:], return_index=True)
    place = np.full(int(cluster.max()) + 1, -1, np.int32)  # of a cluster: its first known image
    place[numbers] = first
    return place[cluster[:count]]
