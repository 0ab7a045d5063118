"""Units keep the level: groups of the questioned and of the known are thinned to the same size."""

import numpy as np
import pytest

from onnxmint.stats.set_test import compare_sets
from onnxmint.verdict.units import as_units
from onnxmint.verdict.yardstick import Yardstick, places_in_group


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


@pytest.mark.parametrize(("known_size", "asked_size"), [(1, 1), (1, 5), (5, 1), (5, 5), (20, 2), (2, 20)])
def test_a_skewed_score_in_groups_of_any_size_keeps_the_level(known_size: int, asked_size: int) -> None:
    """Means of skewed scores lie above their median: against single images they were false alarms in 89%."""
    rng, false = np.random.default_rng(0), 0
    for _ in range(400):
        known = rng.exponential(size=300)
        groups = None if known_size == 1 else np.arange(300) // known_size
        asked = rng.exponential(size=60 * asked_size)
        of_asked = None if asked_size == 1 else np.arange(len(asked)) // asked_size
        units = as_units(asked[:, None], np.arange(len(asked)), of_asked, yardstick(known, groups), rng)
        assert len(units.score) == 60
        false += compare_sets(units.score, units.known.groups(), alpha=0.05).p_value <= 0.05
    assert false / 400 < 0.08


def test_every_image_has_its_unit() -> None:
    rng = np.random.default_rng(1)
    groups = np.array([7, 3, 7, 7, 5])
    units = as_units(np.arange(5.0)[:, None], np.arange(5) + 10, groups, yardstick(rng.normal(size=50), None), rng)
    assert units.size == 1
    assert units.grouped
    assert units.unit.tolist() == [2, 0, 2, 2, 1]
    assert sorted(units.place.tolist()) == [0, 1, 2]
    for row, place in zip(units.row - 10, units.place, strict=True):
        assert units.score[place, 0] == row
        assert units.unit[row] == place


def test_places_count_up_within_each_group() -> None:
    groups = np.array([4, 4, 9, 4, 9, 1])
    found = places_in_group(groups, np.random.default_rng(2))
    for group in (1, 4, 9):
        assert sorted(found[groups == group].tolist()) == list(range((groups == group).sum()))
