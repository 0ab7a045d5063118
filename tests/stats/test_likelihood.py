"""Likelihood ratios and probabilities: right where they are no straight line too, calibrated, modest, and checked."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onnxmint.stats.heldout import HeldOut
from onnxmint.stats.likelihood import calibration, likelihood_ratios, probabilities

Draw = Callable[[np.random.Generator, int, bool], np.ndarray]
FAMILIES: dict[str, Draw] = {
    "normal": lambda rng, count, member: rng.normal(0.6 * member, 1, count),
    "skewed": lambda rng, count, member: np.exp(rng.normal(0.8 * member, 1, count)),
    "few memorised": lambda rng, count, member: rng.normal(0, 1, count) + 6 * member * (rng.random(count) < 0.1),
}


def test_two_normals_have_their_closed_form() -> None:
    rng = np.random.default_rng(0)
    known = HeldOut.of(rng.normal(1, 1, 40_000), rng.normal(0, 1, 20_000))
    scores = np.linspace(-1, 2, 7)
    np.testing.assert_allclose(np.log(likelihood_ratios(scores, known)), scores - 0.5, atol=0.2)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_surest_images_are_members_as_often_as_is_said(name: str) -> None:
    """A straight line said .98 where .82 were members, and less where it should have said more."""
    rng, draw, said, true = np.random.default_rng(1), FAMILIES[name], [], []
    for _ in range(20):
        known = HeldOut.of(draw(rng, 500, True), draw(rng, 500, False))
        scores = np.concatenate([draw(rng, 2000, True), draw(rng, 2000, False)])
        probability = probabilities(likelihood_ratios(scores, known), 0.5)
        surest = np.argsort(-probability)[:400]
        said.append(probability[surest].mean())
        true.append(np.mean(surest < 2000))
    assert np.mean(said) == pytest.approx(np.mean(true), abs=0.05)


def test_members_narrower_than_non_members_are_not_called_sure() -> None:
    """The highest scores are all non-members': a straight line said .83 of images of which none was a member."""
    rng = np.random.default_rng(2)
    known = HeldOut.of(rng.normal(0.3, 0.5, 1000), rng.normal(0, 1, 1000))
    assert probabilities(likelihood_ratios(np.array([2.5, 3.0]), known), 0.5).max() < 0.7


def test_probabilities_are_calibrated() -> None:
    """Of images with probability p, a share p are members."""
    rng = np.random.default_rng(1)
    known = HeldOut.of(rng.normal(1.5, 1, 5000), rng.normal(0, 1, 5000))
    truth = rng.random(60_000) < 0.2
    probability = probabilities(likelihood_ratios(rng.normal(0, 1, 60_000) + 1.5 * truth, known), 0.2)
    for low in (0.0, 0.2, 0.4, 0.6):
        mine = (probability >= low) & (probability < low + 0.2)
        assert truth[mine].mean() == pytest.approx(probability[mine].mean(), abs=0.04)


def test_nothing_known_is_a_ratio_of_one() -> None:
    same = likelihood_ratios(np.array([1.0, 2.0]), HeldOut.of(np.zeros(9), np.zeros(9)))
    assert same.tolist() == pytest.approx([1, 1])
    reverse = HeldOut.of(np.zeros(9) - np.arange(9), np.arange(9.0) + 5)
    assert likelihood_ratios(np.array([1.0, 2.0]), reverse).tolist() == pytest.approx([1, 1])


@settings(deadline=None)
@given(st.lists(st.integers(-9, 9), min_size=1, max_size=30), st.lists(st.integers(-9, 9), min_size=1, max_size=30))
def test_ratios_rise_and_stay_within_what_known_images_can_support(member: list[int], nonmember: list[int]) -> None:
    known = HeldOut.of(np.array(member, float), np.array(nonmember, float))
    ratio = likelihood_ratios(np.linspace(-20, 20, 41), known)
    assert (np.diff(ratio) >= -1e-9).all()
    assert ratio.min() >= 1 / (len(member) + 1) - 1e-9
    assert ratio.max() <= len(nonmember) + 1 + 1e-9


def test_what_nothing_contradicts_is_as_sure_as_two_more_images_allow() -> None:
    known = HeldOut.of(np.arange(30.0) + 100, np.arange(20.0))
    ratio = likelihood_ratios(np.array([-1e6, 1e6]), known)
    assert ratio.tolist() == pytest.approx([2 / 32 / (20 / 22), 30 / 32 / (2 / 22)])


def test_one_member_on_top_is_no_certainty() -> None:
    rng = np.random.default_rng(3)
    known = HeldOut.of(np.append(rng.normal(0, 1, 199), 9), rng.normal(0, 1, 200))
    assert likelihood_ratios(np.array([9.0]), known)[0] < 4


def test_ratios_of_several_networks_are_averaged_as_logarithms() -> None:
    rng = np.random.default_rng(2)
    known = HeldOut.of(rng.normal(1, 1, 200), rng.normal(0, 1, 200))
    both = likelihood_ratios(np.array([[0.0, 2.0]]), known)[0]
    first, second = likelihood_ratios(np.array([0.0, 2.0]), known)
    assert both == pytest.approx(np.sqrt(first * second))


def halves(rng: np.random.Generator, draw: Draw, count: int) -> tuple[HeldOut, HeldOut]:
    first, second = (HeldOut.of(draw(rng, count, True), draw(rng, count, False)) for _ in range(2))
    return first, second


def test_the_check_rarely_finds_fault_with_what_holds() -> None:
    rng = np.random.default_rng(4)
    found = [calibration(*halves(rng, FAMILIES["normal"], 250)) for _ in range(100)]
    assert np.mean([one is not None and one.too_sure for one in found]) < 0.15
    assert all(one is not None and sum(one.images) == 500 for one in found)


def test_the_check_finds_fault_where_the_score_is_another_on_the_test_part() -> None:
    rng = np.random.default_rng(5)
    fit = HeldOut.of(rng.normal(2, 1, 250), rng.normal(0, 1, 250))
    found = calibration(fit, HeldOut.of(rng.normal(0.3, 1, 250), rng.normal(0, 1, 250)))
    assert found is not None
    assert found.too_sure
    assert found.said[-1] > 0.7
    assert found.seen[-1].value < 0.65


def test_a_handful_is_not_checked() -> None:
    few = HeldOut.of(np.ones(4), np.ones(9))
    assert calibration(few, few) is None


def test_sides_of_unequal_size_weigh_the_same() -> None:
    rng = np.random.default_rng(6)
    known = HeldOut.of(rng.normal(0, 1, 4000), rng.normal(0, 1, 400))
    found = calibration(known, known)
    assert found is not None
    assert all(one.low < said < one.high for one, said in zip(found.seen, found.said, strict=True))


@given(st.floats(0.01, 0.99), st.floats(0.01, 100))
def test_bayes_rule_multiplies_odds(prior: float, ratio: float) -> None:
    found = probabilities(np.array([ratio]), prior)[0]
    assert found / (1 - found) == pytest.approx(ratio * prior / (1 - prior), rel=1e-9)
