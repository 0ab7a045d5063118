"""The bound on epsilon is the paper's, covers a mechanism whose epsilon is known, and is 0 where nothing leaks."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from onnxmint.stats.epsilon import PrivacyBound, audit_privacy, epsilon_at_least, p_value_of_privacy


def by_hand(canaries: int, guesses: int, right: int, epsilon: float, delta: float) -> float:
    """Return the bound of theorem 5.2, term by term."""
    chance = math.exp(epsilon) / (1 + math.exp(epsilon))
    tail = sum(binom.pmf(k, guesses, chance) for k in range(right, guesses + 1))
    alpha = max(
        (sum(binom.pmf(k, guesses, chance) for k in range(right - i, right)) / i for i in range(1, right + 1)),
        default=0.0,
    )
    return min(1.0, tail + 2 * canaries * delta * alpha)


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 30), st.floats(0, 5), st.floats(0, 0.1))
def test_p_value_is_that_of_the_theorem(right: int, more: int, rest: int, epsilon: float, delta: float) -> None:
    guesses = right + more
    found = p_value_of_privacy(guesses + rest, guesses, right, epsilon=epsilon, delta=delta)
    assert found == pytest.approx(by_hand(guesses + rest, guesses, right, epsilon, delta), abs=1e-9)


@given(st.integers(1, 200), st.integers(0, 200), st.floats(0.5, 0.999))
def test_the_bound_is_where_the_p_value_reaches_the_level(right: int, wrong: int, confidence: float) -> None:
    guesses = right + wrong
    found = epsilon_at_least(guesses, guesses, right, delta=1e-6, confidence=confidence)
    p = p_value_of_privacy(guesses, guesses, right, epsilon=found, delta=1e-6)
    assert p <= 1 - confidence + 1e-9 or found == 0
    assert p_value_of_privacy(guesses, guesses, right, epsilon=found + 1e-6, delta=1e-6) >= 1 - confidence - 1e-6


def test_known_numbers() -> None:
    """All of 100 guesses right: q^100 = .05, so epsilon is the log-odds of .05^(1/100)."""
    chance = 0.05 ** (1 / 100)
    assert epsilon_at_least(100, 100, 100, delta=0) == pytest.approx(math.log(chance / (1 - chance)), abs=1e-6)
    assert epsilon_at_least(100, 100, 50, delta=0) == 0
    assert epsilon_at_least(1000, 1000, 600, delta=1e-5) < epsilon_at_least(1000, 1000, 600, delta=0)


@pytest.mark.slow
@pytest.mark.parametrize("epsilon", [0.0, 0.5, 2.0])
def test_a_mechanism_of_known_epsilon_is_not_called_leakier(epsilon: float) -> None:
    """Randomised response tells each coin with the chance that epsilon allows; how sure it is tells no more."""
    rng, chance, wrong = np.random.default_rng(0), 1 / (1 + math.exp(-epsilon)), 0
    for _ in range(150):
        coin = rng.random(400) < 0.5
        said = np.where(rng.random(400) < chance, coin, ~coin)
        score = np.where(said, 1.0, -1.0) * rng.random(400)
        found = audit_privacy(score[coin], score[~coin], delta=0.0)
        wrong += found.epsilon > epsilon
    assert wrong / 150 <= 0.05 + 0.04


def test_a_leaky_model_is_bounded_from_below() -> None:
    rng = np.random.default_rng(1)
    found = audit_privacy(rng.normal(3, 1, 500), rng.normal(0, 1, 500), delta=1e-5)
    assert 3 < found.epsilon < 8
    assert found.canaries == 1000
    assert 0 < found.right <= found.guesses <= 1000
    nothing = audit_privacy(rng.normal(size=500), rng.normal(size=500))
    assert nothing == PrivacyBound(epsilon=0.0, delta=1e-5, confidence=0.95, canaries=1000, guesses=0, right=0)


def test_equal_scores_tell_nothing() -> None:
    """Whatever the coins are: ties must not be broken by them."""
    assert audit_privacy(np.zeros(300), np.zeros(300)).epsilon < 0.2


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="need right <= guesses <= canaries, got 3, 2 and 5"):
        p_value_of_privacy(5, 2, 3, epsilon=1.0, delta=0.0)
    with pytest.raises(ValueError, match="need scores of canaries without NaN"):
        audit_privacy(np.array([np.nan]), np.ones(1))
    with pytest.raises(ValueError, match="need scores of canaries"):
        audit_privacy(np.empty(0), np.empty(0))
