"""A sample that is the same however the work is cut: what it holds is decided by content, not by a draw from a list."""

import hashlib

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]


def bottom(digest: NDArray[np.uint64], count: int, *, seed: int, groups: Rows | None = None) -> Rows:
    """Return the rows of a sample, ascending: one of every content, or all contents of a group.

    Every content has a place in a random order that only it and the seed decide (bottom-k of a keyed hash), so that
    samples of parts can be merged to that of the whole, and nobody who does not know the seed can arrange one. A group
    has the place of its smallest digest: large groups are as likely as small ones.

    Args:
        digest: (n,) of contents.
        count: contents, or groups, of the sample.
        seed: another gives another sample.
        groups: (n,) what belongs together; None when each content stands for itself.
    """
    first = np.unique(digest, return_index=True)[1] if groups is None else _contents(digest, groups)
    name = digest[first] if groups is None else _smallest(digest[first], groups[first])
    chosen = _order(np.unique(name), seed)[:count]
    return np.sort(first[np.isin(name, chosen)]).astype(np.int64)


def likely(digest: NDArray[np.uint64], count: int, *, of: int, seed: int) -> NDArray[np.bool_]:
    """Return (n,) which contents are among the `count` of a sample of `of` images, nearly surely where these differ.

    A part cannot know the sample of the whole, but the order is that of a hash: what is far beyond the share that is
    wanted is not in it. Six standard deviations are added.

    Args:
        digest: (n,) of contents of a part.
        count: contents of the sample.
        of: images of the whole.
        seed: as of the sample.
    """
    share = (count + 6 * count**0.5 + 16) / max(of, 1)
    keys = [int.from_bytes(_key(name, seed)[:8], "big") for name in digest.tolist()]
    return np.array([key < share * 2**64 for key in keys], np.bool_)


def _key(name: int, seed: int) -> bytes:
    """Return the place of a content in the random order of a seed."""
    return hashlib.sha256(b"%d:%d" % (seed, name)).digest()


def _contents(digest: NDArray[np.uint64], groups: Rows) -> Rows:
    """Return the first row of every content of every group."""
    order = np.lexsort((np.arange(len(digest)), digest, groups))
    new = np.ones(len(order), np.bool_)
    new[1:] = (np.diff(groups[order]) != 0) | (digest[order][1:] != digest[order][:-1])
    return order[new]


def _smallest(digest: NDArray[np.uint64], groups: Rows) -> NDArray[np.uint64]:
    """Return (n,) the smallest digest of each row's group."""
    place = np.unique(groups, return_inverse=True)[1]
    found = np.full(int(place.max(initial=-1)) + 1, np.iinfo(np.uint64).max, np.uint64)
    np.minimum.at(found, place, digest)
    return found[place]


def _order(names: NDArray[np.uint64], seed: int) -> NDArray[np.uint64]:
    """Return names in the random order that the seed decides."""
    keys = [_key(name, seed) for name in names.tolist()]
    return names[np.array(sorted(range(len(keys)), key=keys.__getitem__), np.int64)]
