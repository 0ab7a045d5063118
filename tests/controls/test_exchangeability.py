"""Exchangeability: questioned images of another kind are noticed, and how many known ones are like them is said."""

import numpy as np
import pytest

from onnxmint.controls.exchangeability import exchangeability_control
from onnxmint.controls.seen import Missing
from onnxmint.results.facts import Control
from tests.controls.conftest import asked
from tests.known import known

RNG = np.random.default_rng(0)


def _normal(count: int, *, mean: float = 0.0, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, 1, (count, 4))


def _control(questioned: object, others: np.ndarray, **options: object) -> Control:
    return exchangeability_control(None, asked(known(), (questioned, others), **options), RNG)


def test_images_of_the_same_kind_pass() -> None:
    control = _control(_normal(150), _normal(200, seed=1))
    assert control.passed is True
    assert control.alike is None
    assert "were not told from known non-members" in control.text


def test_images_of_another_kind_fail() -> None:
    control = _control(_normal(150, mean=1.5), _normal(200, seed=1))
    assert control.passed is False
    assert "error rates measured on those do not hold for these" in control.text


def test_images_of_few_classes_are_told_from_all_and_the_known_ones_like_them_are_counted() -> None:
    """Three of ten clusters only: the control says how many of the known images lie there."""
    rng = np.random.default_rng(2)
    centre = 4 * rng.normal(size=(10, 4))
    of_known = np.arange(200) % 10
    known_ones = centre[of_known] + rng.normal(size=(200, 4))
    control = _control(centre[np.arange(150) % 3] + rng.normal(size=(150, 4)), known_ones)
    assert control.passed is False
    assert control.alike is not None
    assert 30 <= control.alike <= 100
    assert f"{control.alike} of the 200 known ones that were compared look like them" in control.text


def test_images_that_are_less_apart_than_chance_allows_are_no_independent_ones() -> None:
    """Each questioned image is a slightly changed known one: the classifier is wrong about it because of its twin."""
    known_ones = _normal(200)
    control = _control(known_ones + 0.001 * _normal(200, seed=3), known_ones)
    assert control.passed is True
    assert "even less apart than chance allows" in control.text


def test_groups_are_one_vote() -> None:
    """Questioned images of eight scenes, which lie apart as eight draws do."""
    scenes = np.repeat(np.arange(8), 25)
    questioned = _normal(8, seed=6)[scenes] + 0.01 * _normal(200, seed=7)
    assert _control(questioned, _normal(200, seed=1)).passed is False
    assert _control(questioned, _normal(200, seed=1), groups=scenes).passed is True


@pytest.mark.parametrize(
    ("questioned", "others", "why"),
    [
        (_normal(150), np.empty((0, 0)), "the auditor was trained with --no-controls"),
        (Missing(why="the twin was not asked"), _normal(200), "the twin was not asked"),
        (_normal(3), _normal(200), "needs 5 independent images of a side, one has 3"),
    ],
)
def test_what_cannot_be_compared_is_said(questioned: object, others: np.ndarray, why: str) -> None:
    control = _control(questioned, others)
    assert control.passed is None
    assert control.text == f"Not run: {why}."
