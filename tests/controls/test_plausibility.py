"""Plausibility: wrong pixels, wrong classes and swapped sets show in how right and how sure the target is."""

import numpy as np
import pytest

from onnxmint.controls.plausibility import is_implausible, plausibility_control
from onnxmint.results.facts import Control
from tests.controls.conftest import counted, seen
from tests.known import known

EVIDENCE = known(50)


def _control(*, classes: int | None = 10, advice: str | None = None, **facts: float | None) -> Control:
    given = seen(EVIDENCE, facts=counted(EVIDENCE, **facts), classes=classes, advice=advice)
    return plausibility_control(given, np.random.default_rng(0))


def test_a_trained_target_is_plausible() -> None:
    control = _control()
    assert control.passed is True
    assert control.text == "The model is right on 99.0% of the known members and 91.0% of the non-members."


def test_wrong_preparation_is_implausible_and_the_right_one_is_named() -> None:
    control = _control(accuracy_members=0.12, advice="0-1 fits best: right on 98% of 256 images.")
    assert control.passed is False
    assert control.text.endswith("too little for a trained model. 0-1 fits best: right on 98% of 256 images.")
    assert "Check --preprocess (onnxmint check tries the known ones)" in _control(accuracy_members=0.12).text


def test_sets_that_look_swapped_are_told() -> None:
    control = _control(accuracy_members=0.91, accuracy_nonmembers=0.99)
    assert control.passed is False
    assert "check that the two sets were not swapped" in control.text


def test_without_labels_confidence_decides() -> None:
    sure = {"accuracy_members": None, "accuracy_nonmembers": None, "confidence_nonmembers": 0.15}
    assert _control(confidence_members=0.9, **sure).passed is True
    assert _control(confidence_members=0.15, **sure).passed is False
    assert "15.0% and 15.0% sure on average" in _control(confidence_members=0.15, **sure).text
    unknown = _control(accuracy_members=None, accuracy_nonmembers=None)
    assert (unknown.passed, unknown.text) == (True, "Nothing is known of the model's accuracy and confidence.")


@pytest.mark.parametrize(("accuracy", "classes", "implausible"), [(0.49, 10, True), (0.51, 10, False), (0.9, 2, True)])
def test_a_model_of_few_classes_has_to_be_better(accuracy: float, classes: int, implausible: bool) -> None:
    assert is_implausible(counted(EVIDENCE, accuracy_members=accuracy), classes) is implausible
