"""The set test keeps its level, finds what it says it can find, and counts groups rather than images."""

import numpy as np
import pytest
from scipy.stats import mannwhitneyu, norm

from onnxmint.stats.set_test import SetTest, compare_sets


def run(
    questioned: np.ndarray, nonmember: np.ndarray, *, member: np.ndarray | None = None, **groups: np.ndarray
) -> SetTest:
    heldout = questioned if member is None else member
    return compare_sets(
        questioned, nonmember, heldout_member=heldout, alpha=0.05, rng=np.random.default_rng(0), **groups
    )


def test_p_value_is_scipys_and_the_effect_is_an_auc() -> None:
    rng = np.random.default_rng(0)
    questioned, nonmember = rng.normal(0.4, 1, 60), rng.normal(0, 1, 80)
    found = run(questioned, nonmember)
    expected = mannwhitneyu(questioned, nonmember, alternative="greater")
    assert found.p_value == expected.pvalue
    assert found.effect == pytest.approx(expected.statistic / (60 * 80))


def test_lower_scores_are_no_evidence() -> None:
    rng = np.random.default_rng(0)
    assert run(rng.normal(-1, 1, 60), rng.normal(0, 1, 80)).p_value > 0.99


def test_equal_scores_are_no_evidence() -> None:
    found = run(np.full(20, 0.5), np.full(30, 0.5))
    assert (found.effect, found.power_all_members) == (0.5, 0)
    assert found.p_value >= 0.5


def test_level_is_kept() -> None:
    rng = np.random.default_rng(1)
    false = [
        mannwhitneyu(rng.normal(size=50), rng.normal(size=100), alternative="greater").pvalue <= 0.05
        for _ in range(1000)
    ]
    assert np.mean(false) == pytest.approx(0.05, abs=0.025)


def test_power_is_the_share_of_member_sets_that_are_found() -> None:
    rng = np.random.default_rng(2)
    member, nonmember = (norm.ppf((np.arange(500) + 0.5) / 500, loc=shift) for shift in (0.5, 0))
    found = run(rng.normal(0, 1, 40), nonmember, member=member)
    again = [
        mannwhitneyu(rng.normal(0.5, 1, 40), rng.normal(0, 1, 500), alternative="greater").pvalue <= 0.05
        for _ in range(400)
    ]
    assert found.power_all_members == pytest.approx(np.mean(again), abs=0.06)
    assert run(rng.normal(0, 1, 4), nonmember, member=member).power_all_members < found.power_all_members


def test_one_track_of_near_copies_proves_nothing() -> None:
    rng = np.random.default_rng(3)
    nonmember_groups = np.repeat(np.arange(30), 20)
    nonmember = np.repeat(rng.normal(0, 1, 30), 20) + rng.normal(0, 0.1, 600)
    questioned = 1.0 + rng.normal(0, 0.1, 200)  # ten times the same scene, by chance a high one
    questioned_groups = np.repeat(0, 200)
    assert run(questioned, nonmember).p_value < 1e-6
    found = run(questioned, nonmember, questioned_groups=questioned_groups, nonmember_groups=nonmember_groups)
    assert found.p_value > 0.05


def test_groups_on_one_side_only_leave_images() -> None:
    rng = np.random.default_rng(4)
    questioned, nonmember = rng.normal(0.4, 1, 60), rng.normal(0, 1, 80)
    assert run(questioned, nonmember, questioned_groups=np.arange(60) // 2) == run(questioned, nonmember)


def test_nothing_questioned_is_refused() -> None:
    with pytest.raises(ValueError, match="got no scores"):
        run(np.empty(0), np.ones(3))
