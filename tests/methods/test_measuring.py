"""Signals kept of answers, and known images measured by them: rows that were not read count nowhere."""

import numpy as np
import pytest

from onnxmint.engine.observations import Observations
from onnxmint.engine.probe import ANSWER, ODDS, Shown
from onnxmint.errors import EvidenceError
from onnxmint.evidence.table import CALIBRATE, FIT, TEST, EvidenceTable
from onnxmint.methods.measuring import (
    COMPARED,
    PREDICTED,
    RIGHT,
    KnownScores,
    Signals,
    evidence_facts,
    evidence_warnings,
    measure,
    measure_baselines,
)
from onnxmint.methods.signals import SIGNALS
from onnxmint.results.facts import Skipped
from tests.known import known

ANSWERS = np.array([[2.0, 0.0, -1.0], [0.0, 1.0, 0.5], [3.0, 2.9, 0.0]], np.float32)
LABELS = np.array([0, 2, 0])
MADE = Signals(kind="logits", labels=True, views=0, names=COMPARED)


def _shown(labels: np.ndarray | None = LABELS, **outputs: np.ndarray) -> Shown:
    return Shown(pixels=np.zeros((3, 2, 2, 1), np.uint8), outputs={ANSWER: ANSWERS} | outputs, labels=labels)


def _observed(table: EvidenceTable, rows: np.ndarray, answers: np.ndarray) -> Observations:
    """Return what `MADE` keeps of answers to some rows."""
    assert table.labels is not None
    pixels = np.zeros((len(rows), 1, 1, 1), np.uint8)
    shown = Shown(pixels=pixels, outputs={ANSWER: answers[rows]}, labels=table.labels[rows])
    return Observations(count=len(table.index), row=rows, columns=MADE(shown) if len(rows) else {})


def _answers(table: EvidenceTable, gain: float) -> np.ndarray:
    """Return logits of ten classes that know the label, of members better by `gain`."""
    found = np.random.default_rng(0).normal(size=(len(table.index), 10))
    found[np.arange(len(found)), table.labels] += 3 + gain * table.is_member
    return found


def test_signals_are_those_asked_for_beside_the_top_class() -> None:
    found = MADE(_shown())
    assert set(found) == {*COMPARED, PREDICTED, RIGHT}
    assert found[PREDICTED].tolist() == [0, 1, 0]
    assert found[RIGHT].tolist() == [1.0, 0.0, 1.0]
    chance = np.exp(ANSWERS.astype(np.float64))
    chance /= chance.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found["loss"], np.log(chance[np.arange(3), LABELS]), rtol=1e-5)
    np.testing.assert_allclose(found["max_probability"], np.log(chance.max(axis=1)), rtol=1e-5)


@pytest.mark.parametrize(
    ("made", "missing", "why"),
    [
        (Signals(kind="logits", labels=False, views=0), "loss", "needs labels of all known images"),
        (Signals(kind="logits", labels=True, views=1), "view_gap", "view"),
        (Signals(kind="logits", labels=True, views=2), "gradient_norm", "dense layer"),
    ],
)
def test_what_a_signal_lacks_is_said(made: Signals, missing: str, why: str) -> None:
    signal = next(signal for signal in SIGNALS if signal.name == missing)
    assert why in (made.lacks(signal) or "")
    found = made(_shown(**{ODDS: np.zeros((3, 2), np.float32)}))
    assert missing not in found
    assert (RIGHT in found) == made.labels


def test_parts_seen_one_after_the_other_are_one_table() -> None:
    table = known(50).table
    answers = _answers(table, 0.0)
    parts = [table.rows(*FIT)[1:], table.rows(CALIBRATE, TEST)]
    held = KnownScores.of(table, MADE, *(_observed(table, rows, answers) for rows in parts))
    missing = table.rows(*FIT)[0]
    assert np.flatnonzero(~held.read).tolist() == [missing]
    assert held.predicted[missing] == -1
    assert np.isnan(held.signals["loss"][missing])
    whole = KnownScores.of(table, MADE, _observed(table, np.arange(100), answers))
    for name in COMPARED:
        np.testing.assert_array_equal(held.signals[name][held.read], whole.signals[name][held.read])
    np.testing.assert_array_equal(held.predicted[held.read], whole.predicted[held.read])
    assert held.rows(*FIT, member=True).tolist() == [row for row in table.rows(*FIT, member=True) if row != missing]


def test_nothing_seen_is_a_table_without_numbers() -> None:
    table = known(50).table
    held = KnownScores.of(table, MADE, _observed(table, np.empty(0, np.int64), np.zeros((100, 10))))
    assert not held.read.any()
    assert np.isnan(held.signals["loss"]).all()
    with pytest.raises(EvidenceError, match="of the known images to calibrate on, only 0 members and 0 non-members"):
        held.check_complete()


@pytest.mark.parametrize(("part", "purpose"), [(CALIBRATE, "to calibrate on"), (TEST, "to test on")])
def test_parts_of_which_too_little_was_read_are_refused(part: int, purpose: str) -> None:
    table = known(50).table
    lost = table.rows(part, member=False)[4:]
    rows = np.setdiff1d(np.arange(100), lost)
    held = KnownScores.of(table, MADE, _observed(table, rows, _answers(table, 0.0)))
    with pytest.raises(EvidenceError, match=rf"{purpose}, only \d+ members and 4 non-members could be read"):
        held.check_complete()


def test_performance_is_of_the_test_part_and_the_threshold_of_the_calibration_part() -> None:
    table = known(200).table
    held = KnownScores.of(table, MADE, _observed(table, np.arange(400), _answers(table, 3.0)))
    loss = held.signals["loss"]
    members, others = (loss[table.rows(TEST, member=side)] for side in (True, False))
    performance = measure(loss, held, np.random.default_rng(0))
    assert (performance.members, performance.nonmembers) == (len(members), len(others))
    assert performance.auc.value == pytest.approx((members[:, None] > others).mean(), abs=1e-9)
    shuffled = loss.copy()
    shuffled[table.rows(CALIBRATE)] = 0.0  # says nothing of a threshold
    assert measure(shuffled, held, np.random.default_rng(0)).auc == performance.auc


def test_baselines_are_rows_and_one_that_is_no_number_says_so() -> None:
    table = known(100).table
    held = KnownScores.of(table, MADE, _observed(table, np.arange(200), _answers(table, 1.0)))
    held.signals["entropy"][table.rows(TEST)[0]] = np.nan
    rows = {row.name: row for row in measure_baselines(held, np.random.default_rng(0))}
    assert tuple(rows) == tuple(signal.name for signal in SIGNALS if signal.name in COMPARED)
    assert rows["entropy"].performance is None
    assert rows["entropy"].skipped == "the target's answer holds NaN or infinity"
    assert rows["loss"].performance is not None


def test_facts_count_parts_and_tell_how_right_and_sure_the_target_is() -> None:
    table = known(100).table
    answers = _answers(table, 5.0)
    held = KnownScores.of(table, MADE, _observed(table, np.arange(200), answers))
    facts = evidence_facts(held, [Skipped(path="a", reason="gone")])
    assert (facts.members, facts.nonmembers, facts.groups, facts.folds) == (100, 100, None, None)
    assert facts.fit + facts.calibrate + facts.test == 200
    out = table.rows(CALIBRATE, TEST)
    right = answers.argmax(axis=1) == table.labels
    for side, accuracy in ((True, facts.accuracy_members), (False, facts.accuracy_nonmembers)):
        assert accuracy == pytest.approx(right[out[table.is_member[out] == side]].mean())
    assert facts.confidence_members is not None
    assert facts.confidence_nonmembers is not None
    assert facts.confidence_members > facts.confidence_nonmembers
    said = list(evidence_warnings(facts))
    assert said[0].startswith("Only 100 known images on one side")
    assert said[1].startswith("1 known images could not be used and were left out; the first: a (gone)")
    assert len(said) == 2
