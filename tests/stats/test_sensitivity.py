"""The sensitivity value is the weight of the worst selection that a finding stands up to."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onnxmint.stats.heldout import HeldOut
from onnxmint.stats.sensitivity import sensitivity
from onnxmint.stats.set_test import compare_sets

grid = (np.arange(20_000) + 0.5) / 20_000


def mean_under(weight: np.ndarray) -> float:
    return float((grid * weight).sum() / weight.sum())


def test_it_is_that_of_the_paper() -> None:
    found = sensitivity(0.58, 0.52)
    assert found is not None
    assert found.effect == pytest.approx(0.56)
    assert found.weight == pytest.approx(1.27, abs=0.005)
    assert found.preference == pytest.approx(1.27**2, abs=0.02)


def test_no_finding_has_none() -> None:
    assert sensitivity(0.51, 0.52) is None
    assert sensitivity(1.0, 0.5) is None


@given(st.floats(1, 5), st.lists(st.floats(-1, 1), min_size=20, max_size=20))
def test_no_selection_within_the_weights_goes_further(weight: float, chosen: list[float]) -> None:
    """G / (1 + G) is reached by weighing up what lies above it, and by no other weights exceeded."""
    most = weight / (1 + weight)
    steps = weight ** np.repeat(np.array(chosen), 1000)
    assert mean_under(steps) <= most + 1e-4
    assert mean_under(np.where(grid > most, weight, 1 / weight)) == pytest.approx(most, abs=1e-4)


@given(st.floats(1, 5))
def test_the_worst_selection_varies_less_than_none(weight: float) -> None:
    worst = np.where(grid > weight / (1 + weight), weight, 1 / weight)
    mean = mean_under(worst)
    assert float(((grid - mean) ** 2 * worst).sum() / worst.sum()) <= 1 / 12 + 1e-6


def test_a_selection_of_that_strength_is_not_found_more_often_than_allowed() -> None:
    """Non-members chosen with the preference that the finding was said to stand up to."""
    rng, stood, runs = np.random.default_rng(0), 0, 200
    for _ in range(runs):
        pool = rng.random(4000)
        worst = np.where(pool > 1.3 / 2.3, 1.3, 1 / 1.3)
        asked = rng.choice(pool, 400, replace=False, p=worst / worst.sum())
        found = compare_sets(asked, HeldOut.of(np.empty(0), rng.random(500)), alpha=0.05)
        value = sensitivity(found.effect, found.needed)
        stood += value is not None and value.weight > 1.3
    assert stood / runs <= 0.05


def test_it_is_one_where_the_test_just_finds_members() -> None:
    found = sensitivity(0.53, 0.53)
    assert found is not None
    assert (found.weight, found.preference) == (1, 1)
