"""Renumbered classes are found where images suffice, and noise is not taken for a renumbering."""

import numpy as np
import pytest

from onnxmint.stats.information import told
from onnxmint.stats.renumbering import accuracy_by_chance, best_renumbering, label_without_output


def test_a_permutation_is_found() -> None:
    rng = np.random.default_rng(0)
    order = rng.permutation(10)
    labels = rng.integers(0, 10, 256)
    wrong = rng.random(256) < 0.2
    predicted = np.where(wrong, rng.integers(0, 10, 256), order[labels])
    found = best_renumbering(labels, predicted, 10)
    assert found.pairs == tuple(enumerate(order.tolist()))
    assert found.shift is None
    assert found.accuracy == (predicted == order[labels]).mean()
    assert accuracy_by_chance(labels, predicted, 10, rng) < 0.3 < found.accuracy


@pytest.mark.parametrize("by", [-1, 1])
def test_a_shift_needs_few_images_a_class(by: int) -> None:
    labels = np.random.default_rng(0).integers(1, 999, 256)
    found = best_renumbering(labels, labels + by, 1000)
    assert (found.shift, found.accuracy) == (by, 1.0)
    assert all(output == label + by for label, output in found.pairs)


def test_without_enough_images_a_class_only_a_shift_is_tried() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 1000, 256)
    assert best_renumbering(labels, rng.permutation(1000)[labels], 1000).accuracy < 0.1


def test_more_labels_than_outputs_leave_some_without_one() -> None:
    labels = np.repeat(np.arange(6), 10)
    found = best_renumbering(labels, (labels * 3) % 4, 4)
    assert len(found.pairs) == 4
    assert label_without_output(labels, 4) == 4
    assert label_without_output(labels, 6) is None
    assert label_without_output(np.array([0, -1]), 6) == -1
    assert label_without_output(None, 6) is None


def test_answers_tell_all_when_sure_and_various_and_nothing_when_alike_or_saturated() -> None:
    sure = np.log(np.where(np.eye(4, dtype=bool), 1 - 3e-6, 1e-6))
    assert told(sure).mean() == pytest.approx(1, abs=1e-4)
    assert told(np.log(np.full((5, 4), 0.25))).mean() == pytest.approx(0, abs=1e-12)
    assert told(sure[[0, 0, 0]]).mean() == pytest.approx(0, abs=1e-12)
    assert told(np.where(np.eye(4, dtype=bool), 0.0, -31.0)).mean() == 0
