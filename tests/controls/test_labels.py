"""Labels that membership cannot explain stop a verdict: the model's own ones, and wrong ones."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onnxmint.controls.labels import Labelled, _less, _more, compare_labels, labels_control
from onnxmint.results.facts import Agreement
from onnxmint.stats.two_sample import SHARED

CLASSES = 10


def images(rng: np.random.Generator, count: int, accuracy: float) -> Labelled:
    label = rng.integers(0, CLASSES, count)
    wrong = (label + rng.integers(1, CLASSES, count)) % CLASSES
    return Labelled(label=label, predicted=np.where(rng.random(count) < accuracy, label, wrong))


def relabelled(rng: np.random.Generator, asked: Labelled, *, wrong: float = 0.0, own: float = 0.0) -> Labelled:
    label = np.where(rng.random(len(asked.label)) < wrong, (asked.label + 1) % CLASSES, asked.label)
    return Labelled(label=np.where(rng.random(len(label)) < own, asked.predicted, label), predicted=asked.predicted)


def flagged(asked_accuracy: float, *, wrong: float = 0.0, own: float = 0.0, runs: int = 200) -> float:
    rng = np.random.default_rng(0)
    found = [
        labels_control(
            compare_labels(
                relabelled(rng, images(rng, 300, asked_accuracy), wrong=wrong, own=own),
                images(rng, 500, 0.97),
                images(rng, 500, 0.84),
            )
        ).passed
        for _ in range(runs)
    ]
    return float(np.mean([one is False for one in found]))


@pytest.mark.parametrize("accuracy", [0.84, 0.9, 0.97])
def test_true_labels_are_rarely_flagged(accuracy: float) -> None:
    """Of non-members, of members and of both mixed."""
    assert flagged(accuracy, runs=500) <= 0.02


def test_wrong_labels_and_the_models_own_are_noticed() -> None:
    assert flagged(0.97, wrong=0.25) > 0.8
    assert flagged(0.9, wrong=0.25) > 0.95
    assert flagged(0.84, own=1.0) > 0.4


@given(st.integers(0, 6), st.integers(1, 6), st.integers(0, 7), st.integers(1, 7))
def test_p_values_are_fishers(right: int, images: int, known_right: int, known_images: int) -> None:
    """The share of all ways to hand out the right ones that give the questioned so many or more, or fewer."""
    right, known_right = min(right, images), min(known_right, known_images)
    total = right + known_right
    ways = [sum(one[:images]) for one in product((0, 1), repeat=images + known_images) if sum(one) == total]
    asked, known = Agreement(right=right, images=images), Agreement(right=known_right, images=known_images)
    assert _more(asked, known) == pytest.approx(np.mean([way >= right for way in ways]))
    assert _less(asked, known) == pytest.approx(np.mean([way <= right for way in ways]))


def test_seven_images_are_no_pass() -> None:
    rng = np.random.default_rng(1)
    tests = compare_labels(images(rng, 7, 0.9), images(rng, 500, 0.97), images(rng, 500, 0.84))
    control = labels_control(tests)
    assert control.passed is None
    assert control.text.startswith("Could not look: ")
    assert labels_control(compare_labels(images(rng, 0, 1), images(rng, 9, 1), images(rng, 9, 1))).passed is None


def test_what_would_have_been_seen_is_seen() -> None:
    rng = np.random.default_rng(2)
    known = images(rng, 500, 0.97), images(rng, 500, 0.84)
    share = compare_labels(images(rng, 300, 0.84), *known).wrong_seen_from
    assert share is not None
    seen = [
        compare_labels(relabelled(rng, images(rng, 300, 0.84), wrong=share), *known).less <= SHARED for _ in range(300)
    ]
    assert np.mean(seen) > 0.88  # the known ones' own luck comes on top, and a wrong label is sometimes the prediction


def test_one_image_of_a_group_counts() -> None:
    """300 frames of three tracks are three votes, each that of the frame with the smallest digest."""
    label = np.repeat([0, 1, 2], 100)
    predicted, digest = np.full(300, 9), np.arange(300, dtype=np.uint64)[::-1].copy()
    predicted[[99, 199]] = label[[99, 199]]
    found = Labelled(label=label, predicted=predicted, group=label, digest=digest).agreement()
    assert (found.right, found.images) == (2, 3)
    with pytest.raises(ValueError, match="need the digests"):
        Labelled(label=label, predicted=predicted, group=label).agreement()


def test_the_words_say_what_was_found_and_what_would_have_been() -> None:
    rng = np.random.default_rng(3)
    known = images(rng, 500, 0.97), images(rng, 500, 0.84)
    own, wrong = (
        labels_control(compare_labels(relabelled(rng, images(rng, 400, 0.8), **how), *known))
        for how in ({"own": 1.0}, {"wrong": 0.4})
    )
    assert "more often than with those of known members" in own.text
    assert "less often than with those of known non-members" in wrong.text
    fine = labels_control(compare_labels(images(rng, 300, 0.9), *known))
    assert (fine.name, fine.passed) == ("labels", True)
    assert (
        "of wrong labels or more would have been seen; labels that the model itself had given would have" in fine.text
    )
    sure = labels_control(compare_labels(images(rng, 300, 0.9), images(rng, 500, 1.0), known[1]))
    assert "would not have been seen, as it is right on nearly all members" in sure.text


def test_labels_that_nobody_is_told_cannot_mislead() -> None:
    control = labels_control(None)
    assert (control.passed, control.labels) == (True, None)
    assert control.text.startswith("No labels are told")
