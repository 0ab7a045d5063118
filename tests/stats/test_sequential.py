"""Looks at growing lots: the parts of the level add up, and no habit of stopping finds more than the level allows."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtr

from onnxmint.stats.sequential import Look, plan_looks

COUNTS = st.integers(1, 2_000_000)


@given(COUNTS, st.integers(1, 500), st.floats(1.1, 5), st.floats(0.01, 0.99))
def test_looks_grow_to_the_whole_set_and_spend_the_whole_level(
    count: int, first: int, growth: float, early: float
) -> None:
    looks = plan_looks(count, first=first, growth=growth, early=early)
    sizes = [look.size for look in looks]
    assert sizes[-1] == count
    assert sizes == sorted(set(sizes))
    assert sum(look.part for look in looks) == pytest.approx(1)
    assert looks[-1].part == (1 if len(looks) == 1 else pytest.approx(1 - early))


@given(COUNTS)
def test_the_last_lot_is_no_small_step(count: int) -> None:
    looks = plan_looks(count)
    assert all(after.size >= 1.35 * before.size for before, after in pairwise(looks))


def test_at_most_the_level_is_found_by_whoever_stops_at_the_best_look() -> None:
    rng, looks = np.random.default_rng(0), plan_looks(1000)
    sizes = [look.size for look in looks]
    walk = np.cumsum(rng.normal(size=(4_000, 1000)), axis=1)[:, np.array(sizes) - 1] / np.sqrt(sizes)
    smallest = np.min(ndtr(-walk) / [look.part for look in looks], axis=1)
    found = (smallest <= 0.05).mean()
    assert 0.02 < found <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 4_000)


@pytest.mark.parametrize("options", [{"count": 0}, {"count": 9, "growth": 1.0}, {"count": 9, "early": 1.0}])
def test_no_plan_is_made_of_what_cannot_be_one(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="no looks at"):
        plan_looks(**options)


def test_a_small_set_is_looked_at_once_at_the_whole_level() -> None:
    assert plan_looks(40) == (Look(size=40, part=1.0),)
