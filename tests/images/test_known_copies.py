"""Questioned near copies of known images are recognised by the rule that known ones are told by."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from onnxmint.images.duplicates import NEAR_BITS, NEAR_LEVELS
from onnxmint.images.known_copies import Looks, known_already


def looks(rng: np.random.Generator, count: int, families: int) -> Looks:
    """Return facts of images that differ from a few ancestors by about as much as copies may."""
    parent = rng.integers(0, families, count)
    base = np.random.default_rng(0)
    phash = base.integers(0, 2**64, families, dtype=np.uint64)[parent]
    phash ^= np.uint64(1) << rng.integers(0, 64, count).astype(np.uint64)
    thumb = base.integers(20, 230, (families, 192))[parent] + rng.integers(-5, 6, (count, 1))
    return Looks(digest=rng.integers(0, 50, count).astype(np.uint64), phash=phash, thumb=thumb.astype(np.uint8))


def copy_of(one: Looks, row: int, other: Looks, place: int) -> bool:
    bits = (int(one.phash[row]) ^ int(other.phash[place])).bit_count()
    levels = np.abs(one.thumb[row].astype(int) - other.thumb[place]).mean()
    return bool(one.digest[row] == other.digest[place] or (bits <= NEAR_BITS and levels <= NEAR_LEVELS))


def slow(asked: Looks, known: Looks) -> list[bool]:
    """Spread from the known images to their copies, and to the copies of these."""
    every = Looks(
        digest=np.concatenate([asked.digest, known.digest]),
        phash=np.concatenate([asked.phash, known.phash]),
        thumb=np.concatenate([asked.thumb, known.thumb]),
    )
    count, reached = len(asked.digest), set(range(len(asked.digest), len(every.digest)))
    queue = list(reached)
    while queue:
        row = queue.pop()
        new = [
            other for other in range(len(every.digest)) if other not in reached and copy_of(every, row, every, other)
        ]
        reached.update(new)
        queue += new
    return [row in reached for row in range(count)]


def with_own_digests(found: Looks, start: int) -> Looks:
    """Return images that are no exact copies; those of the same digest must look the same."""
    return Looks(
        digest=np.arange(start, start + len(found.digest), dtype=np.uint64), phash=found.phash, thumb=found.thumb
    )


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32), st.integers(1, 25), st.integers(1, 25), st.integers(1, 12))
def test_copies_and_copies_of_copies_are_recognised(seed: int, asked: int, known: int, families: int) -> None:
    rng = np.random.default_rng(seed)
    mine, theirs = (
        with_own_digests(looks(rng, count, families), start) for count, start in ((asked, 0), (known, 1000))
    )
    assert (known_already(mine, theirs) >= 0).tolist() == slow(mine, theirs)


def test_an_exact_copy_names_the_first_known_image_that_it_is() -> None:
    rng = np.random.default_rng(1)
    known = Looks(
        digest=np.array([5, 6, 7, 6], np.uint64),
        phash=np.array([1 << 10, 3 << 30, 7 << 50, 3 << 30], np.uint64) * np.uint64(977),
        thumb=rng.integers(0, 255, (4, 192)).astype(np.uint8),
    )
    known.thumb[3] = known.thumb[1]
    asked = Looks(digest=known.digest[[1, 2]], phash=known.phash[[1, 2]], thumb=known.thumb[[1, 2]])
    assert known_already(asked, known).tolist() == [1, 2]


def test_nothing_is_recognised_among_nothing() -> None:
    none = Looks(digest=np.empty(0, np.uint64), phash=np.empty(0, np.uint64), thumb=np.empty((0, 192), np.uint8))
    one = Looks(digest=np.ones(1, np.uint64), phash=np.ones(1, np.uint64), thumb=np.zeros((1, 192), np.uint8))
    assert known_already(none, one).tolist() == []
    assert known_already(one, none).tolist() == [-1]
