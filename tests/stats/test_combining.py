"""Combined p-values keep the level under any dependence, and use several divisions where these agree."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from onnxmint.stats.combining import RULES, combined_p_value
from onnxmint.stats.heldout import HeldOut
from onnxmint.stats.set_test import compare_sets

shares = st.lists(st.floats(0, 1), min_size=1, max_size=12)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9, 1.0])
def test_the_level_is_kept_however_they_depend(rule: str, correlation: float) -> None:
    rng, count = np.random.default_rng(0), 4000
    common = rng.normal(size=(count, 1)) * np.sqrt(correlation)
    p = norm.sf(common + rng.normal(size=(count, 10)) * np.sqrt(1 - correlation))
    found = np.array([combined_p_value(row, rule) for row in p])
    for level in (0.01, 0.05, 0.2):
        assert np.mean(found <= level) <= level + 3 * np.sqrt(level / count)
    if correlation == 0.5:
        assert np.mean(p.min(axis=1) <= 0.05) > 0.12  # the best of ten, which one must not take


@pytest.mark.parametrize("rule", RULES)
def test_the_worst_dependence_keeps_the_level_too(rule: str) -> None:
    """Half the time the first half of ten p-values is small together, exactly so often as each may be."""
    rng, count = np.random.default_rng(1), 20_000
    p = np.empty((count, 10))
    for row in range(count):
        small = rng.random() < 0.1  # five of ten at .05: each p is below .05 in one of 20
        p[row] = rng.uniform(0.05, 1, 10)
        if small:
            p[row, rng.permutation(10)[:5]] = rng.random() * 0.05
    found = np.array([combined_p_value(row, rule) for row in p])
    assert np.mean(found <= 0.1) <= 0.11


def test_divisions_that_agree_find_members() -> None:
    rng, found = np.random.default_rng(2), []
    for _ in range(40):
        asked, outside = rng.normal(0.5, 1, 200), rng.normal(0, 1, 400)
        p = []
        for _ in range(5):
            held = HeldOut.of(np.empty(0), rng.permutation(outside)[:200])
            p.append(compare_sets(asked, held, alpha=0.05).average)
        found.append(combined_p_value(p) <= 0.05)
    assert np.mean(found) > 0.95


@given(shares)
def test_twice_the_middle_or_the_mean(p: list[float]) -> None:
    assert combined_p_value(p, "mean") == pytest.approx(p[0] if len(p) == 1 else min(1, 2 * np.mean(p)))
    if len(p) > 1 and len(p) % 2 == 0:
        assert combined_p_value(p) == pytest.approx(min(1, 2 * sorted(p)[len(p) // 2 - 1]))
    assert combined_p_value(p[:1]) == p[0]


@pytest.mark.parametrize("p", [[], [1.2], [float("nan")]])
def test_what_is_no_p_value_is_refused(p: list[float]) -> None:
    with pytest.raises(ValueError, match="need p-values between 0 and 1"):
        combined_p_value(p)


def test_another_rule_is_refused() -> None:
    with pytest.raises(ValueError, match="must be one of mean, median"):
        combined_p_value([0.1], "smallest")
