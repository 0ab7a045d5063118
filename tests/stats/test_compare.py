"""DeLong's test against a plain computation; groups widen intervals; identical scores do not differ."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onnxmint.stats.compare import compare_auc
from onnxmint.stats.metrics import auc


def _scores(
    seed: int, members: int = 40, nonmembers: int = 55
) -> tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...]]:
    rng = np.random.default_rng(seed)
    common = rng.normal(size=members) + 0.8, rng.normal(size=nonmembers)
    other = tuple(side + rng.normal(size=len(side)) for side in common)
    return common, tuple(np.round(side, 1) for side in other)  # ties


def _plain_variance(first: tuple[np.ndarray, ...], second: tuple[np.ndarray, ...]) -> float:
    """DeLong's covariance by the definition: structural components over all pairs."""
    placed = []
    for member, nonmember in (first, second):
        wins = (member[:, None] > nonmember[None]) + 0.5 * (member[:, None] == nonmember[None])
        placed.append((wins.mean(axis=1), wins.mean(axis=0)))
    total = 0.0
    for side in (0, 1):
        a, b = placed[0][side], placed[1][side]
        total += np.var(a - b, ddof=1) / len(a)
    return float(total)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_delong_is_that_of_the_definition(seed: int) -> None:
    first, second = _scores(seed)
    found = compare_auc(first, second, groups=None, rng=np.random.default_rng(0))
    assert found.test == "DeLong"
    assert found.value == pytest.approx(auc(*first) - auc(*second), abs=1e-12)
    reach = 1.959963984540054 * np.sqrt(_plain_variance(first, second))
    assert found.high - found.value == pytest.approx(reach, rel=1e-9)
    assert found.value - found.low == pytest.approx(reach, rel=1e-9)


def test_the_other_way_round_is_the_other_sign() -> None:
    first, second = _scores(1)
    there, back = (
        compare_auc(*pair, groups=None, rng=np.random.default_rng(0)) for pair in ((first, second), (second, first))
    )
    assert there.value == pytest.approx(-back.value)
    assert there.p_value == pytest.approx(back.p_value)


def test_a_score_does_not_differ_from_itself() -> None:
    first, _ = _scores(2)
    found = compare_auc(first, first, groups=None, rng=np.random.default_rng(0))
    assert (found.value, found.p_value) == (0, 1)


def test_under_the_null_one_in_twenty_differs() -> None:
    rng = np.random.default_rng(0)
    low = 0
    for _ in range(400):
        first = rng.normal(size=60), rng.normal(size=60)
        second = rng.normal(size=60), rng.normal(size=60)
        low += compare_auc(first, second, groups=None, rng=rng).p_value <= 0.05
    assert 0.02 <= low / 400 <= 0.09


def test_near_copies_do_not_make_a_difference_surer() -> None:
    first, second = _scores(3)
    copies = [tuple(np.repeat(side, 10) for side in pair) for pair in (first, second)]
    groups = np.repeat(np.arange(40), 10), np.repeat(np.arange(55), 10)
    apart = compare_auc(first, second, groups=None, rng=np.random.default_rng(0))
    together = compare_auc(*copies, groups=groups, rng=np.random.default_rng(0))
    fooled = compare_auc(*copies, groups=None, rng=np.random.default_rng(0))
    width = apart.high - apart.low
    assert together.test == "paired bootstrap of groups"
    assert together.high - together.low == pytest.approx(width, rel=0.2)
    assert fooled.high - fooled.low < 0.5 * width


def test_scores_of_other_images_are_refused() -> None:
    first, second = _scores(4)
    with pytest.raises(ValueError, match="need scores of the same images, got 40 and 39"):
        compare_auc(first, (second[0][1:], second[1]), groups=None, rng=np.random.default_rng(0))
