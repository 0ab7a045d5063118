"""Share of members and power: intervals cover, promises are kept, and the two say the same as the test of the set."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from onnxmint.stats.heldout import HeldOut
from onnxmint.stats.set_test import compare_sets
from onnxmint.stats.share import (
    _bounded_p,
    detectable_share,
    power,
    questioned_needed,
    share_of_members,
)
from onnxmint.stats.strength import Strength


def distance(auc: float) -> float:
    return float(np.sqrt(2) * norm.ppf(auc))


def known(rng: np.random.Generator, auc: float, count: int) -> HeldOut:
    return HeldOut.of(rng.normal(distance(auc), 1, count), rng.normal(0, 1, count))


def asked(rng: np.random.Generator, auc: float, count: int, share: float) -> np.ndarray:
    return rng.normal(0, 1, count) + distance(auc) * (np.arange(count) < round(share * count))


@pytest.mark.parametrize("share", [0.0, 0.2, 1.0])
@pytest.mark.parametrize(("auc", "count"), [(0.55, 100), (0.8, 500)])
def test_intervals_cover_the_truth(share: float, auc: float, count: int) -> None:
    rng, runs = np.random.default_rng(round(100 * share + 1000 * auc)), 400
    found = [share_of_members(asked(rng, auc, 300, share), known(rng, auc, count)) for _ in range(runs)]
    covered = np.mean([one.low <= share <= one.high for one in found])
    assert 0.92 < covered < 0.98
    assert all(0 <= one.low <= one.value <= one.high <= 1 for one in found)


def test_the_estimate_is_near_the_truth() -> None:
    rng = np.random.default_rng(5)
    found = share_of_members(asked(rng, 0.8, 4000, 0.3), known(rng, 0.8, 4000))
    assert found.value == pytest.approx(0.3, abs=0.06)
    assert found.high - found.low < 0.15


def test_without_a_difference_every_share_is_possible() -> None:
    rng = np.random.default_rng(6)
    found = share_of_members(rng.normal(size=100), HeldOut.of(rng.normal(size=50), rng.normal(size=50)))
    assert found.high - found.low > 0.5


def test_constant_scores_say_nothing_and_do_not_fail() -> None:
    found = share_of_members(np.zeros(20), HeldOut.of(np.zeros(30), np.zeros(30)))
    assert (found.low, found.high) == (0, 1)


def test_one_image_is_refused() -> None:
    with pytest.raises(ValueError, match="at least two units"):
        share_of_members(np.ones(1), HeldOut.of(np.ones(3), np.zeros(3)))


@settings(max_examples=60)
@given(st.floats(-3, 3), st.floats(0, 4), st.floats(0, 4))
def test_bounded_p_is_what_simulation_says(z: float, low: float, high: float) -> None:
    """The share of values as extreme by likelihood ratio, counted on a fine grid of a unit normal."""
    bounds = (-low - 1e-3, high + 1e-3)
    found = _bounded_p(np.array([z]), np.array([bounds[0]]), np.array([bounds[1]]))[0]
    values = norm.ppf((np.arange(20_001) + 0.5) / 20_001)
    gain = [value**2 - (value - np.clip(value, *bounds)) ** 2 for value in (values, np.array([z]))]
    assert found == pytest.approx(np.mean(gain[0] >= gain[1] - 1e-9), abs=2e-3)


@pytest.mark.parametrize(("auc", "count", "images"), [(0.6, 1000, 1000), (0.7, 500, 100), (0.8, 200, 300)])
def test_what_would_have_been_found_is_found(auc: float, count: int, images: int) -> None:
    """A promise is made from the evidence alone; then audits with just that share are run on the same evidence."""
    rng, kept, promised = np.random.default_rng(7), 0, 0
    for _ in range(500):
        evidence = known(rng, auc, count)
        share = detectable_share(Strength.measured(evidence), images, alpha=0.05)
        if share is not None:
            promised += 1
            kept += compare_sets(asked(rng, auc, images, share), evidence, alpha=0.05).p_value <= 0.05
    assert promised > 400
    assert kept / promised == pytest.approx(0.95, abs=0.035)


def test_more_of_anything_is_no_less_power() -> None:
    weak, strong = (Strength.expected(auc, 500, 500) for auc in (0.6, 0.7))
    shares = np.linspace(0.01, 1, 30)
    assert (np.diff(power(weak, 100, shares, alpha=0.05)) > 0).all()
    assert (power(strong, 100, shares, alpha=0.05) >= power(weak, 100, shares, alpha=0.05) - 1e-12).all()
    assert (power(weak, 200, shares[5:], alpha=0.05) > power(weak, 100, shares[5:], alpha=0.05)).all()


def test_the_number_needed_is_the_first_that_is_enough() -> None:
    strength = Strength.expected(0.7, 500, 500)
    count = questioned_needed(strength, 0.3, alpha=0.05)
    assert count is not None
    around = [power(strength, number, np.array([0.3]), alpha=0.05)[0] >= 0.95 for number in (count - 1, count)]
    assert around == [False, True]
    assert questioned_needed(Strength.expected(0.51, 50, 50), 0.1, alpha=0.05) is None
    assert detectable_share(Strength.expected(0.51, 50, 50), 100, alpha=0.05) is None


def test_expected_strength_is_that_of_two_normals() -> None:
    rng = np.random.default_rng(8)
    measured = Strength.measured(known(rng, 0.7, 20_000))
    expected = Strength.expected(0.7, 20_000, 20_000)
    assert measured.effect == pytest.approx(expected.effect, abs=0.01)
    assert measured.spread == pytest.approx(expected.spread, abs=0.003)
