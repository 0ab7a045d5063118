"""Limits on a leak: decided by the ends of intervals, rarely wrongly, and settled by as many images as they say."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from onnxmint.stats.estimates import Estimate, Performance
from onnxmint.stats.limits import Limit, limit_of, limits_of, rounded_up, together
from onnxmint.stats.metrics import evaluate

AUC = Limit(measure="auc", bound=0.6)


def _measured(rng: np.random.Generator, distance: float, count: int, resamples: int = 100) -> Performance:
    """Measure normal scores whose AUC is Phi(distance / sqrt(2))."""
    member, nonmember = rng.normal(distance, 1, count), rng.normal(0, 1, count)
    return evaluate(member, nonmember, threshold=0, rng=rng, resamples=resamples)


def _distance(auc: float) -> float:
    return float(norm.ppf(auc) * np.sqrt(2))


def _with_auc(found: Performance, value: float, low: float, high: float) -> Performance:
    return replace(found, auc=Estimate(value=value, low=low, high=high))


@pytest.fixture(scope="module")
def some() -> Performance:
    return _measured(np.random.default_rng(0), 0.5, 100)


@pytest.mark.parametrize(
    ("low", "high", "decision"),
    [(0.5, 0.6, "below"), (0.5, 0.61, "unsettled"), (0.6, 0.7, "unsettled"), (0.601, 0.7, "above")],
)
def test_the_whole_interval_decides(some: Performance, low: float, high: float, decision: str) -> None:
    assert AUC.decide(_with_auc(some, (low + high) / 2, low, high)) == decision


@pytest.mark.parametrize("value", [0.5, 0.59, 0.6, 0.61, 0.9])
def test_what_is_measured_never_decides_alone(some: Performance, value: float) -> None:
    assert AUC.decide(_with_auc(some, value, 0.4, 0.99)) == "unsettled"


def test_a_rate_that_rests_on_few_false_alarms_is_not_decided(some: Performance) -> None:
    for words in ("tpr@1%=0.9", "tpr@1%=0.02"):
        limit = limit_of(words)
        assert limit.decide(some) == "unsettled"  # of 100 non-members one is a false alarm
        assert limit.times_needed(some) == pytest.approx(10)


@pytest.mark.parametrize(
    ("decisions", "all_in_all"),
    [(["below", "below"], "below"), (["below", "unsettled"], "unsettled"), (["above", "unsettled", "below"], "above")],
)
def test_one_limit_above_fails_and_all_below_pass(decisions: list[str], all_in_all: str) -> None:
    assert together(decisions) == all_in_all  # type: ignore[arg-type]


def test_limits_are_written_as_measure_and_number() -> None:
    assert limit_of(" AUC = 0.6 ") == AUC
    found = limits_of(["auc=0.6", "tpr@10%=0.3", "tpr@0.1%=.01"])
    assert [(limit.measure, limit.fpr) for limit in found] == [("auc", None), ("tpr@10%", 0.1), ("tpr@0.1%", 0.001)]
    for words in ("auc=nan", "auc=inf", "auc=1.1", "tpr@5%=0.2", "=0.5", ""):
        with pytest.raises(ValueError, match=r"auc"):
            limit_of(words)


@given(st.floats(0, 1e7))
def test_numbers_of_images_are_rounded_up_to_two_digits(count: float) -> None:
    found = rounded_up(count)
    assert found >= count - 1e-3
    assert found <= max(1.1 * count, count + 1)
    assert len(str(found).rstrip("0")) <= 3


def test_at_the_limit_no_number_of_images_settles_it(some: Performance) -> None:
    assert AUC.times_needed(_with_auc(some, 0.6, 0.5, 0.7)) is None
    assert AUC.times_needed(_with_auc(some, 0.6001, 0.5, 0.7)) is None
    assert AUC.times_needed(_with_auc(some, 0.7, 0.69, 0.71)) == 1.0


@pytest.mark.parametrize("words", ["auc=0.6", pytest.param("tpr@10%=0.2", marks=pytest.mark.slow)])
def test_a_leak_at_the_limit_is_rarely_called_below_or_above(words: str) -> None:
    """Simulated where it is hardest: the true value is the limit itself, on 120 test images of a side."""
    limit, rng, rounds = limit_of(words), np.random.default_rng(1), 200
    distance = _distance(0.6) if limit.fpr is None else float(norm.isf(0.1) - norm.isf(limit.bound))
    decisions = [limit.decide(_measured(rng, distance, 120)) for _ in range(rounds)]
    for side in ("below", "above"):
        assert decisions.count(side) / rounds < 0.025 + 3 * (0.025 / rounds) ** 0.5 + 0.01  # noise, and 100 resamples


@pytest.mark.parametrize(("auc", "bound"), [(0.6, 0.72), pytest.param(0.8, 0.7, marks=pytest.mark.slow)])
def test_as_many_images_as_it_says_settle_it(auc: float, bound: float) -> None:
    """Simulated: with the number that a typical evaluation of this leak names, at least nine in ten are settled."""
    limit, rng, rounds, few = Limit(measure="auc", bound=bound), np.random.default_rng(2), 120, 30
    distance = _distance(auc)
    start = _measured(rng, distance, few)
    typical = _with_auc(start, auc, auc - _reach(auc, few), min(auc + _reach(auc, few), 1.0))
    assert limit.decide(typical) == "unsettled"
    times = limit.times_needed(typical)
    assert times is not None
    wanted = "below" if auc < bound else "above"

    def settled(count: int) -> float:
        return sum(limit.decide(_measured(rng, distance, count)) == wanted for _ in range(rounds)) / rounds

    assert settled(round(few * times)) > 0.9
    assert settled(round(few * times / 3)) < 0.8  # and it does not ask for far too many


def _reach(auc: float, count: int) -> float:
    """Return how far a 95% interval reaches: Hanley and McNeil 1982, for normal scores."""
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = (auc * (1 - auc) + (count - 1) * (q1 - auc**2 + q2 - auc**2)) / count**2
    return float(1.96 * np.sqrt(variance))
