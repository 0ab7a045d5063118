"""What the twin and references are asked of known images: the same module, features, difficulty, each with its rows."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from onnxmint.controls.reference import LEARNED
from onnxmint.controls.seen import Difficulty, Missing, Twin
from onnxmint.engine.local import Local
from onnxmint.engine.target import Target, twin_of
from onnxmint.evidence.gathering import gather, open_evidence
from onnxmint.evidence.known import Evidence
from onnxmint.evidence.table import CALIBRATE, TEST
from onnxmint.images.facts import PIXEL_FACTS
from onnxmint.methods.given import ease_of_known, given_references
from onnxmint.methods.references import Reference
from onnxmint.mint.fit_and_score import fit_and_score
from onnxmint.mint.outcome import Fitted
from onnxmint.progress import quiet
from onnxmint.settings import TrainSettings
from onnxmint.workflows.watching import Watched, watch
from tests.conftest import KNOWN
from tests.controls.conftest import templates

SETTINGS = TrainSettings(preprocess="0-1", device="cpu", module="views", views=2)


def _watched(
    target: Target,
    twin: Target,
    evidence: Evidence,
    fitted: Fitted,
    settings: TrainSettings = SETTINGS,
    references: tuple[Reference, ...] = (),
) -> Watched:
    return watch(twin, fitted, evidence, references, settings, Local(), np.random.default_rng(0))


@pytest.fixture(scope="module")
def fitted(target: Target, few: Evidence) -> Fitted:
    return fit_and_score(target, few, (), SETTINGS, Local())


@pytest.fixture(scope="module")
def watched(target: Target, few: Evidence, fitted: Fitted) -> Watched:
    return _watched(target, twin_of(target, 0), few, fitted)


def test_the_twin_is_judged_by_the_same_module_with_the_same_division(
    watched: Watched, target: Target, few: Evidence
) -> None:
    twin = watched.twin
    assert isinstance(twin, Twin)
    np.testing.assert_array_equal(twin.row, np.arange(160))  # all of them, as they are few
    np.testing.assert_array_equal(twin.scored.table.part, few.table.part)
    alone = fit_and_score(twin_of(target, 0), few, (), SETTINGS, Local())
    np.testing.assert_array_equal(twin.scored.score, alone.score)
    np.testing.assert_array_equal(np.sort(twin.yardstick.number), np.flatnonzero(np.isfinite(alone.score)))


def test_held_out_non_members_are_described_by_pixels_and_features(watched: Watched, few: Evidence) -> None:
    table = few.table
    outside = np.flatnonzero(~table.is_member & np.isin(table.part, (CALIBRATE, TEST)))
    np.testing.assert_array_equal(watched.described, outside)
    assert watched.features.shape[0] == len(outside)
    assert watched.features.shape[1] > len(PIXEL_FACTS)
    np.testing.assert_array_equal(watched.features[:, : len(PIXEL_FACTS)], few.facts.pixel[outside])
    assert np.isfinite(watched.features).all()


def test_difficulty_is_not_learned_from_few_images(watched: Watched) -> None:
    assert watched.difficulty == Missing(
        why="160 known images of 10 classes are too few to learn difficulty from (400 do)"
    )
    assert len(watched.ease) == len(watched.judged) == 0


def test_given_references_are_asked_instead(target: Target, few: Evidence, fitted: Fitted, tmp_path: Path) -> None:
    references = tuple(given_references([templates(tmp_path / "a.onnx")], target, few, SETTINGS, Local()))
    found = _watched(target, twin_of(target, 0), few, fitted, references=references)
    ease = ease_of_known(references, few, Local(), None)
    assert isinstance(found.difficulty, Difficulty)
    assert (found.difficulty.words, found.difficulty.learned) == ("a.onnx", False)
    np.testing.assert_array_equal(found.difficulty.score, ease)
    outside = np.flatnonzero(~few.table.is_member & np.isfinite(fitted.score))
    np.testing.assert_array_equal(found.judged, outside)
    np.testing.assert_array_equal(found.ease, ease[outside].astype(np.float32))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("folds", "labels"),
    [(None, True), (None, False), *(pytest.param(2, labels, marks=pytest.mark.slow) for labels in (True, False))],
)
def test_enough_images_teach_how_difficult_they_are(target: Target, folds: int | None, labels: bool) -> None:
    """By two classifiers, each of the images that the other learned from."""
    settings = replace(SETTINGS, limit=210, module="phi", folds=folds, labels=labels)
    sources = open_evidence(*KNOWN, settings).sources
    evidence, _ = gather(sources, 10, settings, rng=np.random.default_rng(0), stage=quiet, folds=folds)
    fitted = fit_and_score(target, evidence, (), settings, Local())
    found = _watched(target, twin_of(target, 0), evidence, fitted, settings).difficulty
    if folds is None and not labels:  # the fit part was shown for its activations only: its top classes are unknown
        assert isinstance(found, Missing)
        return
    assert isinstance(found, Difficulty)
    assert (found.words, found.learned) == (LEARNED, True)
    assert np.isfinite(found.score).all()
    assert np.bincount(found.fold).min() > 180


def test_a_twin_that_fails_is_a_reason_and_stops_nothing(
    target: Target, few: Evidence, fitted: Fitted, tmp_path: Path
) -> None:
    """Weights that are no numbers: whatever the twin says is none either."""
    broken = twin_of(target, 0)
    model = broken.model.model.clone()
    for value in model.graph.initializers.values():
        if value.const_value is not None and value.const_value.dtype.is_floating_point():
            array = np.full(value.const_value.shape.numpy(), np.nan, np.float32)
            value.const_value = ir.tensor(array, name=value.name)
    found = _watched(target, replace(broken, model=replace(broken.model, model=model)), few, fitted)
    assert isinstance(found.twin, Missing)
    assert "NaN or infinity" in found.twin.why
