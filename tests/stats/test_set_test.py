"""The set test keeps its level, counts no more members than there are, and holds for cross-fitted scores too."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu, norm

from onnxmint.stats.heldout import HeldOut, cross_fitting_inflation, group_means
from onnxmint.stats.set_test import SetTest, at_least, compare_sets


def run(questioned: np.ndarray, nonmember: np.ndarray) -> SetTest:
    return compare_sets(questioned, HeldOut.of(np.ones(3), nonmember), alpha=0.05)


@pytest.mark.parametrize("count", [7, 40, 300])
def test_p_value_is_scipys_and_the_effect_is_an_auc(count: int) -> None:
    rng = np.random.default_rng(0)
    questioned, nonmember = rng.normal(0.2, 1, count), rng.normal(0, 1, 80)
    found = run(questioned, nonmember)
    expected = mannwhitneyu(questioned, nonmember, alternative="greater")
    assert found.p_value == pytest.approx(expected.pvalue, rel=1e-9)
    assert found.effect == pytest.approx(expected.statistic / (count * 80))


def test_lower_and_equal_scores_are_no_evidence() -> None:
    rng = np.random.default_rng(0)
    assert run(rng.normal(-1, 1, 60), rng.normal(0, 1, 80)).p_value > 0.99
    found = run(np.full(200, 0.5), np.full(300, 0.5))
    assert (found.effect, found.at_least) == (0.5, 0)
    assert found.p_value >= 0.4


@pytest.mark.parametrize("alpha", [0.05, 0.2])
@pytest.mark.parametrize("count", [1, 2, 3, 60, 400])
def test_level_is_kept_and_no_member_is_invented(count: int, alpha: float) -> None:
    rng = np.random.default_rng(1)
    found = [
        compare_sets(rng.normal(size=count), HeldOut.of(np.ones(3), rng.normal(size=150)), alpha=alpha)
        for _ in range(1000)
    ]
    assert np.mean([one.p_value <= alpha for one in found]) < alpha + 0.03
    assert np.mean([one.at_least > 0 for one in found]) < alpha + 0.03


def test_the_lower_bound_counts_fewer_members_than_there_are() -> None:
    rng = np.random.default_rng(2)
    members, wrong, bounds = 300, 0, []
    for _ in range(300):
        questioned = np.concatenate([rng.normal(1.2, 1, members), rng.normal(0, 1, 200)])
        bounds.append(run(questioned, rng.normal(0, 1, 500)).at_least)
        wrong += bounds[-1] > members
    assert wrong / 300 < 0.08
    assert np.mean(bounds) > 100


@given(st.lists(st.integers(0, 12), min_size=1, max_size=7), st.lists(st.integers(0, 12), min_size=2, max_size=9))
def test_the_short_cut_is_closed_testing_over_all_subsets(questioned: list[int], nonmember: list[int]) -> None:
    """A number of non-members is kept if any subset of that size is not rejected."""
    known = HeldOut.of(np.ones(2), np.array(nonmember, float))
    placed = known.placements(np.array(questioned, float))
    count, n = len(placed), len(nonmember)

    def rejected(rows: tuple[int, ...]) -> bool:
        size = len(rows)
        total = placed[list(rows)].sum()
        z = (total - size / 2 - 0.5 / n) / np.sqrt(size * (n + size + 1) / (12 * n))
        left = size - total + 1 / n
        few = {1: left, 2: left**2 / 2 if left <= 1 else 1 - max(2 - left, 0) ** 2 / 2}.get(size, 0.0)
        return max(float(norm.sf(z)), few) <= 0.3

    kept = max(
        (size for size in range(1, count + 1) if not all(map(rejected, combinations(range(count), size)))), default=0
    )
    assert at_least(placed, known, alpha=0.3) == count - kept


def test_one_track_of_near_copies_proves_nothing() -> None:
    rng = np.random.default_rng(3)
    groups = np.repeat(np.arange(30), 20)
    nonmember = np.repeat(rng.normal(0, 1, 30), 20) + rng.normal(0, 0.1, 600)
    questioned = 1.0 + rng.normal(0, 0.1, 200)  # the same scene all the time, by chance a high one
    assert run(questioned, nonmember).p_value < 1e-6
    means, _ = group_means(questioned, np.zeros(200, np.int64))
    assert run(means, group_means(nonmember, groups)[0]).p_value > 0.05


def test_cross_fitted_scores_of_noise_keep_the_level() -> None:
    """Networks that learned the same noise err alike; the inflation makes up for it."""
    rng, folds, false, naive = np.random.default_rng(4), 5, 0, 0
    for _ in range(400):
        members, outside, asked = (rng.normal(size=(count, 8)) for count in (100, 100, 300))
        fold = np.arange(100) % folds
        score = np.empty(100)
        of_asked = np.empty((300, folds))
        for number in range(folds):
            direction = members[fold != number].mean(axis=0) - outside[fold != number].mean(axis=0)
            score[fold == number] = outside[fold == number] @ direction
            of_asked[:, number] = asked @ direction
        for inflation in (1.0, cross_fitting_inflation(folds)):
            known = HeldOut(member=score, nonmember=score, member_fold=fold, nonmember_fold=fold, inflation=inflation)
            alarm = compare_sets(of_asked, known, alpha=0.05).p_value <= 0.05
            naive, false = naive + (alarm and inflation == 1), false + (alarm and inflation > 1)
    assert false < naive
    assert false / 400 < 0.05


def test_nothing_questioned_is_refused() -> None:
    with pytest.raises(ValueError, match="need scores on both sides"):
        run(np.empty(0), np.ones(3))


def test_scores_that_are_missing_are_refused() -> None:
    with pytest.raises(ValueError, match="NaN"):
        run(np.array([np.nan]), np.ones(3))


def test_scores_by_too_few_networks_are_refused() -> None:
    fold = np.array([0, 1, 0, 1])
    known = HeldOut(member=np.ones(4), nonmember=np.ones(4), member_fold=fold, nonmember_fold=fold)
    with pytest.raises(ValueError, match="need scores by 2 networks, got 1"):
        compare_sets(np.ones(3), known, alpha=0.05)
