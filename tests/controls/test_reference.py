"""The reference: difficulty is told from membership, in units that count once, and what was not shown is said."""

from dataclasses import replace

import numpy as np
import pytest

from onnxmint.controls.reference import LEARNED, question_the_reference, reference_control
from onnxmint.controls.seen import Difficulty, Missing
from onnxmint.evidence.known import Evidence
from onnxmint.results.facts import Control
from tests.controls.conftest import asked, seen
from tests.known import known, noise, scored

RNG = np.random.default_rng(0)
NO_FEATURES = (np.zeros((60, 2)), np.zeros((0, 2)))


def _difficulty(evidence: Evidence, score: np.ndarray, words: str = "other.onnx") -> Difficulty:
    fold = np.zeros(len(evidence.table.index), np.int8)
    return Difficulty(score=score, fold=fold, words=words, learned=words == LEARNED)


def _control(evidence: Evidence, score: np.ndarray, easy: np.ndarray, words: str = "other.onnx") -> Control:
    found = seen(evidence, target=scored(evidence, score), difficulty=_difficulty(evidence, easy, words))
    return reference_control(found, RNG)


def test_members_that_are_no_easier_pass() -> None:
    evidence = known()
    control = _control(evidence, noise(evidence, 1.0), noise(evidence, seed=2))
    assert control.passed is True
    assert "not found easier than non-members" in control.text
    assert control.auc is not None
    assert control.auc.low <= 0.5
    assert control.difficulty is not None
    assert (control.difficulty.by, control.difficulty.learned, control.difficulty.labels) == ("other.onnx", False, True)
    assert control.difficulty.before.value > 0.7


def test_members_that_are_easier_fail_and_their_difficulty_is_taken_off() -> None:
    """The score is difficulty and nothing else, so that nothing is left of it."""
    evidence = known()
    easy = noise(evidence, 1.0)
    control = _control(evidence, 3 * easy + noise(evidence, seed=3), easy)
    assert control.passed is False
    assert "part of the difference is difficulty" in control.text
    assert control.difficulty is not None
    assert control.difficulty.before.value > 0.7
    assert abs(control.difficulty.after.value - 0.5) < 0.1


def test_learned_difficulty_says_so_and_is_scaled_within_its_folds() -> None:
    """The second classifier's log-odds are of another scale: compared as they are, they would hide the difference."""
    evidence = known()
    fold = (np.arange(400) % 2).astype(np.int8)
    easy = noise(evidence, 1.0)
    found = Difficulty(score=np.where(fold == 1, 50 + 20 * easy, easy), fold=fold, words=LEARNED, learned=True)
    control = reference_control(seen(evidence, target=scored(evidence, 5 * easy), difficulty=found), RNG)
    assert control.passed is False
    assert LEARNED in control.text
    assert control.difficulty is not None
    assert control.difficulty.learned
    assert control.difficulty.before.value > 0.7
    assert abs(control.difficulty.after.value - 0.5) < 0.1


def test_images_that_were_not_shown_count_on_neither_side() -> None:
    evidence = known()
    score, easy = noise(evidence, 1.0), noise(evidence, seed=2)
    score[:50], easy[300:] = np.nan, np.nan
    control = _control(evidence, score, easy)
    assert control.passed is True
    assert control.difficulty is not None
    assert np.isfinite(control.difficulty.after.value)


def test_images_that_belong_together_are_one_vote() -> None:
    """Five scenes of members happen to be easy: twenty images of each would be a finding, five scenes are none."""
    groups = np.arange(400)
    groups[:100] = np.arange(100) // 20
    easy = noise(known(), seed=2)
    easy[:100] += 3
    alone, together = known(), known(groups=groups)
    assert _control(alone, noise(alone), easy).passed is False
    assert _control(together, noise(together), easy).passed is True


@pytest.mark.parametrize("difficulty", [Missing(why="120 known images of 10 classes are too few"), None])
def test_what_was_not_compared_is_said(difficulty: Missing | None) -> None:
    evidence = known()
    control = reference_control(seen(evidence, target=scored(evidence, noise(evidence)), difficulty=difficulty), RNG)
    assert control.passed is None
    assert control.text.startswith("Not run: no --reference was given, and ")
    assert control.text.endswith("A difference in difficulty was not excluded.")
    assert difficulty is None or difficulty.why in control.text


def _passed() -> tuple[Evidence, Control]:
    evidence = known()
    return evidence, _control(evidence, noise(evidence, 1.0), noise(evidence, seed=2))


def test_questioned_images_that_are_no_easier_pass() -> None:
    evidence, before = _passed()
    rng = np.random.default_rng(4)
    given = asked(evidence, NO_FEATURES, easy=rng.normal(size=60), difficulty=rng.normal(size=200))
    control = question_the_reference(before, given, RNG)
    assert control.passed is True
    assert "Nor are questioned images easier" in control.text
    assert control.difficulty is not None
    assert control.difficulty.questioned is not None
    assert control.difficulty.questioned.low <= 0.5


def test_questioned_images_that_are_easier_fail() -> None:
    evidence, before = _passed()
    rng = np.random.default_rng(4)
    given = asked(evidence, NO_FEATURES, easy=rng.normal(1.5, 1, 60), difficulty=rng.normal(size=200))
    control = question_the_reference(before, given, RNG)
    assert control.passed is False
    assert "Questioned images are easier than known non-members" in control.text


def test_questioned_groups_are_one_vote_against_single_known_images() -> None:
    """Six pictures of ten scenes each, of which half happen to be easy."""
    evidence, before = _passed()
    rng = np.random.default_rng(5)
    groups = np.repeat(np.arange(10), 6)
    easy = (np.arange(10) % 2 * 1.2)[groups] + 0.01 * rng.normal(size=60)
    difficulty = rng.normal(size=200)
    alone = question_the_reference(before, asked(evidence, NO_FEATURES, easy=easy, difficulty=difficulty), RNG)
    together = asked(evidence, NO_FEATURES, easy=easy, difficulty=difficulty, groups=groups)
    assert len(together.units.score) == 10
    assert alone.passed is False
    assert question_the_reference(before, together, RNG).passed is True


def test_references_that_were_not_shown_the_questioned_images_are_named() -> None:
    evidence, before = _passed()
    without = question_the_reference(before, asked(evidence, NO_FEATURES, easy=Missing(why="--reference")), RNG)
    assert without.passed is True
    assert without.text.endswith("Questioned images were not shown to them (--reference).")
    assert question_the_reference(before, asked(evidence, NO_FEATURES), RNG) == before
    assert question_the_reference(None, asked(evidence, NO_FEATURES), RNG).passed is None


def test_a_score_that_compares_with_references_is_controlled_by_another_estimate_too() -> None:
    """What it reads must not tell members apart, and what another estimate finds is taken off."""
    evidence = known()
    score, flat, easy = noise(evidence, 1.0), noise(evidence, seed=2), noise(evidence, 1.5, seed=4)
    for read, other, passed in ((flat, flat, True), (easy, flat, False), (flat, easy, False)):
        found = replace(_difficulty(evidence, read), other=_difficulty(evidence, other, LEARNED))
        control = reference_control(seen(evidence, target=scored(evidence, score), difficulty=found), RNG)
        assert control.passed is passed
        assert "once what small classifiers find difficult is taken off" in control.text
        assert ("whose answers alone tell members apart" in control.text) is (read is easy)
        assert (f"Members are easier for {LEARNED}" in control.text) is (other is easy)


def test_where_no_other_estimate_could_be_made_it_is_said() -> None:
    evidence = known()
    found = replace(_difficulty(evidence, noise(evidence, seed=2)), other=Missing(why="400 images are too few"))
    control = reference_control(seen(evidence, target=scored(evidence, noise(evidence)), difficulty=found), RNG)
    assert control.passed is True
    assert "another estimate of difficulty was not made, for 400 images are too few." in control.text
    assert "taken off" not in control.text
