"""A lead on the same images: its interval covers what it should, and noise settles nothing."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onnxmint.stats.leads import lead_of_means, lead_of_rates


def _right(count: int, of: int) -> np.ndarray:
    return np.arange(of) < count


def test_a_lead_is_the_difference_of_shares_with_agresti_and_mins_interval() -> None:
    lead = lead_of_rates(_right(60, 60), _right(55, 60))  # five more, none fewer
    half = 1.959964 * math.sqrt(6 - 25 / 62) / 62
    assert lead.value == pytest.approx(5 / 60)
    assert (lead.low, lead.high) == pytest.approx((5 / 62 - half, 5 / 62 + half))
    assert lead.settled
    assert lead.enough is not None
    assert lead.enough <= 60
    small = lead_of_rates(_right(20, 20), _right(18, 20))
    assert not small.settled
    assert small.enough is not None
    assert small.enough > 20


@given(st.integers(2, 300), st.integers(0, 2**32 - 1))
def test_a_lead_turns_with_its_sides(count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    first, second = rng.random(count) < 0.7, rng.random(count) < 0.6
    for one, other in (
        (lead_of_rates(first, second), lead_of_rates(second, first)),
        (lead_of_means(first * 1.0, second * 1.0), lead_of_means(second * 1.0, first * 1.0)),
    ):
        assert one.value == pytest.approx(-other.value)
        assert (one.low, one.high) == pytest.approx((-other.high, -other.low))
        assert not (one.settled and other.settled)


def test_equal_ways_are_not_told_apart_by_any_number_of_images() -> None:
    same = _right(50, 80)
    assert lead_of_rates(same, same).enough is None
    assert lead_of_means(same * 1.0, same * 1.0).enough is None
    assert not lead_of_rates(same, same).settled
    one = lead_of_means(np.array([1.0]), np.array([0.0]))
    assert (one.low, one.high, one.settled) == (-1.0, 1.0, False)


@pytest.mark.parametrize("ways", [2, 5])
def test_the_best_of_equals_leads_the_second_beyond_noise_in_at_most_five_of_a_hundred_samples(ways: int) -> None:
    """The best is chosen by the same images: the two best of several are nearer than two that were not chosen."""
    rng, wrong, samples = np.random.default_rng(0), 0, 2000
    for _ in range(samples):
        shared = rng.random(100)
        right = [np.where(rng.random(100) < 0.5, shared, rng.random(100)) < 0.7 for _ in range(ways)]
        right.sort(key=lambda one: -one.sum())
        wrong += lead_of_rates(right[0], right[1]).settled
    assert wrong / samples <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / samples)


@pytest.mark.parametrize("count", [40, 200])
def test_intervals_of_a_lead_cover_it(count: int) -> None:
    rng, samples = np.random.default_rng(1), 2000
    covered = {"rates": 0, "means": 0}
    for _ in range(samples):
        shared = rng.random(count)
        first, second = shared < 0.8, np.where(rng.random(count) < 0.3, rng.random(count), shared) < 0.7
        lead = lead_of_rates(first, second)
        covered["rates"] += lead.low <= 0.1 <= lead.high
        means = lead_of_means(shared + rng.normal(0.1, 1, count), shared)
        covered["means"] += means.low <= 0.1 <= means.high
    assert all(number / samples >= 0.93 for number in covered.values())
