"""Of subjects that are found few are false, although all are measured by the same known non-members."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onnxmint.stats.guarantee import Guarantee
from onnxmint.stats.heldout import HeldOut
from onnxmint.stats.subjects import RULES, Rule, _of_e_values, e_values, subjects

PERSONS, IMAGES = 30, 25


def persons(rng: np.random.Generator, members: int, shift: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the scores of persons of whom the first ones are members, and who each is of."""
    subject = np.repeat(np.arange(PERSONS), IMAGES)
    return rng.normal(shift * (subject < members), 1), subject


def false_shares(rule: Rule, guarantee: Guarantee, *, members: int, auditors: int, sets: int) -> np.ndarray:
    """Return for each auditor the mean share of false ones among the persons it finds."""
    rng, found = np.random.default_rng(0), []
    for _ in range(auditors):
        known, shares = HeldOut.of(np.empty(0), rng.normal(size=300)), []
        for _ in range(sets):
            scores, subject = persons(rng, members, 1.0)
            flagged = [one.number for one in subjects(scores, subject, known, alpha=0.1, guarantee=guarantee, rule=rule)
                       if one.found]  # fmt: skip
            shares.append(sum(number >= members for number in flagged) / max(len(flagged), 1))
        found.append(np.mean(shares))
    return np.array(found)


@pytest.mark.parametrize(("rule", "guarantee"), [("bh", "average"), ("ebh", "average")])
def test_on_average_over_auditors_few_are_false(rule: Rule, guarantee: Guarantee) -> None:
    assert false_shares(rule, guarantee, members=8, auditors=40, sets=1).mean() <= 0.13


def test_nearly_every_auditor_keeps_the_rate_where_p_values_hold_for_each() -> None:
    each = false_shares("bh", "each", members=8, auditors=15, sets=6)
    assert np.mean(each > 0.15) <= 0.1


@pytest.mark.parametrize("rule", RULES)
def test_where_nobody_is_a_member_hardly_anybody_is_found(rule: Rule) -> None:
    """On average over auditors, the chance of any finding is the rate."""
    assert false_shares(rule, "average", members=0, auditors=40, sets=1).mean() <= 0.2


def test_members_are_found_each_by_name() -> None:
    rng = np.random.default_rng(1)
    scores, subject = persons(rng, 10, 1.5)
    known = HeldOut.of(np.empty(0), rng.normal(size=500))
    found = subjects(scores, subject * 7, known, alpha=0.1)
    assert [one.number for one in found] == [7 * number for number in range(PERSONS)]
    assert all(one.units == IMAGES for one in found)
    assert all(one.found for one in found[:10])
    assert sum(one.found for one in found[10:]) <= 3
    assert all(one.test.at_least > 0 for one in found[:10])


def test_persons_are_compared_within_strata() -> None:
    """One person's images are all of an easy class: alone that is no membership."""
    rng = np.random.default_rng(2)
    stratum = rng.integers(0, 2, 600)
    known = HeldOut(
        member=np.empty(0),
        nonmember=rng.normal(3 * stratum, 1),
        member_fold=np.empty(0, np.int8),
        nonmember_fold=np.zeros(600, np.int8),
        member_stratum=np.empty(0, np.int64),
        nonmember_stratum=stratum,
    )
    subject = np.repeat([0, 1], 40)
    scores = rng.normal(3 * (subject == 1), 1)
    assert not any(one.found for one in subjects(scores, subject, known, alpha=0.05, strata=subject))
    bare = HeldOut.of(np.empty(0), known.nonmember)
    assert [one.found for one in subjects(scores, subject, bare, alpha=0.05)] == [False, True]


@given(st.lists(st.floats(0, 50), min_size=1, max_size=12), st.floats(0.01, 1))
def test_e_bh_finds_the_largest_number_that_it_may(values: list[float], level: float) -> None:
    e = np.maximum(np.array(values), 1e-9)
    ordered = np.sort(e)[::-1]
    most = max((k for k in range(1, len(e) + 1) if ordered[k - 1] >= len(e) / (k * level)), default=0)
    assert (_of_e_values(e) <= level * (1 + 1e-12)).sum() >= most
    if level < 1:
        assert (_of_e_values(e) <= level * (1 - 1e-9)).sum() <= most


@settings(max_examples=30)
@given(st.lists(st.floats(1e-6, 1), min_size=1, max_size=20))
def test_e_values_never_find_what_p_values_do_not(p: list[float]) -> None:
    assert (e_values(np.array(p)) <= 1 / np.array(p) + 1e-9).all()


def test_e_values_of_nothing_have_a_mean_of_one() -> None:
    assert e_values((np.arange(100_000) + 0.5) / 100_000).mean() == pytest.approx(1, abs=0.01)


def test_what_does_not_belong_together_is_refused() -> None:
    known = HeldOut.of(np.empty(0), np.arange(9.0))
    with pytest.raises(ValueError, match="need the subjects of 3 units, got 2"):
        subjects(np.ones(3), np.zeros(2, np.int64), known, alpha=0.1)
    with pytest.raises(ValueError, match="must be one of bh, ebh"):
        subjects(np.ones(3), np.zeros(3, np.int64), known, alpha=0.1, rule="holm")  # type: ignore[arg-type]
