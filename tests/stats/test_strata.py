"""Within strata like is compared with like: another mix of classes or difficulties finds no members, members do."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm, rankdata

from onnxmint.stats.heldout import HeldOut
from onnxmint.stats.set_test import SetTest, compare_sets
from onnxmint.stats.share import share_of_members
from onnxmint.stats.strata import Cells, stratify
from onnxmint.stats.strength import Strength

MIX = np.array([0.3, 0.25, 0.2, 0.15, 0.1])  # of the known; the questioned ones have it reversed


def known_images(rng: np.random.Generator, count: int, shift: float = 1.0) -> HeldOut:
    stratum = [rng.choice(5, count, p=MIX) for _ in range(2)]
    return HeldOut(
        member=rng.normal(stratum[0] + shift, 1),
        nonmember=rng.normal(stratum[1], 1),
        member_fold=np.zeros(count, np.int8),
        nonmember_fold=np.zeros(count, np.int8),
        member_stratum=stratum[0],
        nonmember_stratum=stratum[1],
    )


def asked_images(rng: np.random.Generator, count: int, share: float, shift: float = 1.0) -> tuple[np.ndarray, ...]:
    stratum = rng.choice(5, count, p=MIX[::-1])
    return rng.normal(stratum + shift * (np.arange(count) < share * count), 1), stratum


def plain(known: HeldOut) -> HeldOut:
    return HeldOut.of(known.member, known.nonmember)


def audit(rng: np.random.Generator, share: float) -> tuple[SetTest, SetTest]:
    known, (asked, stratum) = known_images(rng, 400), asked_images(rng, 200, share)
    return (
        compare_sets(asked, known, alpha=0.05, strata=stratum, guarantee="average"),
        compare_sets(asked, plain(known), alpha=0.05, guarantee="average"),
    )


def test_p_value_is_van_elterens() -> None:
    """Weights 1 / (N + 1) and the variance given the ties, from midranks, stratum by stratum."""
    rng = np.random.default_rng(0)
    known, (asked, stratum) = known_images(rng, 120), asked_images(rng, 60, 0.3)
    asked, outside = np.round(asked, 1), np.round(known.nonmember, 1)
    total = variance = step = 0.0
    for number in range(5):
        mine, theirs = asked[stratum == number], outside[known.nonmember_stratum == number]
        count, both = len(mine) + len(theirs), np.concatenate([mine, theirs])
        same = np.unique(both, return_counts=True)[1]
        untied = 1 - (same**3 - same).sum() / (count**3 - count)
        rank_sum = rankdata(both)[: len(mine)].sum()
        total += (rank_sum - len(mine) * (count + 1) / 2) / (count + 1)
        variance += len(mine) * len(theirs) * (count + 1) / 12 * untied / (count + 1) ** 2
        step = max(step, 0.5 / (count + 1))
    rounded = HeldOut(
        member=known.member,
        nonmember=outside,
        member_fold=known.member_fold,
        nonmember_fold=known.nonmember_fold,
        member_stratum=known.member_stratum,
        nonmember_stratum=known.nonmember_stratum,
    )
    found = compare_sets(asked, rounded, alpha=0.05, strata=stratum, guarantee="average")
    assert found.p_value == pytest.approx(norm.sf((total - step) / np.sqrt(variance)), rel=1e-9)


def test_one_stratum_is_no_stratum() -> None:
    rng = np.random.default_rng(1)
    known, asked = HeldOut.of(rng.normal(1, 1, 90), rng.normal(0, 1, 80)), rng.normal(0.4, 1, 70)
    one = HeldOut(
        member=known.member,
        nonmember=known.nonmember,
        member_fold=known.member_fold,
        nonmember_fold=known.nonmember_fold,
        member_stratum=np.full(90, 7),
        nonmember_stratum=np.full(80, 7),
    )
    assert compare_sets(asked, one, alpha=0.05, strata=np.full(70, 7)) == compare_sets(asked, known, alpha=0.05)
    assert share_of_members(asked, one, np.full(70, 7)) == share_of_members(asked, known)


def test_another_mix_of_classes_is_no_membership() -> None:
    """Class by class nothing is found, and no share; without strata every innocent set was called members."""
    rng, runs = np.random.default_rng(2), 300
    found = [audit(rng, 0.0) for _ in range(runs)]
    assert np.mean([within.p_value <= 0.05 for within, _ in found]) < 0.08
    assert np.mean([across.p_value <= 0.05 for _, across in found]) > 0.9
    assert np.mean([within.at_least > 0 for within, _ in found]) < 0.08


def test_members_are_found_within_strata() -> None:
    rng = np.random.default_rng(3)
    found = [audit(rng, 0.3)[0] for _ in range(100)]
    assert np.mean([one.p_value <= 0.05 for one in found]) > 0.9
    assert all(one.at_least <= 60 for one in found)
    assert np.mean([one.at_least for one in found]) > 5


@pytest.mark.parametrize("share", [0.0, 0.4])
def test_the_share_covers_the_truth_within_strata(share: float) -> None:
    rng, within, across, runs = np.random.default_rng(4), 0, 0, 300
    for _ in range(runs):
        known, (asked, stratum) = known_images(rng, 300), asked_images(rng, 200, share)
        one, other = share_of_members(asked, known, stratum), share_of_members(asked, plain(known))
        within += one.low <= share <= one.high
        across += other.low <= share <= other.high
    assert within / runs > 0.91  # 95.2% to 95.6% of 1,500
    assert across / runs < 0.3


def sure(rng: np.random.Generator, count: int, share: float, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return scores and strata, 3 levels of confidence a class: members are surer, and stand out where they are."""
    member = np.arange(count) < round(share * count)
    level = np.where(member, rng.choice(3, count, p=(0.1, 0.3, 0.6)), rng.choice(3, count, p=(0.5, 0.3, 0.2)))
    return rng.normal(member * level, 1), 3 * rng.integers(0, classes, count) + level


@pytest.mark.parametrize("classes", [1, 4])
@pytest.mark.parametrize("share", [0.2, 0.6])
def test_the_share_covers_the_truth_where_members_lie_at_other_levels_of_confidence(share: float, classes: int) -> None:
    rng, hits, values, runs = np.random.default_rng(9), 0, [], 100
    for _ in range(runs):
        (member, inside), (nonmember, outside) = sure(rng, 300, 1, classes), sure(rng, 300, 0, classes)
        strata = {"member_stratum": inside, "nonmember_stratum": outside, "levels": 3}
        known = replace(HeldOut.of(member, nonmember), **strata)
        asked, stratum = sure(rng, 200, share, classes)
        found = share_of_members(asked, known, stratum)
        hits += found.low <= share <= found.high
        values.append(found.value)
    assert hits / runs > 0.88  # 95% is measured as 89 to 99%
    assert np.mean(values) == pytest.approx(share, abs=0.03)


def test_strata_without_known_images_take_no_part() -> None:
    rng = np.random.default_rng(5)
    known = known_images(rng, 200)
    asked, stratum = rng.normal(10, 1, 30), np.full(30, 99)
    found = compare_sets(asked, known, alpha=0.05, strata=stratum)
    assert (found.p_value, found.at_least, found.compared, found.effect) == (1.0, 0, 0, 0.5)
    some = np.concatenate([rng.normal(3, 1, 50), asked]), np.concatenate([np.full(50, 2), stratum])
    with_them = compare_sets(some[0], known, alpha=0.05, strata=some[1])
    without = compare_sets(some[0][:50], known, alpha=0.05, strata=some[1][:50])
    assert with_them == without
    assert share_of_members(*(some[0], known, some[1])) == share_of_members(some[0][:50], known, some[1][:50])
    with pytest.raises(ValueError, match="need at least two units on each side"):
        share_of_members(asked, known, stratum)


def test_many_tiny_strata_keep_the_level() -> None:
    """One or two known non-members a stratum, and some with none: conservative."""
    rng, false = np.random.default_rng(6), 0
    for _ in range(300):
        stratum, mine = rng.integers(0, 100, 150), rng.integers(0, 100, 80)
        known = HeldOut(
            member=np.empty(0),
            nonmember=rng.normal(stratum, 1),
            member_fold=np.empty(0, np.int8),
            nonmember_fold=np.zeros(150, np.int8),
            member_stratum=np.empty(0, np.int64),
            nonmember_stratum=stratum,
        )
        found = compare_sets(rng.normal(mine, 1), known, alpha=0.05, strata=mine, guarantee="average")
        false += found.p_value <= 0.05
    assert false / 300 < 0.08


def test_another_proportion_makes_the_known_images_worth_less() -> None:
    rng = np.random.default_rng(7)
    known, (asked, stratum) = known_images(rng, 400), asked_images(rng, 300, 0.0)
    cells = Cells.of(asked, known, stratum)
    weighed = Strength.measured(known, cells)
    assert weighed.nonmembers < 380
    assert weighed.members < 380
    assert weighed.effect == pytest.approx(norm.cdf(1 / np.sqrt(2)) - 0.5, abs=0.04)
    same = Cells.of(known.nonmember, known, known.nonmember_stratum)
    assert Strength.measured(known, same).nonmembers == pytest.approx(400, rel=0.01)


def test_strata_of_one_side_only_are_refused() -> None:
    rng = np.random.default_rng(8)
    known = known_images(rng, 20)
    with pytest.raises(ValueError, match="need strata of the questioned and of the known images"):
        compare_sets(np.ones(3), known, alpha=0.05)
    with pytest.raises(ValueError, match="need the strata of 3 images, got 2"):
        compare_sets(np.ones(3), known, alpha=0.05, strata=np.zeros(2, np.int64))
    with pytest.raises(ValueError, match="got those of one side"):
        HeldOut(
            member=np.ones(1),
            nonmember=np.ones(1),
            member_fold=np.zeros(1, np.int8),
            nonmember_fold=np.zeros(1, np.int8),
            member_stratum=np.zeros(1, np.int64),
        )


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=200), st.integers(1, 20))
def test_strata_of_difficulty_keep_its_order(difficulty: list[float], wanted: int) -> None:
    values = np.array(difficulty)
    found = stratify(values, None, wanted=wanted).of(values, None)
    order = np.argsort(values, kind="stable")
    assert (np.diff(found[order]) >= 0).all()
    assert len(np.unique(found)) <= max(1, len(values) // wanted)


def test_strata_are_as_many_as_the_known_images_allow() -> None:
    rng = np.random.default_rng(9)
    difficulty, classes = rng.normal(size=500), rng.integers(0, 5, 500)
    assert len(stratify(difficulty, None).edges) == 19
    both = stratify(difficulty, classes)
    assert len(both.edges) == 4
    assert len(np.unique(both.of(difficulty, classes))) == 25
    assert len(np.unique(stratify(None, classes).of(None, classes))) == 5
    assert len(stratify(difficulty[:20], None).edges) == 0


def test_images_of_unknown_difficulty_are_a_stratum_of_their_own() -> None:
    rule = stratify(np.arange(100.0), None)
    assert rule.of(np.array([np.nan, -1.0, 1e9]), None).tolist() == [5, 0, 4]


def test_classes_that_are_kept_apart_must_be_given() -> None:
    rule = stratify(None, np.zeros(9, np.int64))
    with pytest.raises(ValueError, match="the strata are of classes too"):
        rule.of(np.zeros(3), None)
    with pytest.raises(ValueError, match="give the difficulty or the classes"):
        stratify(np.zeros(9), None).of(None, None)
