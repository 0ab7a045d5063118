"""Likelihood ratios and probabilities: right for normals, calibrated, modest where nothing is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onnxmint.stats.heldout import HeldOut
from onnxmint.stats.likelihood import likelihood_ratios, probabilities


def test_two_normals_have_their_closed_form() -> None:
    rng = np.random.default_rng(0)
    known = HeldOut.of(rng.normal(1, 1, 40_000), rng.normal(0, 1, 20_000))
    scores = np.linspace(-1, 2, 7)
    np.testing.assert_allclose(np.log(likelihood_ratios(scores, known)), scores - 0.5, atol=0.06)


def test_probabilities_are_calibrated() -> None:
    """Of images with probability p, a share p are members."""
    rng = np.random.default_rng(1)
    known = HeldOut.of(rng.normal(1.5, 1, 5000), rng.normal(0, 1, 5000))
    truth = rng.random(60_000) < 0.2
    probability = probabilities(likelihood_ratios(rng.normal(0, 1, 60_000) + 1.5 * truth, known), 0.2)
    for low in (0.0, 0.2, 0.4, 0.6):
        mine = (probability >= low) & (probability < low + 0.2)
        assert truth[mine].mean() == pytest.approx(probability[mine].mean(), abs=0.03)


def test_nothing_known_is_a_ratio_of_one() -> None:
    assert likelihood_ratios(np.array([1.0, 2.0]), HeldOut.of(np.zeros(9), np.zeros(9))).tolist() == [1, 1]
    reverse = HeldOut.of(np.zeros(9) - np.arange(9), np.arange(9.0) + 5)
    assert likelihood_ratios(np.array([1.0, 2.0]), reverse).tolist() == [1, 1]


def test_no_ratio_beyond_what_known_images_can_support() -> None:
    known = HeldOut.of(np.arange(30.0) + 100, np.arange(20.0))
    ratio = likelihood_ratios(np.array([-1e6, 1e6]), known)
    assert ratio.tolist() == pytest.approx([1 / 31, 21])


def test_ratios_of_several_networks_are_averaged_as_logarithms() -> None:
    rng = np.random.default_rng(2)
    known = HeldOut.of(rng.normal(1, 1, 200), rng.normal(0, 1, 200))
    both = likelihood_ratios(np.array([[0.0, 2.0]]), known)[0]
    first, second = likelihood_ratios(np.array([0.0, 2.0]), known)
    assert both == pytest.approx(np.sqrt(first * second))


@given(st.floats(0.01, 0.99), st.floats(0.01, 100))
def test_bayes_rule_multiplies_odds(prior: float, ratio: float) -> None:
    found = probabilities(np.array([ratio]), prior)[0]
    assert found / (1 - found) == pytest.approx(ratio * prior / (1 - prior), rel=1e-9)
