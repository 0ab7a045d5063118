"""AUC, rates and intervals: other tools' vectors, closed forms, slow twins, simulated coverage."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import norm

from onnxmint.stats import metrics
from onnxmint.stats.estimates import Rate

# Few distinct values, so that most examples have ties.
tied_scores = hnp.arrays(np.float64, st.integers(1, 12), elements=st.integers(-3, 3).map(float))


def split(truth: list[int], scores: list[float]) -> tuple[np.ndarray, np.ndarray]:
    is_member, values = np.array(truth) == 1, np.array(scores)
    return values[is_member], values[~is_member]


def normals(distance: float, count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(distance, 1, count), rng.normal(0, 1, count)


@pytest.mark.parametrize(
    ("truth", "scores", "fpr", "tpr"),
    [
        ([1, 0, 1, 1], [0.35, 0.3, 0.33, 0.6], 0.001, 1.0),
        ([1, 0, 1, 1, 1, 0], [0.35, 0.33, 0.32, 0.6, 0.6, 0.2], 0.5, 1.0),
        ([1, 0, 1, 1, 1, 0], [0.35, 0.33, 0.32, 0.6, 0.6, 0.2], 0.0, 0.75),
    ],
)
def test_rate_at_a_cap_is_that_of_the_adversarial_robustness_toolbox(
    truth: list[int], scores: list[float], fpr: float, tpr: float
) -> None:
    assert metrics.tpr_at_fpr(*split(truth, scores), fpr) == tpr


def test_numbers_are_those_of_sacroml() -> None:
    member, nonmember = split([0, 0, 0, 1, 1, 1], [0.1, 0.6, 0.2, 0.45, 0.9, 0.99])
    assert metrics.auc(member, nonmember) == pytest.approx(8 / 9, abs=1e-15)
    assert [metrics.tpr_at_fpr(member, nonmember, fpr) for fpr in (0, 0.1, 0.4)] == [2 / 3, 2 / 3, 1]
    found = metrics.evaluate(member, nonmember, threshold=0.5, rng=np.random.default_rng(0), resamples=20)
    assert 2 * found.balanced_accuracy.value - 1 == pytest.approx(1 / 3)  # its "advantage"
    assert found.precision.value == pytest.approx(2 / 3)


def test_curve_counts_as_tensorflow_privacy_does() -> None:
    fpr, tpr = metrics.roc_curve(np.array([9.0, 4, 5, 0]), np.array([3.0, 8, 6, 1, 2, 7]))
    assert (tpr * 4).tolist() == [0, 1, 1, 1, 1, 2, 3, 3, 3, 3, 4]
    assert (fpr * 6).round(9).tolist() == [0, 0, 1, 2, 3, 3, 3, 4, 5, 6, 6]


def test_rates_lie_on_the_circular_curve_of_jax_privacy() -> None:
    grid = (np.arange(100_000) + 0.5) / 100_000
    member, nonmember = np.sqrt(1 - grid**2), 1 - grid  # tpr = sqrt(fpr * (2 - fpr))
    for fpr in (0.01, 0.1, 0.5):
        assert metrics.tpr_at_fpr(member, nonmember, fpr) == pytest.approx(np.sqrt(fpr * (2 - fpr)), rel=1e-3)


def test_equal_scores_are_chance() -> None:
    same = np.full(50, 0.3)
    assert metrics.auc(same, same) == 0.5
    assert metrics.tpr_at_fpr(same, same, 0.5) == 0


def test_two_normals_have_their_closed_forms() -> None:
    member, nonmember = normals(1.0, 100_000)
    assert metrics.auc(member, nonmember) == pytest.approx(norm.cdf(1 / np.sqrt(2)), abs=0.004)
    for fpr in (0.1, 0.01):
        assert metrics.tpr_at_fpr(member, nonmember, fpr) == pytest.approx(norm.cdf(1 + norm.ppf(fpr)), abs=0.01)
    assert metrics.best_threshold(member, nonmember) == pytest.approx(0.5, abs=0.15)


def test_auc_of_nothing_spreads_as_mann_and_whitney_say() -> None:
    rng = np.random.default_rng(1)
    found = [metrics.auc(rng.normal(size=100), rng.normal(size=100)) for _ in range(2000)]
    assert np.std(found) == pytest.approx(0.0409, rel=0.06)


@given(tied_scores, tied_scores)
def test_auc_is_the_share_of_pairs_in_order(member: np.ndarray, nonmember: np.ndarray) -> None:
    pairs = [(a > b) + 0.5 * (a == b) for a in member for b in nonmember]
    assert metrics.auc(member, nonmember) == pytest.approx(np.mean(pairs), abs=1e-12)


@given(tied_scores, tied_scores)
def test_auc_is_the_area_under_the_curve(member: np.ndarray, nonmember: np.ndarray) -> None:
    fpr, tpr = metrics.roc_curve(member, nonmember)
    assert (fpr[0], tpr[0], fpr[-1], tpr[-1]) == (0, 0, 1, 1)
    assert metrics.auc(member, nonmember) == pytest.approx(np.sum(np.diff(fpr) * (tpr[1:] + tpr[:-1]) / 2), abs=1e-12)


@given(tied_scores, tied_scores, st.floats(0, 1))
def test_rate_at_a_cap_is_the_best_of_all_thresholds(member: np.ndarray, nonmember: np.ndarray, fpr: float) -> None:
    levels = [np.inf, *member, *nonmember]
    allowed = [np.mean(member >= level) for level in levels if np.mean(nonmember >= level) <= fpr + 1e-10]
    assert metrics.tpr_at_fpr(member, nonmember, fpr) == pytest.approx(max(allowed), abs=1e-12)


@given(tied_scores, tied_scores)
def test_no_threshold_beats_the_best(member: np.ndarray, nonmember: np.ndarray) -> None:
    def accuracy(level: float) -> float:
        return float(np.mean(member >= level) + np.mean(nonmember < level)) / 2

    best = metrics.best_threshold(member, nonmember)
    assert accuracy(best) == pytest.approx(max(accuracy(level) for level in [*member, *nonmember]))


def test_intervals_cover_what_they_promise() -> None:
    truth = {"auc": norm.cdf(0.6 / np.sqrt(2)), "0.1": norm.cdf(0.6 + norm.ppf(0.1))}
    rng, runs = np.random.default_rng(2), 200
    hits = dict.fromkeys(truth, 0)
    for _ in range(runs):
        found = metrics.evaluate(rng.normal(0.6, 1, 300), rng.normal(0, 1, 300), threshold=0.3, rng=rng, resamples=200)
        for name, value in truth.items():
            estimate = found.auc if name == "auc" else found.tpr_at_fpr[name]
            assert estimate.low is not None
            assert estimate.high is not None
            hits[name] += estimate.low <= value <= estimate.high
    assert {name: count / runs >= 0.9 for name, count in hits.items()} == dict.fromkeys(truth, True)


def test_whole_groups_give_the_wider_and_right_interval() -> None:
    rng, runs, size = np.random.default_rng(3), 120, 10
    truth = norm.cdf(0.6 / np.sqrt(2 * (1 + 0.5**2)))
    groups = np.repeat(np.arange(40), size)
    hits = {"groups": 0, "images": 0}
    for _ in range(runs):
        member, nonmember = (  # images of a group share most of what makes their score
            np.repeat(rng.normal(shift, 1, 40), size) + rng.normal(0, 0.5, 400) for shift in (0.6, 0)
        )
        for name, given_groups in (("groups", groups), ("images", None)):
            auc = metrics.evaluate(
                member,
                nonmember,
                threshold=0.3,
                rng=rng,
                resamples=150,
                member_groups=given_groups,
                nonmember_groups=given_groups,
            ).auc
            hits[name] += auc.low <= truth <= auc.high
    assert hits["groups"] / runs >= 0.88
    assert hits["images"] / runs <= 0.7


def test_few_false_alarms_make_a_rate_thin() -> None:
    found = metrics.evaluate(*normals(1, 999), threshold=0.5, rng=np.random.default_rng(0), resamples=10)
    assert {fpr: rate.thin for fpr, rate in found.tpr_at_fpr.items()} == {"0.1": False, "0.01": True, "0.001": True}


def test_no_interval_is_given_where_none_covers() -> None:
    """At a rate of 0.1% the bootstrap's interval covered 53 to 56% with 50 and 250 images, at 1% 84% with 50."""
    found = metrics.evaluate(*normals(1, 400), threshold=0.5, rng=np.random.default_rng(0), resamples=10).tpr_at_fpr
    assert found["0.1"].low is not None
    for fpr in ("0.01", "0.001"):
        assert (found[fpr].low, found[fpr].high) == (None, None)
        assert found[fpr].no_interval == "fewer than 5 false alarms are expected among 400 non-members"
    groups = np.repeat(np.arange(40), 10)
    grouped = metrics.evaluate(
        *normals(1, 400), threshold=0.5, rng=np.random.default_rng(0), resamples=10, nonmember_groups=groups
    )
    assert grouped.tpr_at_fpr["0.1"].low is None


@pytest.mark.parametrize("interval", [{}, {"low": 0.1}, {"low": 0.1, "high": 0.2, "no_interval": "too few"}])
def test_an_interval_is_there_or_the_reason_why_not(interval: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="both ends of the interval, or the reason"):
        Rate(value=0.5, **interval)


def test_perfect_scores_are_not_certain() -> None:
    found = metrics.evaluate(
        np.arange(20.0) + 100, np.arange(20.0), threshold=50, rng=np.random.default_rng(0), resamples=50
    )
    assert (found.auc.value, found.auc.high) == (1, 1)
    assert found.auc.low == pytest.approx(0.025 ** (1 / 20))  # Clopper and Pearson: 20 of 20


def test_worst_scores_are_not_certain_either() -> None:
    found = metrics.evaluate(
        np.arange(50.0), np.arange(50.0) + 100, threshold=50, rng=np.random.default_rng(0), resamples=50
    )
    assert (found.auc.value, found.tpr_at_fpr["0.1"].value) == (0, 0)
    assert found.tpr_at_fpr["0.1"].high == pytest.approx(1 - 0.025 ** (1 / 50))


def test_precision_is_chance_when_nothing_is_called() -> None:
    found = metrics.evaluate(*normals(1, 50), threshold=99.0, rng=np.random.default_rng(0), resamples=10)
    assert (found.precision.value, found.balanced_accuracy.value) == (0.5, 0.5)


def test_the_same_seed_gives_the_same_intervals() -> None:
    first, second = (
        metrics.evaluate(*normals(1, 100), threshold=0.5, rng=np.random.default_rng(7), resamples=50).auc
        for _ in range(2)
    )
    assert first == second


def test_a_long_curve_is_thinned_but_stays_dense_where_false_alarms_are_few() -> None:
    member, nonmember = normals(1, 20_000)
    found = metrics.evaluate(member, nonmember, threshold=0.5, rng=np.random.default_rng(0), resamples=2)
    assert len(found.roc_fpr) <= 400
    assert (found.roc_fpr <= 0.01).sum() > 50
    assert (np.diff(found.roc_fpr) >= 0).all()
    assert (found.roc_fpr[-1], found.roc_tpr[-1]) == (1, 1)
    whole = dict(zip(*metrics.roc_curve(member, nonmember), strict=True))
    assert all(whole[x] == y for x, y in zip(found.roc_fpr, found.roc_tpr, strict=True))


@pytest.mark.parametrize(
    ("member", "nonmember", "message"),
    [
        ([], [1.0], "got no scores of members"),
        ([1.0], [], "got no scores of non-members"),
        ([1.0, np.nan], [1.0], "1 of 2 scores of members are NaN"),
    ],
)
def test_missing_scores_are_refused(member: list[float], nonmember: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        metrics.auc(np.array(member), np.array(nonmember))


def test_an_impossible_rate_is_refused() -> None:
    with pytest.raises(ValueError, match=r"between 0 and 1, got 1\.5"):
        metrics.tpr_at_fpr(np.ones(2), np.ones(2), 1.5)
