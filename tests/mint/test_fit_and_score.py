"""A module fitted on known images: the two ways of getting there agree, and what cannot be fitted on is refused."""

from dataclasses import replace

import numpy as np
import pytest

from onnxmint.engine.local import Local
from onnxmint.engine.observations import Observations
from onnxmint.engine.probe import ANSWER
from onnxmint.engine.target import Target
from onnxmint.errors import EvidenceError, UsageError
from onnxmint.evidence.known import Evidence
from onnxmint.evidence.table import CALIBRATE, FIT, TEST, divided
from onnxmint.graph.augmentations import Augmentation
from onnxmint.graph.layers import Layer, choose_layers
from onnxmint.mint.fit_and_score import fit_and_score, fit_seen
from onnxmint.mint.outcome import Fitted, Keeping, Sample, signals_of, yardstick_of
from onnxmint.mint.reading import Reading, title
from onnxmint.progress import quiet
from onnxmint.settings import TrainSettings
from tests.sources import InMemory

SETTINGS = TrainSettings(preprocess="0-1", device="cpu", views=2)


def _layers(target: Target, module: str) -> tuple[Layer, ...]:
    named = {"cnn": ("relu",), "vanilla": ("penultimate", "logits")}.get(module)
    return choose_layers(target.layers, named) if named else ()


def _settings(module: str, folds: int | None = None) -> TrainSettings:
    return replace(SETTINGS, module=module, folds=folds)


def _folded(few: Evidence, folds: int | None) -> Evidence:
    return few if folds is None else replace(few, table=divided(few.table, np.random.default_rng(1), folds=folds))


def _all_at_once(evidence: Evidence, reading: Reading) -> Observations:
    """Show all known images what a module reads, as the twin is shown them."""
    keep = Keeping(signals=signals_of(reading, evidence.table), columns=tuple(reading.read), level=reading.has_level)
    probe = reading.probe(None, also=(ANSWER,), reduce=keep, stored=True)
    return Local().observe(probe, evidence.images(*FIT, CALIBRATE, TEST), name="")


@pytest.mark.parametrize(
    ("module", "folds"),
    [("views", None), ("phi", None), ("cnn", None), ("vanilla", None), ("views", 2), ("vanilla", 3), ("phi", 3)],
)
def test_fitting_on_what_was_seen_at_once_gives_the_same(
    target: Target, few: Evidence, module: str, folds: int | None
) -> None:
    """The target is shown its fit part and its held-out part one after the other, the twin all images at once."""
    settings, evidence = _settings(module, folds), _folded(few, folds)
    first = fit_and_score(target, evidence, _layers(target, module), settings, Local())
    with _all_at_once(evidence, first.reading) as seen:
        second = fit_seen(module, seen, first.reading, evidence.table, settings, quiet)
    assert first.name == second.name == module
    assert (first.folds, first.best_epochs) == (second.folds, second.best_epochs)
    np.testing.assert_array_equal(first.score, second.score)
    for name, values in first.held.signals.items():
        held = np.isfinite(values)
        np.testing.assert_array_equal(values[held], second.held.signals[name][held])


@pytest.fixture(scope="module")
def fitted(target: Target, few: Evidence) -> Fitted:
    return fit_and_score(target, few, (), _settings("views"), Local())


def test_scores_are_of_images_that_the_module_did_not_learn_from(fitted: Fitted, few: Evidence) -> None:
    table = few.table
    np.testing.assert_array_equal(np.isfinite(fitted.score), np.isin(table.part, (CALIBRATE, TEST)))
    assert len(fitted.best_epochs) == len(FIT)
    assert fitted.skipped == ()


def test_each_fold_is_scored_by_the_network_that_did_not_see_it(target: Target, few: Evidence) -> None:
    evidence = _folded(few, 3)
    crossed = fit_and_score(target, evidence, (), _settings("views", 3), Local())
    assert crossed.folds == 3
    assert np.isfinite(crossed.score).all()
    held = yardstick_of(crossed)
    np.testing.assert_array_equal(held.fold, evidence.table.fold[held.number])
    assert held.is_test.all()


def test_the_sample_is_of_the_first_held_out_images(fitted: Fitted, few: Evidence) -> None:
    sample: Sample = fitted.sample
    rows = few.table.rows(CALIBRATE, TEST, member=True)[: len(sample.score)]
    assert len(sample.pixels) == len(sample.score) > 0
    np.testing.assert_array_equal(sample.score, fitted.score[rows])
    assert few.table.labels is not None
    assert sample.label is not None
    np.testing.assert_array_equal(sample.label, few.table.labels[rows])


def test_the_yardstick_holds_every_held_out_image_once_non_members_by_score(fitted: Fitted, few: Evidence) -> None:
    held, table = yardstick_of(fitted), few.table
    assert sorted(held.number.tolist()) == np.flatnonzero(np.isfinite(fitted.score)).tolist()
    np.testing.assert_array_equal(held.is_member, table.is_member[held.number])
    np.testing.assert_array_equal(held.score, fitted.score[held.number].astype(np.float32))
    np.testing.assert_array_equal(held.is_test, table.part[held.number] == TEST)
    assert table.labels is not None
    np.testing.assert_array_equal(held.category, table.labels[held.number])
    assert (np.diff(held.nonmembers.score) >= 0).all()


def test_what_controls_look_at_is_what_was_measured(fitted: Fitted) -> None:
    scored = fitted.as_scored()
    assert scored.table is fitted.table
    np.testing.assert_array_equal(scored.score, fitted.score)
    held = np.isfinite(fitted.score)
    assert (scored.surest[held] <= 0).all()
    assert (scored.predicted[held] >= 0).all()


def _damaged(few: Evidence, count: int) -> Evidence:
    """Return evidence of which only so many members can be read."""
    encoded = [b"nothing"] * len(few.sources[0].entries())
    for image in few.sources[0].read(set(few.table.index[few.table.is_member][:count].tolist())):
        encoded[image.index] = image.data or b""
    return replace(few, sources=(InMemory(encoded, location="damaged"), few.sources[1]))


def test_images_that_cannot_be_read_are_named_and_have_no_score(target: Target, few: Evidence) -> None:
    found = fit_and_score(target, _damaged(few, 70), (), _settings("phi"), Local())
    lost = np.flatnonzero(few.table.is_member)[70:]
    assert len(found.skipped) == len(lost)
    assert {image.path for image in found.skipped} == {f"damaged/{few.table.index[row]}" for row in lost}
    assert not np.isfinite(found.score[lost]).any()


@pytest.mark.parametrize("folds", [None, 2])
def test_too_few_readable_images_are_refused(target: Target, few: Evidence, folds: int | None) -> None:
    with pytest.raises(EvidenceError, match=r"of the known images to fit on, only \d members and .* could be read"):
        fit_and_score(target, _folded(_damaged(few, 3), folds), (), _settings("views", folds), Local())


def test_a_module_that_cannot_read_its_layer_is_refused_before_any_image_is_read(target: Target, few: Evidence) -> None:
    unread = replace(few, sources=(InMemory([]), InMemory([])))
    for named, said in ((("logits",), "needs an activation map"), (("relu", "logits"), "needs maps of one size")):
        with pytest.raises(UsageError, match=said):
            fit_and_score(target, unread, choose_layers(target.layers, named), _settings("cnn"), Local())


def test_views_are_drawn_from_the_augmentation_that_was_stated(target: Target, few: Evidence) -> None:
    said = replace(target, augmentation=Augmentation.of("crop1-black+mirror"))
    found = fit_and_score(said, few, (), replace(_settings("views"), views=26), Local())
    shown = found.reading.exposed
    assert (shown.views, shown.augmentation) == (18, "crop1-black+mirror")  # all there are
    assert title("views", (), shown) == "views on 18 views of crop1-black+mirror"
    plain = fit_and_score(said, few, (), _settings("views"), Local())  # two views are the same for every target
    assert (plain.reading.exposed.views, plain.reading.exposed.augmentation) == (2, None)
