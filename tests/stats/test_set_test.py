"""The set test keeps its level, counts no more members than there are, and holds for cross-fitted scores too."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu

from onnxmint.stats.guarantee import Guarantee
from onnxmint.stats.heldout import HeldOut, cross_fitting_inflation, group_means
from onnxmint.stats.set_test import SetTest, _largest_luck, _of_few, compare_sets
from onnxmint.stats.strata import UNIFORM, Cells


def run(questioned: np.ndarray, nonmember: np.ndarray, guarantee: Guarantee = "average") -> SetTest:
    return compare_sets(questioned, HeldOut.of(np.ones(3), nonmember), alpha=0.05, guarantee=guarantee)


def in_strata(nonmember: np.ndarray, stratum: np.ndarray) -> HeldOut:
    return HeldOut(
        member=np.empty(0),
        nonmember=nonmember,
        member_fold=np.empty(0, np.int8),
        nonmember_fold=np.zeros(len(nonmember), np.int8),
        member_stratum=np.empty(0, np.int64),
        nonmember_stratum=stratum,
    )


@pytest.mark.parametrize("count", [7, 40, 300])
def test_p_value_is_scipys_and_the_effect_is_an_auc(count: int) -> None:
    rng = np.random.default_rng(0)
    questioned, nonmember = rng.normal(0.2, 1, count), rng.normal(0, 1, 80)
    found = run(questioned, nonmember)
    expected = mannwhitneyu(questioned, nonmember, alternative="greater")
    assert found.p_value == pytest.approx(expected.pvalue, rel=1e-9)
    assert found.effect == pytest.approx(expected.statistic / (count * 80))


@pytest.mark.parametrize("count", [50, 51, 300])
def test_ties_count_alike_for_any_number_of_images(count: int) -> None:
    """Above 50 images the variance was that without ties: with 60% of scores equal the p-value jumped there."""
    rng = np.random.default_rng(0)
    questioned, nonmember = (np.maximum(rng.normal(shift, 1, size), 0.25) for shift, size in ((0.4, count), (0, 200)))
    found = run(questioned, nonmember)
    assert found.p_value == pytest.approx(mannwhitneyu(questioned, nonmember, alternative="greater").pvalue, rel=1e-9)


@given(
    st.lists(st.integers(-2, 9), min_size=1, max_size=70),
    st.lists(st.integers(0, 7), min_size=1, max_size=70),
    st.sampled_from(["each", "average"]),
)
def test_members_found_are_at_least_one(questioned: list[int], nonmember: list[int], guarantee: Guarantee) -> None:
    """Ties were corrected in the test but not in the bound, which then could be 0 beside a set that was found."""
    found = run(np.array(questioned, float), np.array(nonmember, float), guarantee)
    assert (found.at_least > 0) == (found.p_value <= 0.05)
    assert found.average <= found.p_value


def test_lower_and_equal_scores_are_no_evidence() -> None:
    rng = np.random.default_rng(0)
    assert run(rng.normal(-1, 1, 60), rng.normal(0, 1, 80)).p_value > 0.99
    found = run(np.full(200, 0.5), np.full(300, 0.5))
    assert (found.effect, found.at_least) == (0.5, 0)
    assert found.p_value >= 0.4


@pytest.mark.slow
@pytest.mark.parametrize("alpha", [0.05, 0.2])
@pytest.mark.parametrize("count", [1, 2, 3, 60, 400])
def test_level_is_kept_and_no_member_is_invented(count: int, alpha: float) -> None:
    rng = np.random.default_rng(1)
    found = [
        compare_sets(
            rng.normal(size=count), HeldOut.of(np.ones(3), rng.normal(size=150)), alpha=alpha, guarantee="average"
        )
        for _ in range(1000)
    ]
    assert np.mean([one.p_value <= alpha for one in found]) < alpha + 0.03
    assert np.mean([one.at_least > 0 for one in found]) < alpha + 0.03


def test_few_units_with_ties_have_the_exact_p_value() -> None:
    """All 210 orders of 4 among 10, by hand; random ones agree within their error."""
    asked, known = np.array([3.0, 2, 2, 5]), np.array([1.0, 2, 2, 3, 0, 4])
    pooled = np.concatenate([asked, known])
    ranks = np.array([(pooled < one).sum() + ((pooled == one).sum() + 1) / 2 for one in pooled])
    sums = np.array([ranks[list(rows)].sum() for rows in combinations(range(10), 4)])
    assert run(asked, known).p_value == pytest.approx(np.mean(sums >= ranks[:4].sum()), abs=0.02)


def test_a_tied_top_is_no_small_p_value() -> None:
    """With 8% of non-members tied at the top, one image there is as high as 8% of them, not as the half of these."""
    known = np.maximum(np.arange(100.0), 0)
    known[92:] = 99
    for guarantee in ("average", "each"):
        assert run(np.array([99.0]), known, guarantee).p_value >= 9 / 101


def test_the_lower_bound_counts_fewer_members_than_there_are() -> None:
    rng = np.random.default_rng(2)
    members, wrong, bounds = 300, 0, []
    for _ in range(300):
        questioned = np.concatenate([rng.normal(1.2, 1, members), rng.normal(0, 1, 200)])
        bounds.append(run(questioned, rng.normal(0, 1, 500)).at_least)
        wrong += bounds[-1] > members
    assert wrong / 300 < 0.08
    assert np.mean(bounds) > 100


small = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 2)), min_size=2, max_size=7)


@given(small, st.lists(st.tuples(st.integers(0, 12), st.integers(0, 2)), min_size=2, max_size=9))
def test_the_short_cut_is_closed_testing_over_all_subsets(
    questioned: list[tuple[int, int]], nonmember: list[tuple[int, int]]
) -> None:
    """A number of non-members is kept if any subset of that size is not rejected."""
    asked, stratum = (np.array(column) for column in zip(*questioned, strict=True))
    known = in_strata(*(np.array(column) for column in zip(*nonmember, strict=True)))
    found = compare_sets(asked.astype(float), known, alpha=0.3, strata=stratum, guarantee="average")
    if found.p_value > 0.3:
        assert found.at_least == 0
        return
    cells = Cells.of(asked.astype(float), known, stratum)
    part = np.flatnonzero(cells.known[cells.cell] > 0)
    placed, reached = known.standing(asked.astype(float), stratum)

    def rejected(rows: tuple[int, ...]) -> bool:
        chosen, size = part[list(rows)], len(rows)
        if size <= 2:
            within = np.isin(np.arange(len(asked)), chosen)
            some = Cells.of(asked[within].astype(float), known, stratum[within])
            return _of_few(reached[within], some, "average")[size] <= 0.3
        total = (cells.weight[cells.cell[chosen]] * (placed[chosen] - 0.5)).sum()
        return float(_largest_luck(cells, np.array([size])).p_values(total, "average")[0]) <= 0.3

    sizes = range(1, len(part))
    kept = max((size for size in sizes if not all(map(rejected, combinations(range(len(part)), size)))), default=0)
    assert found.at_least == len(part) - kept


@given(small, small)
def test_no_subset_varies_more_than_it_is_taken_to(
    questioned: list[tuple[int, int]], nonmember: list[tuple[int, int]]
) -> None:
    """The variance of the sum of any subset's placements, ties counted, is at most the largest of its size."""
    asked, stratum = (np.array(column, np.int64) for column in zip(*questioned, strict=True))
    known = in_strata(*(np.array(column, np.int64) for column in zip(*nonmember, strict=True)))
    cells = Cells.of(asked.astype(float), known, stratum)
    if not cells.compared:
        return
    part = np.flatnonzero(cells.known[cells.cell] > 0)
    for size in range(1, len(part) + 1):
        largest = _largest_luck(cells, np.array([size]))
        for rows in combinations(part.tolist(), size):
            some = Cells.of(asked[list(rows)].astype(float), known, stratum[list(rows)])
            weight = cells.weight[np.searchsorted(cells.numbers, some.numbers)]
            each = UNIFORM * some.untied() * weight**2 * (some.known > 0)
            assert (each * some.asked**2 / some.known).sum() <= largest.known[0] + 1e-12
            assert (each * some.asked * (some.known + 1) / some.known).sum() <= largest.asked[0] + 1e-12


def test_one_track_of_near_copies_proves_nothing() -> None:
    rng = np.random.default_rng(3)
    groups = np.repeat(np.arange(30), 20)
    nonmember = np.repeat(rng.normal(0, 1, 30), 20) + rng.normal(0, 0.1, 600)
    questioned = 1.0 + rng.normal(0, 0.1, 200)  # the same scene all the time, by chance a high one
    assert run(questioned, nonmember).p_value < 1e-6
    means, _ = group_means(questioned, np.zeros(200, np.int64))
    assert run(means, group_means(nonmember, groups)[0]).p_value > 0.05


@pytest.mark.parametrize("shape", [(0,), (0, 3)])
def test_no_row_makes_no_group(shape: tuple[int, ...]) -> None:
    means, place = group_means(np.zeros(shape), np.zeros(0, np.int64))
    assert means.shape == shape
    assert place.shape == (0,)


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
            alarm = compare_sets(of_asked, known, alpha=0.05, guarantee="average").p_value <= 0.05
            naive, false = naive + (alarm and inflation == 1), false + (alarm and inflation > 1)
    assert false < naive
    assert false / 400 < 0.05


def test_members_are_not_needed() -> None:
    rng = np.random.default_rng(5)
    found = compare_sets(rng.normal(1, 1, 100), HeldOut.of(np.empty(0), rng.normal(0, 1, 200)), alpha=0.05)
    assert found.p_value < 0.001
    assert found.at_least > 10


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
