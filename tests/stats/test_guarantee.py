"""Nearly every auditor keeps its level, not only the average one; what that costs is said and can be computed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from onnxmint.stats.guarantee import AUDITORS, Guarantee, Luck
from onnxmint.stats.heldout import HeldOut
from onnxmint.stats.set_test import compare_sets
from onnxmint.stats.share import detectable_share, power, power_cost, questioned_needed
from onnxmint.stats.strength import Strength

ALPHA = 0.05


def rates_of_auditors(
    rng: np.random.Generator, nonmembers: int, questioned: int, guarantee: Guarantee, *, auditors: int, sets: int
) -> np.ndarray:
    """Return for each auditor the rate at which it calls innocent sets members."""
    needed = float(Luck.of(nonmembers, questioned, step=0.5 / nonmembers / questioned).needed(ALPHA, guarantee))
    found = np.empty(auditors)
    for number in range(auditors):
        known = np.sort(rng.random(nonmembers))
        placed = np.searchsorted(known, rng.random((sets, questioned))) / nonmembers
        found[number] = np.mean(placed.mean(axis=1) >= 0.5 + needed)
    return found


@pytest.mark.parametrize(("nonmembers", "questioned"), [(50, 20), (200, 100), (500, 300)])
def test_95_of_100_auditors_keep_the_level_each(nonmembers: int, questioned: int) -> None:
    rng = np.random.default_rng(nonmembers)
    sets, error = 400, 2 * np.sqrt(ALPHA * (1 - ALPHA) / 400)
    each = rates_of_auditors(rng, nonmembers, questioned, "each", auditors=100, sets=sets)
    assert np.mean(each > ALPHA + error) < 0.08
    average = rates_of_auditors(rng, nonmembers, questioned, "average", auditors=100, sets=sets)
    assert np.mean(average) == pytest.approx(ALPHA, abs=0.025)
    assert np.mean(average > ALPHA + error) > 0.15
    assert average.max() > 0.2


@pytest.mark.slow
@pytest.mark.parametrize(("count", "ties", "strata"), [(1, False, 1), (2, False, 1), (40, True, 1), (60, False, 5)])
def test_the_test_itself_does_so_for_few_images_ties_and_strata(count: int, ties: bool, strata: int) -> None:
    rng, rates, sets = np.random.default_rng(count), [], 80

    def draw(size: int) -> tuple[np.ndarray, np.ndarray]:
        stratum = rng.integers(0, strata, size)
        score = rng.normal(stratum, 1)
        return (np.round(np.maximum(score, 0.3), 1) if ties else score), stratum

    for _ in range(50):
        nonmember, stratum = draw(150)
        known = HeldOut(
            member=np.empty(0),
            nonmember=nonmember,
            member_fold=np.empty(0, np.int8),
            nonmember_fold=np.zeros(150, np.int8),
            member_stratum=np.empty(0, np.int64),
            nonmember_stratum=stratum,
        )
        found = []
        for _ in range(sets):
            asked, mine = draw(count)
            found.append(compare_sets(asked, known, alpha=ALPHA, strata=mine).p_value <= ALPHA)
        rates.append(np.mean(found))
    assert np.mean(np.array(rates) > ALPHA + 2 * np.sqrt(ALPHA * (1 - ALPHA) / sets)) <= 0.07


def test_one_draw_makes_all_levels_hold_at_once() -> None:
    """For a lucky enough auditor p-values are no smaller than uniform ones at every level."""
    rng, nonmembers, questioned, lucky = np.random.default_rng(3), 200, 80, 0
    luck = Luck.of(nonmembers, questioned)
    for _ in range(200):
        known = np.sort(rng.random(nonmembers))
        placed = np.searchsorted(known, rng.random((400, questioned))).mean(axis=1) / nonmembers
        p = luck.p_values(placed - 0.5, "each")
        lucky += all(np.mean(p <= level) <= level + 2.5 * np.sqrt(level / 400) for level in (0.01, 0.05, 0.2))
    assert lucky / 200 >= AUDITORS - 0.03


@given(
    st.integers(2, 5000), st.integers(1, 5000), st.floats(0.001, 0.4), st.sampled_from(["each", "average"]),
    st.floats(1, 2.25),
)  # fmt: skip
def test_p_value_and_threshold_say_the_same(
    nonmembers: int, questioned: int, alpha: float, guarantee: Guarantee, inflation: float
) -> None:
    luck = Luck.of(nonmembers, questioned, inflation=inflation, step=0.5 / nonmembers / questioned)
    needed = float(luck.needed(alpha, guarantee))
    assert float(luck.p_values(needed, guarantee)) == pytest.approx(alpha, rel=1e-6)
    assert float(luck.needed(alpha, "each")) >= float(luck.needed(alpha, "average")) - 1e-15


def test_thresholds_are_those_of_the_formula() -> None:
    """1/2 + z sqrt(1 / 12n) + z sqrt(1 / 12q), and the effects needed by statistics.md's table."""
    luck = Luck.of(500, 300)
    z = norm.isf(0.05)
    assert float(luck.needed(0.05, "each")) == pytest.approx(z * (np.sqrt(1 / 6000) + np.sqrt(501 / 500 / 3600)))
    assert float(luck.needed(0.05, "average")) == pytest.approx(z * np.sqrt(801 / 12 / 500 / 300))
    for nonmembers, questioned, average, each in ((200, 100, 0.058, 0.081), (1000, 1000, 0.021, 0.030)):
        luck = Luck.of(nonmembers, questioned)
        assert float(luck.needed(0.05, "average")) == pytest.approx(average, abs=6e-4)
        assert float(luck.needed(0.05, "each")) == pytest.approx(each, abs=6e-4)


def test_ties_need_no_more_than_there_is() -> None:
    luck = Luck.of(100, 50, null=0.0)
    assert float(luck.p_values(0.0, "each")) == 1


@pytest.mark.parametrize("guarantee", ["each", "average"])
def test_power_is_what_audits_find(guarantee: Guarantee) -> None:
    rng, found, runs = np.random.default_rng(5), 0, 300
    shift = float(np.sqrt(2) * norm.ppf(0.65))
    for _ in range(runs):
        asked = rng.normal(0, 1, 300) + shift * (np.arange(300) < 150)
        known = HeldOut.of(np.empty(0), rng.normal(0, 1, 500))
        found += compare_sets(asked, known, alpha=ALPHA, guarantee=guarantee).p_value <= ALPHA
    expected = power(Strength.expected(0.65, 10**9, 500), 300, np.array([0.5]), alpha=ALPHA, guarantee=guarantee)
    assert found / runs == pytest.approx(expected[0], abs=0.045)


def test_the_cost_of_the_guarantee_is_said_with_what_wins_it_back() -> None:
    """Half members at AUC .65, 500 held out, 300 questioned: 6 points, won back with four times as many held out."""
    strength = Strength.expected(0.65, 500, 500)
    cost = power_cost(strength, 300, 0.5, alpha=ALPHA)
    assert cost.average == pytest.approx(0.985, abs=0.01)
    assert cost.points == pytest.approx(6.2, abs=0.5)
    assert cost.nonmembers is not None
    assert 1500 < cost.nonmembers < 2500
    more = Strength.expected(0.65, cost.nonmembers, cost.nonmembers)
    assert power(more, 300, np.array([0.5]), alpha=ALPHA)[0] >= cost.average - 1e-9
    assert power_cost(Strength.expected(0.5, 500, 500), 300, 0.5, alpha=ALPHA).points > 0


def test_plans_follow_the_guarantee() -> None:
    strength = Strength.expected(0.65, 500, 500)
    shares = [detectable_share(strength, 300, alpha=ALPHA, guarantee=kind) or 1 for kind in ("average", "each")]
    assert shares[0] < shares[1]
    numbers = [questioned_needed(strength, 0.5, alpha=ALPHA, guarantee=kind) or 0 for kind in ("average", "each")]
    assert numbers[0] < numbers[1]
