"""Known images are divided once, alike in every class, and groups stay whole."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onnxmint.errors import EvidenceError
from onnxmint.evidence.table import FIT, SHARES, TEST, EvidenceTable, divided, list_evidence
from onnxmint.stats.partition import divide


def gather_evidence(
    first: "_Source", second: "_Source", *, limit: int | None, rng: np.random.Generator
) -> EvidenceTable:
    return divided(list_evidence(first, second, limit=limit, rng=rng), rng)


@dataclass(frozen=True)
class _Entry:
    index: int
    label: int | None = None
    group: str | None = None


@dataclass(frozen=True)
class _Source:
    location: str
    listed: tuple[_Entry, ...]
    classes: tuple[str, ...] | None = None
    passed_over: tuple[object, ...] = ()

    def entries(self) -> tuple[_Entry, ...]:
        return self.listed


def _source(location: str, count: int, **options: object) -> _Source:
    return _Source(location, tuple(_Entry(index, label=index % 3) for index in range(count)), **options)


@settings(deadline=None, max_examples=50)
@given(
    members=st.integers(40, 300),
    nonmembers=st.integers(40, 300),
    classes=st.integers(1, 5),
    size=st.integers(1, 6),
    seed=st.integers(0, 1000),
)
def test_a_group_is_never_divided_and_shares_are_kept(
    members: int, nonmembers: int, classes: int, size: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    count = members + nonmembers
    is_member = np.arange(count) < members
    groups = np.arange(count) // size
    part = divide(is_member, rng.integers(0, classes, count), groups, rng, shares=SHARES)
    for group in np.unique(groups):
        assert len(np.unique(part[groups == group])) == 1
    for side in (is_member, ~is_member):
        for number, share in enumerate(SHARES):
            assert abs((part[side] == number).sum() - share * side.sum()) <= 2 * size + classes + 2


def test_the_division_is_alike_in_every_class() -> None:
    labels = np.repeat([0, 1, 2, 3], 100)
    is_member = np.tile([True, False], 200)
    part = divide(is_member, labels, None, np.random.default_rng(0), shares=SHARES)
    for label in range(4):
        for member in (True, False):
            counts = np.bincount(part[(labels == label) & (is_member == member)], minlength=len(SHARES))
            np.testing.assert_allclose(counts, 50 * np.array(SHARES), atol=2)


def test_the_same_seed_divides_alike_and_another_does_not() -> None:
    def parts(seed: int) -> np.ndarray:
        return gather_evidence(_source("a", 60), _source("b", 60), limit=None, rng=np.random.default_rng(seed)).part

    np.testing.assert_array_equal(parts(1), parts(1))
    assert (parts(1) != parts(2)).any()


def test_a_limit_draws_from_both_sides() -> None:
    table = gather_evidence(_source("a", 500), _source("b", 300), limit=50, rng=np.random.default_rng(0))
    assert table.is_member.sum() == 50
    assert (~table.is_member).sum() == 50
    assert table.index[table.is_member].max() > 60


def test_three_images_are_too_few() -> None:
    with pytest.raises(EvidenceError, match="3 known members are too few"):
        gather_evidence(_source("a", 3), _source("b", 100), limit=None, rng=np.random.default_rng(0))


def test_a_place_cannot_be_both() -> None:
    with pytest.raises(EvidenceError, match="cannot be both"):
        gather_evidence(_source("a", 50), _source("a", 50), limit=None, rng=np.random.default_rng(0))


def test_few_groups_are_few_however_many_images() -> None:
    frames = _Source("a", tuple(_Entry(index, group=f"track{index // 30}") for index in range(300)))
    with pytest.raises(EvidenceError, match="only 10 groups"):
        gather_evidence(frames, _source("b", 100), limit=None, rng=np.random.default_rng(0))


def test_one_missing_label_means_no_labels() -> None:
    part = _Source("a", tuple(_Entry(index, label=None if index == 5 else 0) for index in range(50)))
    assert gather_evidence(part, _source("b", 50), limit=None, rng=np.random.default_rng(0)).labels is None


def test_folds_are_even_and_everything_is_tested() -> None:
    rng = np.random.default_rng(0)
    table = divided(list_evidence(_source("a", 60), _source("b", 90), limit=None, rng=rng), rng, folds=5)
    assert (table.part == TEST).all()
    for side, count in ((table.is_member, 12), (~table.is_member, 18)):
        assert np.bincount(table.fold[side]).tolist() == [count] * 5
    assert len(FIT) == 5
