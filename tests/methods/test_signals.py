"""Closed-form signals: exact from logits, alike from every kind of answer, higher for members."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from onnxmint.methods.signals import NEEDS, SIGNALS, Observed, Signal, log_probabilities

BY_NAME = {signal.name: signal for signal in SIGNALS}
LABELS = np.array([0, 2], np.int64)
LOGITS = np.array([[2.0, 1.0, 0.0], [0.0, 3.0, 1.0]], np.float32)
answers = hnp.arrays(np.float64, st.tuples(st.integers(1, 4), st.integers(2, 6)), elements=st.floats(-8, 8))


# Signals of any kind of answer; energy is of logits alone, view_gap does not read the answer.
OF_ANY_KIND = [name for name in BY_NAME if name not in {"energy", "view_gap"}]


def compute(name: str, answer: np.ndarray, kind: str = "logits", labels: np.ndarray | None = LABELS) -> np.ndarray:
    penultimate = np.tile([[3.0, 4.0]], (len(answer), 1))
    odds = np.tile([[2.0, 0.0]], (len(answer), 1))
    return BY_NAME[name].compute(Observed(answer=answer, kind=kind, labels=labels, penultimate=penultimate, odds=odds))


def test_every_signal_has_its_name_and_source() -> None:
    assert len(BY_NAME) == len(SIGNALS)
    assert all(signal.source and signal.description for signal in SIGNALS)
    assert {need for signal in SIGNALS for need in signal.needs} == set(NEEDS)


def test_values_by_hand() -> None:
    p = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)
    of_label = p[[0, 1], LABELS]
    assert compute("max_probability", LOGITS) == pytest.approx(np.log(p.max(axis=1)), rel=1e-6)
    assert compute("entropy", LOGITS) == pytest.approx((p * np.log(p)).sum(axis=1), rel=1e-6)
    assert compute("energy", LOGITS) == pytest.approx(np.log(np.exp(LOGITS).sum(axis=1)), rel=1e-6)
    assert compute("correct", LOGITS).tolist() == [1, 0]
    assert compute("loss", LOGITS) == pytest.approx(np.log(of_label), rel=1e-6)
    assert compute("phi", LOGITS) == pytest.approx(np.log(of_label / (1 - of_label)), rel=1e-5)
    assert compute("margin", LOGITS).tolist() == [1, -2]
    assert compute("view_gap", LOGITS).tolist() == [1, 1]


def test_modified_entropy_is_that_of_song_and_mittal() -> None:
    """Their definition (inspire-group/membership-inference-evaluation), written out class by class."""
    p = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)
    expected = []
    for row, label in zip(p, LABELS, strict=True):
        others = sum(-row[i] * np.log(1 - row[i]) for i in range(3) if i != label)
        expected.append(-(1 - row[label]) * np.log(row[label]) + others)
    assert compute("modified_entropy", LOGITS) == pytest.approx(-np.array(expected), rel=1e-5)


def test_the_gradient_norm_is_that_of_backpropagation() -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    layer = torch.nn.Linear(7, 5).double()
    hidden, labels = torch.randn(6, 7, dtype=torch.float64), torch.randint(0, 5, (6,))
    expected = []
    for row, label in zip(hidden, labels, strict=True):
        layer.zero_grad()
        torch.nn.functional.cross_entropy(layer(row[None]), label[None]).backward()
        squares = sum(float(parameter.grad.square().sum()) for parameter in layer.parameters())
        expected.append(-np.log(squares) / 2)
    observed = Observed(
        answer=layer(hidden).detach().numpy(), kind="logits", labels=labels.numpy(), penultimate=hidden.numpy()
    )
    assert BY_NAME["gradient_norm"].compute(observed) == pytest.approx(np.array(expected), rel=1e-9)


@pytest.mark.parametrize("name", ["modified_entropy", "gradient_norm", "phi", "margin", "loss"])
def test_answers_surer_than_float_can_say_keep_their_order(name: str) -> None:
    answer = np.array([[40.0, 0, 0], [80.0, 0, 0], [200.0, 0, 0]])
    found = compute(name, answer, labels=np.zeros(3, np.int64))
    assert (np.diff(found) >= 0).all()
    if name not in {"loss", "modified_entropy"}:  # these fade to 0 from below
        assert (np.diff(found) > 0).all()


@pytest.mark.parametrize("name", OF_ANY_KIND)
@given(answers)
def test_every_kind_of_answer_gives_the_same_score(name: str, logits: np.ndarray) -> None:
    labels = np.zeros(len(logits), np.int64)
    if name == "correct":
        logits = logits.round()  # exp and log round: near ties could turn over
    log_p = log_probabilities(logits, "logits")
    expected = compute(name, logits, "logits", labels)
    assert compute(name, log_p, "log-probabilities", labels) == pytest.approx(expected, abs=1e-9)
    assert compute(name, np.exp(log_p), "probabilities", labels) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("name", OF_ANY_KIND)
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


@pytest.mark.parametrize("name", OF_ANY_KIND)
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


@pytest.mark.parametrize("name", [name for name in BY_NAME if name != "view_gap"])
def test_a_sure_and_right_answer_looks_more_like_a_member(name: str) -> None:
    answer = np.array([[5.0, 0, 0], [0.2, 0.3, 0.1]], np.float32)
    sure, unsure = compute(name, answer, labels=np.zeros(2, np.int64))
    assert sure > unsure


@pytest.mark.parametrize("name", ["phi", "margin", "modified_entropy", "gradient_norm"])
def test_one_class_has_no_odds(name: str) -> None:
    assert compute(name, np.ones((3, 1)), labels=np.zeros(3, np.int64)).tolist() == [0, 0, 0]


@pytest.mark.parametrize("signal", SIGNALS, ids=lambda signal: signal.name)
def test_what_a_signal_needs_is_asked_for(signal: Signal) -> None:
    bare = Observed(answer=LOGITS, kind="sigmoid" if "classes" in signal.needs else "logits")
    for need in signal.needs:
        assert not bare.has(need)
    if signal.needs:
        with pytest.raises(ValueError, match="needs"):
            signal.compute(bare)
    else:
        assert np.isfinite(signal.compute(bare)).all()


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="logits, probabilities, log-probabilities or sigmoid, got 'odds'"):
        compute("entropy", LOGITS, "odds")


def test_labels_that_do_not_exclude_each_other() -> None:
    """Of a sigmoid's logits: each label has a probability of its own, and only the given one is known to hold."""
    p = 1 / (1 + np.exp(-LOGITS.astype(np.float64)))
    of_label = p[[0, 1], LABELS]
    assert compute("max_probability", LOGITS, "sigmoid") == pytest.approx(np.log(p.max(axis=1)))
    assert compute("entropy", LOGITS, "sigmoid") == pytest.approx((p * np.log(p) + (1 - p) * np.log(1 - p)).sum(axis=1))
    assert compute("correct", LOGITS, "sigmoid").tolist() == [1, 0]
    assert compute("loss", LOGITS, "sigmoid") == pytest.approx(np.log(of_label))
    assert compute("phi", LOGITS, "sigmoid") == pytest.approx(np.log(of_label / (1 - of_label)))
    assert compute("phi", LOGITS, "sigmoid").tolist() == [2.0, 1.0]
    far = np.array([[800.0, -800.0]], np.float32)
    assert np.isfinite(compute("loss", far, "sigmoid", np.array([1]))).all()


def test_what_compares_classes_is_left_out_for_labels_of_their_own() -> None:
    observed = Observed(
        answer=LOGITS, kind="sigmoid", labels=LABELS, penultimate=np.ones((2, 2)), odds=np.zeros((2, 2))
    )
    lacking = {signal.name: next((need for need in signal.needs if not observed.has(need)), None) for signal in SIGNALS}
    assert {name for name, need in lacking.items() if need == "classes"} == {
        "energy", "modified_entropy", "margin", "gradient_norm",
    }  # fmt: skip
    assert {need for need in lacking.values() if need is not None} == {"classes"}
    assert "do not (it ends in a sigmoid)" in NEEDS["classes"]
    for name in ("energy", "modified_entropy", "margin", "gradient_norm"):
        with pytest.raises(ValueError, match=r"needs (classes that exclude each other|logits)"):
            BY_NAME[name].compute(observed)
