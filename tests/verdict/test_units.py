"""Units keep the level: questioned and known ones are made of as many images, or of one."""

import numpy as np
import pytest

from onnxmint.stats.set_test import compare_sets
from onnxmint.verdict.units import Units, as_units
from onnxmint.verdict.yardstick import Yardstick


def yardstick(score: np.ndarray, group: np.ndarray | None) -> Yardstick:
    count = len(score)
    return Yardstick(
        score=np.concatenate([score, score]).astype(np.float32),
        is_member=np.arange(2 * count) < count,
        is_test=np.ones(2 * count, np.bool_),
        fold=np.zeros(2 * count, np.int8),
        category=np.zeros(2 * count, np.int32),
        group=None if group is None else np.concatenate([group, group + 10_000]).astype(np.int32),
        number=np.arange(2 * count, dtype=np.int32),
    )


def units_of(
    asked: np.ndarray, groups: np.ndarray | None, known: np.ndarray, known_groups: np.ndarray | None, seed: int = 0
) -> Units:
    rng = np.random.default_rng(seed)
    digests = [rng.integers(0, 1 << 62, count).astype(np.uint64) for count in (len(asked), 2 * len(known))]
    return as_units(
        asked[:, None], np.arange(len(asked)), groups, yardstick(known, known_groups),
        digest=digests[0], known_digest=digests[1],
    )  # fmt: skip


@pytest.mark.parametrize(("known_size", "asked_size"), [(1, 1), (1, 5), (5, 1), (5, 5), (20, 2), (2, 20)])
def test_a_skewed_score_in_groups_of_any_size_keeps_the_level(known_size: int, asked_size: int) -> None:
    """Means of skewed scores lie above their median: against single images they were false alarms in 89%."""
    rng, false = np.random.default_rng(0), 0
    for run in range(400):
        known = rng.exponential(size=300)
        groups = None if known_size == 1 else np.arange(300) // known_size
        asked = rng.exponential(size=60 * asked_size)
        of_asked = None if asked_size == 1 else np.arange(len(asked)) // asked_size
        units = units_of(asked, of_asked, known, groups, run)
        assert len(units.score) == 60
        found = compare_sets(units.score, units.known.groups(), alpha=0.05, guarantee="average")
        false += found.p_value <= 0.05
    assert false / 400 < 0.08


def unequal(rng: np.random.Generator, count: int, single: float, size: int) -> np.ndarray:
    """Return groups of images of which a share are single and the rest as large."""
    return np.repeat(np.arange(count), np.where(rng.random(count) < single, 1, size))


@pytest.mark.parametrize(
    ("known_single", "asked_single", "skew", "correlation"),
    [(0.45, 0.0, 1, 0.0), (0.2, 0.0, 1, 0.0), (0.0, 0.45, -1, 0.0), (0.2, 0.45, -1, 0.0), (0.0, 0.4, -1, 0.5)],
)
def test_groups_of_unequal_sizes_keep_the_level(
    known_single: float, asked_single: float, skew: int, correlation: float
) -> None:
    """A mean of one image ranked against means of five was a false alarm in 15 to 50% of such sets."""
    rng, false, runs = np.random.default_rng(1), 0, 250

    def scores(groups: np.ndarray) -> np.ndarray:
        alike = rng.normal(size=groups.max() + 1)[groups]
        value = np.exp(np.sqrt(correlation) * alike + np.sqrt(1 - correlation) * rng.normal(size=len(groups)))
        return skew * value

    for run in range(runs):
        known_groups, groups = unequal(rng, 250, known_single, 5), unequal(rng, 100, asked_single, 5)
        units = units_of(scores(groups), groups, scores(known_groups), known_groups, run)
        found = compare_sets(units.score, units.known.groups(), alpha=0.05, guarantee="average")
        false += found.p_value <= 0.05
    assert false / runs < 0.085


def test_equal_groups_count_with_all_their_images() -> None:
    rng = np.random.default_rng(2)
    known, asked = np.arange(300) // 8, np.arange(400) // 8
    units = units_of(rng.normal(size=400), asked, rng.normal(size=300), known)
    assert units.size == 8  # the last of 38 known groups is smaller
    assert len(units.score) == 50
    assert len(units.known.groups().nonmember) == 37


def test_every_image_has_its_unit() -> None:
    rng = np.random.default_rng(1)
    groups = np.array([7, 3, 7, 7, 5])
    units = units_of(np.arange(5.0), groups, rng.normal(size=50), None)
    assert units.size == 1
    assert units.grouped
    assert units.unit.tolist() == [2, 0, 2, 2, 1]
    assert sorted(units.place.tolist()) == [0, 1, 2]
    for row, place in zip(units.row, units.place, strict=True):
        assert units.score[place, 0] == row
        assert units.unit[row] == place


def test_the_image_of_the_smallest_digest_stays() -> None:
    known = yardstick(np.zeros(4), None)
    units = as_units(
        np.arange(4.0)[:, None], np.arange(4), np.array([0, 0, 0, 1]), known,
        digest=np.array([9, 2, 5, 7], np.uint64), known_digest=np.zeros(8, np.uint64),
    )  # fmt: skip
    assert units.row.tolist() == [1, 3]
