"""Copies among images: copies on both sides of an audit hide or fake a difference, and copies are no independent votes.

A near copy is one that the eye takes for the same picture: recompressed, slightly brighter, resized, a next frame.
"""

import itertools
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from onnxmint.writing.scratch import Shelf, release

NEAR_BITS = 4  # of the 64 of a perceptual hash; recompressing and resizing rarely turn more
NEAR_LEVELS = 6  # of 255, mean difference of the thumbnails; the hash knows neither colour nor contrast
_EDGES = tuple(64 * band // (NEAR_BITS + 1) for band in range(NEAR_BITS + 2))  # one band more than bits that differ
_REACH = 512  # images of its bucket that one is compared with; only very many of one hash and brightness are more
_PAIRS = 1 << 16  # thumbnails compared at once; bounds the memory
_BLOCK = 1 << 17  # images handled at once
_DENSE = 0.25  # share of the images that have a neighbour so far away, from which on all are compared, in order

Numbers = NDArray[np.int64]
Clusters = NDArray[np.int32]


class Chosen:
    """Some rows of thumbnails, fetched when they are looked at."""

    def __init__(self, thumb: "Thumbs", rows: Numbers) -> None:
        """Keep the thumbnails, and which are meant, in this order."""
        self._thumb, self._rows = thumb, rows

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._rows)

    @property
    def shape(self) -> tuple[int, int]:
        """Return their number and bytes."""
        return len(self), self._thumb.shape[1]

    def __getitem__(self, rows: Any) -> NDArray[np.uint8]:
        """Return the thumbnails of some rows."""
        return self._thumb[self._rows[rows]]


class Stacked:
    """Thumbnails of two sets as one, the second behind the first."""

    def __init__(self, first: "Thumbs", second: "Thumbs") -> None:
        """Keep both."""
        self._first, self._second = first, second

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._first) + len(self._second)

    @property
    def shape(self) -> tuple[int, int]:
        """Return their number and bytes."""
        return len(self), self._first.shape[1]

    def __getitem__(self, rows: Any) -> NDArray[np.uint8]:
        """Return the thumbnails of some rows, which are numbers."""
        early = rows < len(self._first)
        found = np.empty((len(rows), self.shape[1]), np.uint8)
        found[early], found[~early] = self._first[rows[early]], self._second[rows[~early] - len(self._first)]
        return found


Thumbs = NDArray[np.uint8] | Shelf | Chosen | Stacked
"""(n, 192) uint8 thumbnails, which may lie on disk."""


def exact(digest: NDArray[np.uint64]) -> Numbers:
    """Return (n,) numbers of clusters from (n,) digests: images of the same pixels share a number."""
    return np.unique(digest, return_inverse=True)[1].astype(np.int64)


def copies(digest: NDArray[np.uint64], phash: NDArray[np.uint64], thumb: Thumbs, *, at_once: int = _PAIRS) -> Clusters:
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
    if not len(digest):
        return np.empty(0, np.int32)
    first, number = _distinct(digest)
    release()
    looks = _Looks(phash[first], _colours(thumb, first), thumb, first, at_once)
    return _near(looks)[number]


def _distinct(values: NDArray[Any]) -> tuple[Clusters, Clusters]:
    """Return (d,) where each distinct value comes first, by rising values, and (n,) which of these each one is."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    new = np.ones(len(values), np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=new[1:])
    del ordered
    number = np.empty(len(values), np.int32)
    number[order] = np.cumsum(new, dtype=np.int32) - 1
    return order[new].astype(np.int32), number


def _colours(thumb: Thumbs, rows: Clusters) -> NDArray[np.int16]:
    """Return (n, 3) sums of the thumbnails of some rows: if they are far apart, so are the thumbnails."""
    found = np.empty((len(thumb), 3), np.int16)
    for start in range(0, len(thumb), _BLOCK):
        some = thumb[np.arange(start, min(start + _BLOCK, len(thumb)))]
        found[start : start + _BLOCK] = some.reshape(len(some), -1, 3).sum(axis=1, dtype=np.int16)
    return found[rows]


class _Looks(NamedTuple):
    """What tells whether two of some images that are all different are near copies."""

    phash: NDArray[np.uint64]  # (n,)
    colour: NDArray[np.int16]  # (n, 3)
    thumb: Thumbs
    row: Clusters  # (n,) of the thumbnail of each
    at_once: int  # pairs of thumbnails

    def copies_among(self, left: Numbers, right: Numbers) -> tuple[Numbers, Numbers]:
        """Return those of some pairs, of nearly equal hashes, that are near copies."""
        most = NEAR_LEVELS * 3 * _PIXELS
        apart = np.abs(self.colour[left].astype(np.int32) - self.colour[right]).sum(axis=1)
        left, right = left[apart <= most], right[apart <= most]
        near = np.zeros(len(left), bool)
        for start in range(0, len(left), self.at_once):
            part = slice(start, start + self.at_once)
            pair = self.thumb[self.row[left[part]]].astype(np.int16), self.thumb[self.row[right[part]]]
            near[part] = np.abs(pair[0] - pair[1]).sum(axis=1, dtype=np.int64) <= most
        return left[near], right[near]


def _near(looks: _Looks) -> Clusters:
    """Return numbers of clusters of near copies among images that are all different."""
    numbers = np.arange(len(looks.phash), dtype=np.int32)
    brightness = looks.colour.sum(axis=1, dtype=np.int32)
    for low, high in ((0, 64), *itertools.pairwise(_EDGES)):
        # Equal hashes first: most copies have them, and what is joined already is not compared again.
        whole = (low, high) == (0, 64)
        key = _distinct(looks.phash)[1].astype(np.int64) if whole else _band(looks.phash, low, high)
        key <<= 16
        key |= brightness
        order, reach = _ordered(key)
        del key
        bits = range(1) if whole else range(1, NEAR_BITS + 1)
        numbers = _sweep(order, reach, looks, bits, numbers)
    return numbers


def _band(phash: NDArray[np.uint64], low: int, high: int) -> Numbers:
    """Return the bits low..high - 1 of hashes."""
    return (phash >> np.uint64(low) & np.uint64((1 << (high - low)) - 1)).astype(np.int64)


def _ordered(place: Numbers) -> tuple[Clusters, NDArray[np.int16]]:
    """Return (n,) the images by bucket and brightness, and how many of the next ones may be copies of each.

    The mean absolute difference is at least the difference of the means: what follows a little later in this order, in
    the same bucket, is all that can be a copy.
    """
    order = np.argsort(place, kind="stable").astype(np.int32)
    ordered = place[order]
    reach = np.empty(len(order), np.int16)
    for start in range(0, len(order), _BLOCK):
        some = ordered[start : start + _BLOCK]
        end = np.searchsorted(ordered, some + NEAR_LEVELS * 3 * _PIXELS, side="right")
        reach[start : start + _BLOCK] = np.minimum(end - 1 - np.arange(start, start + len(some)), _REACH)
    return order, reach


def _sweep(order: Clusters, reach: NDArray[np.int16], looks: _Looks, bits: range, numbers: Clusters) -> Clusters:
    """Compare each image with the `reach` images that follow it in the order, and join the copies.

    Args:
        order: (n,) image at each place.
        reach: (n,) how many of the next places may hold a copy of the image at this place.
        looks: what to compare of each image.
        bits: of which the hashes of copies differ.
        numbers: (n,) clusters so far.
    """
    pairs: list[tuple[Numbers, Numbers]] = []
    found, phash = 0, looks.phash[order]
    for step in range(1, int(reach.max(initial=0)) + 1):
        for places in _alike(phash, reach, step, bits):
            left, right = order[places].astype(np.int64), order[places + step].astype(np.int64)
            open_ = numbers[left] != numbers[right]
            pairs.append(looks.copies_among(left[open_], right[open_]))
            found += len(pairs[-1][0])
            if found > len(order):  # bounds the memory, and spares comparing what hangs together already
                numbers, pairs, found = _join(numbers, pairs), [], 0
    return _join(numbers, pairs)


def _alike(phash: NDArray[np.uint64], reach: NDArray[np.int16], step: int, bits: range) -> "itertools.chain[Numbers]":
    """Return lots of places whose image has a neighbour `step` places on with a hash that differs in so many bits.

    Args:
        phash: (n,) of the image at each place.
        reach: (n,) as in `_sweep`.
        step: how far on.
        bits: wanted.
    """

    def lots(start: int) -> list[Numbers]:
        stop = min(start + _BLOCK, len(phash) - step)
        within = reach[start:stop] >= step
        if within.mean() < _DENSE:
            place = np.flatnonzero(within) + start
            differ = _count_bits(phash[place] ^ phash[place + step])
            place = place[(differ >= bits.start) & (differ < bits.stop)]
        else:
            differ = _count_bits(phash[start:stop] ^ phash[start + step : stop + step])
            place = np.flatnonzero((differ >= bits.start) & (differ < bits.stop) & within) + start
        return [place[first : first + _BLOCK] for first in range(0, len(place), _BLOCK)]

    return itertools.chain.from_iterable(map(lots, range(0, len(phash) - step, _BLOCK)))


def _count_bits(words: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """Return how many bits of each word are 1."""
    if hasattr(np, "bitwise_count"):  # NumPy 2
        quick: NDArray[np.uint8] = np.bitwise_count(words)
        return quick
    octets = np.ascontiguousarray(words).view(np.uint8).reshape(-1, 8)
    count: NDArray[np.uint8] = _BITS_OF[octets].sum(axis=1, dtype=np.uint8)
    return count


_PIXELS = 64  # of a thumbnail
_BITS_OF = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).sum(axis=1, dtype=np.uint8)


def _join(numbers: Clusters, pairs: list[tuple[Numbers, Numbers]]) -> Clusters:
    """Return the clusters after those that some pairs connect became one, by rising least number."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    left = numbers[np.concatenate([np.empty(0, np.int64), *(pair[0] for pair in pairs)])]
    right = numbers[np.concatenate([np.empty(0, np.int64), *(pair[1] for pair in pairs)])]
    if not len(left):
        return numbers
    met, place = np.unique(np.concatenate([left, right]), return_inverse=True)
    ends = place[: len(left)], place[len(left) :]
    graph: Any = coo_array((np.ones(len(left), bool), ends), shape=(len(met), len(met)))
    joined = connected_components(graph, directed=False)[1]
    least = np.full(int(joined.max()) + 1, met[-1], np.int32)
    np.minimum.at(least, joined, met)
    becomes = np.arange(int(numbers.max()) + 1, dtype=np.int32)
    becomes[met] = least[joined]
    stays = np.zeros(len(becomes), np.bool_)
    stays[becomes] = True
    rank = np.cumsum(stays, dtype=np.int32) - 1
    return rank[becomes][numbers]
