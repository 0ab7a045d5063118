"""Copies among images: copies on both sides of an audit hide or fake a difference, and copies are no independent votes.

A near copy is one that the eye takes for the same picture: recompressed, slightly brighter, resized, a next frame.
"""

import itertools
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

NEAR_BITS = 4  # of the 64 of a perceptual hash; recompressing and resizing rarely turn more
NEAR_LEVELS = 6  # of 255, mean difference of the thumbnails; the hash knows neither colour nor contrast
_EDGES = tuple(64 * band // (NEAR_BITS + 1) for band in range(NEAR_BITS + 2))  # one band more than bits that differ
_REACH = 512  # images of its bucket that one is compared with; only very many of one hash and brightness are more
_PAIRS = 1 << 16  # thumbnails compared at once; bounds the memory

Numbers = NDArray[np.int64]


def exact(digest: NDArray[np.uint64]) -> Numbers:
    """Return (n,) numbers of clusters from (n,) digests: images of the same pixels share a number."""
    return np.unique(digest, return_inverse=True)[1].astype(np.int64)


def copies(
    digest: NDArray[np.uint64], phash: NDArray[np.uint64], thumb: NDArray[np.uint8], *, at_once: int = _PAIRS
) -> Numbers:
    """Return (n,) numbers of clusters: images that are exact or near copies share a number, transitively.

    Two images are near copies when their hashes differ in at most NEAR_BITS bits and their thumbnails by at most
    NEAR_LEVELS in the mean. Of NEAR_BITS + 1 bands of the hash one is then equal in both, so only images of equal
    bands are compared, and of those only images of nearly the same brightness.

    Args:
        digest: (n,) hash of the pixels.
        phash: (n,) perceptual hash.
        thumb: (n, 192) thumbnail.
        at_once: pairs of thumbnails compared at once.
    """
    _, first, number = np.unique(digest, return_index=True, return_inverse=True)
    return _near(phash[first], thumb[first], at_once)[number]


def _near(phash: NDArray[np.uint64], thumb: NDArray[np.uint8], at_once: int) -> Numbers:
    """Return numbers of clusters of near copies among images that are all different."""
    numbers = np.arange(len(phash))
    colour = thumb.reshape(len(thumb), thumb.shape[1] // 3, 3).sum(axis=1, dtype=np.int32)
    brightness = colour.sum(axis=1, dtype=np.int64)
    # Equal hashes first: most copies have them, and what is joined already is not compared again.
    passes = [(exact(phash), range(1))]
    passes += [(_band(phash, *edges), range(1, NEAR_BITS + 1)) for edges in itertools.pairwise(_EDGES)]
    for key, bits in passes:
        # The mean absolute difference is at least the difference of the means: what follows a little later in this
        # order, in the same bucket, is all that can be a copy.
        place = key << 16 | brightness
        order = np.argsort(place, kind="stable")
        end = np.searchsorted(place[order], place[order] + NEAR_LEVELS * thumb.shape[1], side="right")
        reach = np.minimum(end - 1 - np.arange(len(order)), _REACH)
        numbers = _sweep(order, reach, _Looks(phash, colour, thumb, bits, at_once), numbers)
    return numbers


def _band(phash: NDArray[np.uint64], low: int, high: int) -> Numbers:
    """Return the bits low..high - 1 of hashes."""
    return (phash >> np.uint64(low) & np.uint64((1 << (high - low)) - 1)).astype(np.int64)


class _Looks(NamedTuple):
    """What tells whether two images are near copies."""

    phash: NDArray[np.uint64]  # (n,)
    colour: NDArray[np.int32]  # (n, 3) sums of the thumbnail: if they are far apart, so is the thumbnail
    thumb: NDArray[np.uint8]  # (n, 192)
    bits: range  # of which the hashes may differ
    at_once: int  # pairs of thumbnails

    def copies_among(self, left: Numbers, right: Numbers) -> tuple[Numbers, Numbers]:
        """Return those of some pairs that are near copies."""
        differ = _count_bits(self.phash[left] ^ self.phash[right])
        alike = (differ >= self.bits.start) & (differ < self.bits.stop)
        left, right = left[alike], right[alike]
        most = NEAR_LEVELS * self.thumb.shape[1]
        alike = np.abs(self.colour[left] - self.colour[right]).sum(axis=1) <= most
        left, right = left[alike], right[alike]
        near = np.zeros(len(left), bool)
        for start in range(0, len(left), self.at_once):
            part = slice(start, start + self.at_once)
            apart = np.abs(self.thumb[left[part]].astype(np.int16) - self.thumb[right[part]])
            near[part] = apart.sum(axis=1, dtype=np.int64) <= most
        return left[near], right[near]


def _sweep(order: Numbers, reach: Numbers, looks: _Looks, numbers: Numbers) -> Numbers:
    """Compare each image with the `reach` images that follow it in the order, and join the copies.

    Args:
        order: (n,) image at each place.
        reach: (n,) how many of the next places may hold a copy of the image at this place.
        looks: what to compare of each image.
        numbers: (n,) clusters so far.
    """
    pairs: list[tuple[Numbers, Numbers]] = []
    found, step = 0, 1
    places = np.flatnonzero(reach >= step)
    while len(places):
        left, right = order[places], order[places + step]
        open_ = numbers[left] != numbers[right]
        pairs.append(looks.copies_among(left[open_], right[open_]))
        found += len(pairs[-1][0])
        if found > len(order):  # bounds the memory, and spares comparing what hangs together already
            numbers, pairs, found = _join(numbers, pairs), [], 0
        step += 1
        places = places[reach[places] >= step]
    return _join(numbers, pairs)


def _count_bits(words: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """Return how many bits of each word are 1 (np.bitwise_count needs NumPy 2)."""
    octets = np.ascontiguousarray(words).view(np.uint8).reshape(-1, 8)
    count: NDArray[np.uint8] = _BITS_OF[octets].sum(axis=1, dtype=np.uint8)
    return count


_BITS_OF = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).sum(axis=1, dtype=np.uint8)


def _join(numbers: Numbers, pairs: list[tuple[Numbers, Numbers]]) -> Numbers:
    """Return the clusters after those that some pairs connect became one."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    left = numbers[np.concatenate([np.empty(0, np.int64), *(pair[0] for pair in pairs)])]
    right = numbers[np.concatenate([np.empty(0, np.int64), *(pair[1] for pair in pairs)])]
    graph: Any = coo_array((np.ones(len(left), bool), (left, right)), shape=(len(numbers), len(numbers)))
    joined: Numbers = connected_components(graph, directed=False)[1].astype(np.int64)
    return joined[numbers]
