"""Which images stand for a group is a rule, and units are of one size or single images."""

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onnxmint.stats.units import common_size, places_in_group, representatives

images = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 20)), min_size=1, max_size=40)


@given(images)
def test_places_count_up_within_each_group_by_digest(rows: list[tuple[int, int]]) -> None:
    groups, digest = (np.array(column, np.int64) for column in zip(*rows, strict=True))
    found = places_in_group(groups, digest.astype(np.uint64))
    for group in np.unique(groups):
        mine = groups == group
        assert sorted(found[mine]) == list(range(mine.sum()))
        assert (np.diff(digest[mine][np.argsort(found[mine])]) >= 0).all()


@given(images, st.randoms())
def test_the_same_images_stay_in_whatever_order_they_come(rows: list[tuple[int, int]], random: Random) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)
    kept = []
    for order in (rows, shuffled):
        groups, digest = (np.array(column, np.int64) for column in zip(*order, strict=True))
        kept.append(sorted(order[row] for row in representatives(groups, digest.astype(np.uint64))))
    assert kept[0] == kept[1]


def test_without_groups_every_image_stands_for_itself() -> None:
    assert representatives(None, np.zeros(3, np.uint64)).tolist() == [0, 1, 2]
    assert places_in_group(np.empty(0, np.int64), np.empty(0, np.uint64)).tolist() == []


@pytest.mark.parametrize(
    ("asked", "known", "size"),
    [
        ([8, 8, 8], [8] * 40, 8),
        ([8, 8, 1], [8] * 40, 1),
        ([8, 8, 9], [8] * 39 + [1], 8),  # one of 40 known groups may be smaller, it is left out
        ([8, 8, 9], [8] * 36 + [1] * 4, 1),
        ([3, 5], [20] * 40, 3),
        ([20, 20], [2] * 40, 2),
        ([], [2] * 40, 1),
    ],
)
def test_units_are_as_large_as_nearly_all_groups(asked: list[int], known: list[int], size: int) -> None:
    mine, theirs = (np.repeat(np.arange(len(sizes)), sizes) for sizes in (asked, known))
    assert common_size(mine, theirs) == size
    assert common_size(mine, theirs, np.repeat(np.arange(9), 2)) == min(size, 2)
    assert common_size(mine, theirs, np.empty(0, np.int64)) == size
