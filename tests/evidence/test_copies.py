"""Copies among known images: both sides contradict each other, few are left out, many become groups."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from onnxmint.errors import EvidenceError
from onnxmint.evidence.copies import group_copies, settle_copies
from onnxmint.evidence.known import Evidence
from tests.known import facts, known


def _copied(evidence: Evidence, pairs: list[tuple[int, int]], *, exact: bool = True) -> Evidence:
    """Return the evidence with the second image of each pair a copy, or a near copy, of the first."""
    looks = evidence.facts
    made: dict[str, Any] = {name: getattr(looks, name).copy() for name in ("digest", "phash", "thumb")}
    for first, second in pairs:
        made["phash"][second], made["thumb"][second] = looks.phash[first], looks.thumb[first]
        if exact:
            made["digest"][second] = looks.digest[first]
    return replace(evidence, facts=replace(looks, **made))


def test_different_images_are_left_as_they_are() -> None:
    left, done = settle_copies(known(60))
    assert len(left.table.index) == done.known == 120
    assert left.table.groups is None
    assert (done.on_both_sides, done.near_copies_of_members, done.left_out, done.grouped) == (0, 0, 0, 0)
    assert done.left_out_images == ()


def test_an_image_on_both_sides_is_left_out_of_both() -> None:
    left, done = settle_copies(_copied(known(60), [(7, 61)]))
    assert done.on_both_sides == 1
    assert set(done.left_out_images) == {"members/7", "nonmembers/1"}
    assert (left.table.is_member.sum(), (~left.table.is_member).sum()) == (59, 59)


def test_a_non_member_that_is_a_near_copy_of_a_member_is_left_out() -> None:
    left, done = settle_copies(_copied(known(60), [(7, 61)], exact=False))
    assert (done.on_both_sides, done.near_copies_of_members) == (0, 1)
    assert done.left_out_images == ("nonmembers/1",)
    assert (left.table.is_member.sum(), (~left.table.is_member).sum()) == (60, 59)


def test_of_few_copies_on_one_side_one_stays() -> None:
    left, done = settle_copies(_copied(known(60), [(3, 4), (3, 5)]))
    assert (done.left_out, done.grouped) == (2, 0)
    assert done.left_out_images == ("members/4", "members/5")
    assert left.table.is_member.sum() == 58
    assert left.table.groups is None


def test_many_copies_become_groups() -> None:
    pairs = [(row, row + 1) for row in range(0, 40, 2)]
    left, done = settle_copies(_copied(known(60), pairs))
    assert (done.left_out, done.grouped) == (0, 20)
    assert left.table.groups is not None
    assert len(left.table.index) == 120
    assert len(np.unique(left.table.groups)) == 100
    for first, second in pairs:
        assert left.table.groups[first] == left.table.groups[second]


def test_copies_join_the_groups_that_there_are() -> None:
    evidence = known(100, groups=np.arange(200) // 2)
    left, done = settle_copies(_copied(evidence, [(3, 9)]))
    assert (done.left_out, done.grouped) == (0, 1)
    assert left.table.groups is not None
    assert len(set(left.table.groups[[2, 3, 8, 9]].tolist())) == 1
    assert len(np.unique(left.table.groups)) == 99


def test_the_same_images_on_both_sides_are_no_evidence() -> None:
    with pytest.raises(EvidenceError, match="60 of the known members are given as non-members too"):
        settle_copies(_copied(known(60), [(row, row + 60) for row in range(60)]))


def test_questioned_images_stand_for_themselves_unless_some_are_copies() -> None:
    looks = facts(6)
    assert group_copies(looks, None) is None
    thumb, phash = looks.thumb.copy(), looks.phash.copy()
    thumb[4], phash[4] = thumb[1], phash[1]
    found = group_copies(replace(looks, thumb=thumb, phash=phash), None)
    assert found is not None
    assert found[4] == found[1]
    assert len(np.unique(found)) == 5
    both = group_copies(replace(looks, thumb=thumb, phash=phash), np.array([0, 0, 1, 2, 3, 3]))
    assert both is not None
    assert len(set(both[[0, 1, 4, 5]].tolist())) == 1
    assert len(np.unique(both)) == 3
