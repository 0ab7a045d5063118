"""Which outputs class names have: the orders that people number by are recognised whole, others where all is seen."""

import numpy as np
import pytest

from onnxmint.controls.class_order import class_order
from onnxmint.images.classes import numbered_as_folders
from onnxmint.stats.renumbering import best_renumbering
from tests.sources import InMemory

NUMBERS, WORDS = [str(number) for number in range(12)], [f"class {chr(97 + number)}" for number in range(12)]


def _source(names: list[str] | None, labels: list[int]) -> InMemory:
    source = InMemory([b""] * len(labels), labels=labels)
    source.numbering = None if names is None else numbered_as_folders(names)
    return source


@pytest.mark.parametrize(
    ("names", "outputs", "classes", "order"),
    [
        (NUMBERS, [sorted(NUMBERS).index(name) for name in NUMBERS], 12, "as text"),
        (NUMBERS, [number + 1 for number in range(12)], 13, "given"),
        (WORDS, [number + 1 for number in range(12)], 13, "background first"),
        (WORDS, [11 - number for number in range(12)], 12, "given"),
    ],
)
def test_the_order_is_found_and_names_every_class(
    names: list[str], outputs: list[int], classes: int, order: str
) -> None:
    labels = np.repeat(np.arange(12), 6)
    predicted = np.array(outputs)[labels]
    predicted[::9] = 0  # not all answers are right
    found = best_renumbering(labels, predicted, classes)
    numbering = class_order(_source(names, labels.tolist()), found, labels, predicted, classes)
    assert numbering is not None
    assert numbering.order == order
    assert numbering.by_name() == dict(zip(numbered_as_folders(names).names, outputs, strict=True))


def test_a_usual_order_is_known_of_classes_that_the_sample_lacks() -> None:
    labels = np.repeat(np.arange(2, 12), 6)
    predicted = np.array([sorted(NUMBERS).index(name) for name in NUMBERS])[labels]
    found = best_renumbering(labels, predicted, 12)
    numbering = class_order(_source(NUMBERS, [*range(12)]), found, labels, predicted, 12)
    assert numbering is not None
    assert numbering.names == tuple(sorted(NUMBERS))


def test_any_other_order_is_known_only_where_every_class_was_seen() -> None:
    labels = np.repeat(np.arange(2, 12), 6)
    found = best_renumbering(labels, 11 - labels, 12)
    assert class_order(_source(WORDS, [*range(12)]), found, labels, 11 - labels, 12) is None


def test_numbers_without_names_are_names() -> None:
    labels = np.repeat(np.arange(1, 13), 6)
    found = best_renumbering(labels, labels - 1, 12)
    numbering = class_order(_source(None, [*range(1, 13)]), found, labels, labels - 1, 12)
    assert numbering is not None
    assert numbering.by_name() == {str(number): number - 1 for number in range(1, 13)}


def test_labels_that_agree_are_the_order() -> None:
    labels = np.arange(12)
    numbering = class_order(_source(WORDS, labels.tolist()), None, labels, labels, 12)
    assert numbering is not None
    assert numbering.names == tuple(WORDS)
    assert class_order(_source(WORDS, labels.tolist()), None, labels, labels, 9) is None
