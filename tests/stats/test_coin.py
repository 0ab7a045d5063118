"""The law of a sum of ranks is exact, and holds whatever the scores are: only the coin counts."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onnxmint.stats.coin import coin_test, doubled_ranks, log_tail


@settings(max_examples=30)
@given(st.integers(1, 4), st.integers(2, 4), st.integers(0, 2**32 - 1), st.integers(2, 5))
def test_the_tail_is_that_of_all_draws_counted_one_by_one(n: int, k: int, seed: int, values: int) -> None:
    ranks = doubled_ranks(np.random.default_rng(seed).integers(0, values, (n, k)).astype(np.float64))
    sums = np.array([sum(row) for row in itertools.product(*ranks.tolist())])
    for observed in range(sums.max() + 2):
        assert math.exp(log_tail(ranks, observed)) == pytest.approx((sums >= observed).mean(), rel=1e-9, abs=1e-13)


def test_a_tail_too_small_for_a_sum_of_floats_keeps_its_digits() -> None:
    count, heads = 400, 390
    exact = Fraction(sum(math.comb(count, more) for more in range(heads, count + 1)), 2**count)
    ranks = np.tile([0, 2], (count, 1))
    logarithm = math.log(exact.numerator) - math.log(exact.denominator)
    assert log_tail(ranks, 2 * heads) == pytest.approx(logarithm, rel=1e-9)
    assert log_tail(ranks, 2 * count) == pytest.approx(-count * math.log(2), rel=1e-12)


def test_always_the_highest_of_eight_is_one_in_eight_to_the_number_of_pictures() -> None:
    scores = np.array([np.roll(np.arange(8.0), row) for row in range(1000)])
    found = coin_test(scores, scores.argmax(axis=1))
    assert found.log10_p_value == pytest.approx(-1000 * math.log10(8), rel=1e-12)
    assert (found.mean_rank, found.p_value) == (1.0, 0.0)


@pytest.mark.parametrize("kind", ["normal", "heavy", "ties", "one column liked", "all alike"])
def test_ten_thousand_innocent_draws_are_at_level_whatever_the_scores(kind: str) -> None:
    rng = np.random.default_rng(5)
    scores = {
        "normal": rng.normal(size=(30, 6)),
        "heavy": rng.standard_cauchy((30, 6)),
        "ties": rng.integers(0, 3, (30, 6)).astype(np.float64),
        "one column liked": rng.normal(size=(30, 6)) + 3.0 * (np.arange(6) == 0),
        "all alike": np.zeros((30, 6)),
    }[kind]
    draws = rng.integers(6, size=(10_000, 30))
    ranks = doubled_ranks(scores - np.median(scores, axis=0))
    sums = ranks[np.arange(30), draws].sum(axis=1)
    of_sum = {total: math.exp(log_tail(ranks, total)) for total in set(sums.tolist())}
    assert coin_test(scores, draws[0]).p_value == pytest.approx(of_sum[int(sums[0])])
    p_values = np.array([of_sum[total] for total in sums.tolist()])
    for level in (0.05, 0.01, 0.001):
        assert (p_values <= level).mean() <= level + 3 * math.sqrt(level / 10_000)


def test_a_variant_that_every_model_likes_hides_nothing() -> None:
    rng = np.random.default_rng(0)
    drawn, known = rng.integers(2, size=400), np.zeros((400, 2))
    known[np.arange(400), drawn] = 1
    scores = rng.normal(size=(400, 2)) + known + [50, 0]  # the first is never mirrored
    assert coin_test(scores, drawn).p_value < 1e-6


@pytest.mark.parametrize(
    ("scores", "drawn", "words"),
    [
        (np.zeros((3, 1)), np.zeros(3, int), "k of 2 or more"),
        (np.zeros((3, 2)), np.zeros(2, int), r"got \(3, 2\) and \(2,\)"),
        (np.full((3, 2), np.nan), np.zeros(3, int), "need finite scores"),
        (np.zeros((0, 2)), np.zeros(0, int), "need finite scores of one picture or more"),
        (np.zeros((3, 2)), np.array([0, 1, 2]), "drawn must be from 0 to 1, got 0 to 2"),
    ],
)
def test_what_is_no_draw_is_refused(scores: np.ndarray, drawn: np.ndarray, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        coin_test(scores, drawn)
