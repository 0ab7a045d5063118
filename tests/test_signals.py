"""Closed-form signals: exact from logits, alike from every kind of answer, higher for members."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from onnxmint.signals import SIGNALS, log_probabilities

BY_NAME = {signal.name: signal for signal in SIGNALS}
LABELS = np.array([0, 2], np.int64)
LOGITS = np.array([[2.0, 1.0, 0.0], [0.0, 3.0, 1.0]], np.float32)
answers = hnp.arrays(np.float64, st.tuples(st.integers(1, 4), st.integers(2, 6)), elements=st.floats(-8, 8))


def compute(name: str, answer: np.ndarray, kind: str = "logits", labels: np.ndarray | None = LABELS) -> np.ndarray:
    return BY_NAME[name].compute(answer, kind, labels)


def test_every_signal_has_its_name_and_source() -> None:
    assert list(BY_NAME) == ["max_probability", "entropy", "correct", "loss", "phi"]
    assert all(signal.source and signal.description for signal in SIGNALS)
    assert [name for name, signal in BY_NAME.items() if signal.needs_labels] == ["correct", "loss", "phi"]


def test_values_by_hand() -> None:
    p = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)
    of_label = p[[0, 1], LABELS]
    assert compute("max_probability", LOGITS) == pytest.approx(np.log(p.max(axis=1)), rel=1e-6)
    assert compute("entropy", LOGITS) == pytest.approx((p * np.log(p)).sum(axis=1), rel=1e-6)
    assert compute("correct", LOGITS).tolist() == [1, 0]
    assert compute("loss", LOGITS) == pytest.approx(np.log(of_label), rel=1e-6)
    assert compute("phi", LOGITS) == pytest.approx(np.log(of_label / (1 - of_label)), rel=1e-5)


@pytest.mark.parametrize("name", list(BY_NAME))
@given(answers)
def test_every_kind_of_answer_gives_the_same_score(name: str, logits: np.ndarray) -> None:
    labels = np.zeros(len(logits), np.int64)
    if name == "correct":
        logits = logits.round()  # exp and log round: near ties could turn over
    log_p = log_probabilities(logits, "logits")
    expected = compute(name, logits, "logits", labels)
    assert compute(name, log_p, "log-probabilities", labels) == pytest.approx(expected, abs=1e-9)
    assert compute(name, np.exp(log_p), "probabilities", labels) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("name", list(BY_NAME))
@given(answers, st.floats(-1e4, 1e4))
def test_a_shift_of_all_logits_changes_nothing(name: str, logits: np.ndarray, shift: float) -> None:
    labels = np.zeros(len(logits), np.int64)
    if name == "correct":
        logits = logits.round()  # a shift rounds: near ties could turn over
    expected = compute(name, logits, "logits", labels)
    assert compute(name, logits + np.round(shift), "logits", labels) == pytest.approx(expected, abs=1e-9)


def test_very_confident_answers_keep_their_order() -> None:
    logits = np.array([[60.0, 0, 0], [61.0, 0, 0], [900.0, 0, 0]])
    found = compute("phi", logits, labels=np.zeros(3, np.int64))
    assert found == pytest.approx([60 - np.log(2), 61 - np.log(2), 900 - np.log(2)], rel=1e-15)


@pytest.mark.parametrize("name", list(BY_NAME))
@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (np.array([[1.0, 0, 0], [0, 1, 0]], np.float32), "probabilities"),
        (np.array([[0, -np.inf, -np.inf], [-np.inf, 0, -np.inf]], np.float32), "log-probabilities"),
        (np.array([[1e30, -1e30, 0], [0, 0, 3e38]], np.float32), "logits"),
    ],
)
def test_extreme_answers_stay_finite(name: str, answer: np.ndarray, kind: str) -> None:
    assert np.isfinite(compute(name, answer, kind)).all()


@pytest.mark.parametrize("name", list(BY_NAME))
def test_a_sure_and_right_answer_looks_more_like_a_member(name: str) -> None:
    answer = np.array([[5.0, 0, 0], [0.2, 0.3, 0.1]], np.float32)
    sure, unsure = compute(name, answer, labels=np.zeros(2, np.int64))
    assert sure > unsure


def test_one_class_has_no_odds() -> None:
    assert compute("phi", np.ones((3, 1)), labels=np.zeros(3, np.int64)).tolist() == [0, 0, 0]


@pytest.mark.parametrize("name", ["correct", "loss", "phi"])
def test_labels_are_asked_for(name: str) -> None:
    with pytest.raises(ValueError, match="needs labels"):
        compute(name, LOGITS, labels=None)


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="logits, probabilities or log-probabilities, got 'odds'"):
        compute("entropy", LOGITS, "odds")
