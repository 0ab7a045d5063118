"""One verdict a subject: those trained on are found by name, and what belongs to several counts for none."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onnxmint.results.audit import SubjectFacts, SubjectsFacts
from onnxmint.results.facts import Control
from onnxmint.stats.heldout import HeldOut
from onnxmint.verdict.case import Case
from onnxmint.verdict.findings import Question
from onnxmint.verdict.opinions import SecondScores
from onnxmint.verdict.subjects import judge_subjects
from onnxmint.verdict.units import Units, as_units
from onnxmint.verdict.yardstick import Yardstick

GIVEN = Control(name="reference", passed=True, text="Not easier.")
STOPS = Control(name="exchangeability", passed=False, text="Other images.", stops=True)


def yardstick(rng: np.random.Generator, count: int = 1000) -> Yardstick:
    return Yardstick(
        score=np.sort(rng.normal(size=count)).astype(np.float32),
        is_member=np.zeros(count, np.bool_),
        is_test=np.ones(count, np.bool_),
        fold=np.zeros(count, np.int8),
        category=np.zeros(count, np.int32),
        group=None,
        number=np.arange(count, dtype=np.int32),
        level=rng.normal(size=count).astype(np.float32),
    )


def case_of(
    score: np.ndarray, groups: np.ndarray | None = None, controls: tuple[Control, ...] = (GIVEN,), seed: int = 0
) -> tuple[Case, Units]:
    """Return a case without known members, whose images the model is as sure of as of the known ones."""
    rng, rows = np.random.default_rng(seed), np.arange(len(score))
    known, digest = yardstick(rng), rows.astype(np.uint64)
    units = as_units(score[:, None], rows, groups, known, digest=digest, known_digest=np.arange(1000, dtype=np.uint64))
    level, known_level = rng.normal(size=len(units.score)), known.level
    assert known_level is not None
    return Case(
        question=Question(
            scores=units.score, images=len(score), grouped=units.grouped, alpha=0.05, relevant_share=0.5,
            guarantee="average",
        ),
        known=units.known.groups(),
        second=SecondScores(level=level, known_level=(np.empty(0), known_level.astype(np.float64))),
        auc=None,
        controls=controls,
    ), units  # fmt: skip


def persons(members: int, others: int, images: int = 40, seed: int = 1) -> tuple[np.ndarray, list[str | None]]:
    """Return the scores of members' and others' images, and whose each is."""
    rng, every = np.random.default_rng(seed), members + others
    of = np.repeat(np.arange(every), images)
    return rng.normal(1.2 * (of < members)), [f"person {number:03d}" for number in of]


def by_name(found: SubjectsFacts) -> dict[str, SubjectFacts]:
    return {row.name: row for row in found.rows}


def test_those_trained_on_are_found_by_name() -> None:
    score, names = persons(3, 17)
    case, units = case_of(score)
    found = judge_subjects(case, units, names, by="person")
    of = by_name(found)
    assert {name for name, row in of.items() if row.kind == "members-found"} == {f"person {k:03d}" for k in range(3)}
    assert found.found == 3
    assert all(row.images == row.units == 40 for row in found.rows)
    assert all((row.at_least or 0) > 0 for row in found.rows[:3])
    assert [row.p_value for row in found.rows] == sorted(row.p_value or 0 for row in found.rows)
    assert all((row.q_value or 0) >= (row.p_value or 0) for row in found.rows)


def test_the_one_that_was_asked_for_stands_first() -> None:
    score, names = persons(1, 5)
    case, units = case_of(score)
    found = judge_subjects(case, units, names, by="person", first="person 004")
    assert (found.first, found.rows[0].name, found.rows[1].name) == ("person 004", "person 004", "person 000")


def test_near_copies_that_two_share_count_for_neither_and_images_of_nobody_for_none() -> None:
    score, names = persons(0, 2, images=6)
    groups = np.array([0, 1, 2, 3, 4, 5, 5, 7, 8, 9, 10, 11])  # the last of one is a copy of the first of the other
    names[11] = None
    case, units = case_of(score, groups)
    found = judge_subjects(case, units, names, by="person")
    assert (found.shared, found.without) == (1, 1)
    assert {row.name: (row.images, row.units) for row in found.rows} == {"person 000": (5, 5), "person 001": (4, 4)}


def test_a_subject_of_whom_nothing_is_left_was_not_tested() -> None:
    score, names = persons(0, 2, images=3)
    case, units = case_of(score, np.array([0, 1, 2, 0, 1, 2]))
    found = judge_subjects(case, units, names, by="person")
    assert all(
        (row.p_value, row.q_value, row.images, row.kind) == (None, None, 0, "inconclusive") for row in found.rows
    )
    assert "none was tested" in found.rows[0].text


def test_several_images_that_count_once_are_one_unit_of_their_subject() -> None:
    score, names = persons(0, 2, images=4)
    case, units = case_of(score, np.array([0, 0, 2, 3, 4, 5, 6, 7]))
    row = by_name(judge_subjects(case, units, names, by="person"))["person 000"]
    assert (row.images, row.units) == (4, 3)


def test_a_failed_control_leaves_no_subject_found() -> None:
    score, names = persons(3, 3)
    case, units = case_of(score, controls=(GIVEN, STOPS))
    found = judge_subjects(case, units, names, by="person")
    assert found.found == 0
    assert {row.kind for row in found.rows} == {"inconclusive"}


def test_a_small_p_value_among_many_subjects_is_no_finding() -> None:
    """Of 60 innocent subjects some have p-values that would count alone; they are named with their q-value."""
    score, names = persons(0, 60)
    case, units = case_of(score)
    found = judge_subjects(case, units, names, by="person")
    small = [row for row in found.rows if row.p_value is not None and row.p_value <= 0.05]
    assert found.found == 0
    assert small
    assert all("among 60 subjects so small a p-value is no rarity" in row.text for row in small)


@pytest.mark.slow
def test_of_subjects_found_few_are_false() -> None:
    """Over many audits the share of false ones among the found is at most the level."""
    shares = []
    for seed in range(60):
        score, names = persons(5, 10, images=25, seed=seed)
        case, units = case_of(score, seed=1000 + seed)
        found = [
            row.name for row in judge_subjects(case, units, names, by="person").rows if row.kind == "members-found"
        ]
        shares.append(sum(name >= "person 005" for name in found) / max(len(found), 1))
    assert np.mean(shares) <= 0.05


@settings(max_examples=20, deadline=None)
@given(st.lists(st.sampled_from([None, "a", "b", "c"]), min_size=1, max_size=30))
def test_every_image_counts_for_one_subject_at_most(names: list[str | None]) -> None:
    score = np.random.default_rng(0).normal(size=len(names))
    case, units = case_of(score)
    found = judge_subjects(case, units, names, by="person")
    assert sum(row.images for row in found.rows) + found.without == len(names)
    assert found.shared == 0


def test_a_case_of_all_units_gives_the_same_verdict() -> None:
    score, _ = persons(2, 2)
    case, units = case_of(score)
    assert case.of(np.ones(len(units.score), np.bool_), images=len(score)).verdict() == case.verdict()
    assert isinstance(case.known, HeldOut)
