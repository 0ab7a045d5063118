"""Given references: only those that know the task are believed, and of images that they were not trained on."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from onnxmint.engine.local import Local
from onnxmint.engine.probe import ODDS
from onnxmint.engine.target import Target
from onnxmint.errors import ModelError
from onnxmint.evidence.known import Evidence
from onnxmint.graph.placebo import placebo_twin
from onnxmint.graph.serial import serialize
from onnxmint.methods.given import ease_of_known, ease_of_questioned, given_references
from onnxmint.methods.references import Reference, odds_probe, open_references
from onnxmint.settings import TrainSettings
from tests.conftest import DEMO
from tests.controls.conftest import templates
from tests.graph.texts import cnn

SETTINGS = TrainSettings(preprocess="0-1", device="cpu")


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return templates(tmp_path_factory.mktemp("references") / "other.onnx")


def _given(file: Path, target: Target, few: Evidence) -> list[Reference]:
    return given_references([file], target, few, SETTINGS, Local())


def test_a_reference_that_knows_its_task_is_opened(other: Path, target: Target, few: Evidence) -> None:
    (reference,) = _given(other, target, few)
    assert reference.name == "other.onnx"
    assert not reference.trained.any()
    assert given_references([], target, few, SETTINGS, Local()) == []


def test_a_reference_that_does_not_know_its_task_is_refused(target: Target, few: Evidence, tmp_path: Path) -> None:
    """Shown other pixels than it was trained on, it would find nothing easy and pass the control."""
    twin = tmp_path / "twin.onnx"
    twin.write_bytes(serialize(placebo_twin(target.model.model, seed=5)))
    with pytest.raises(ModelError, match=r"right on \d+\.\d% of known images, hardly more than by chance \(10\.0%\)"):
        _given(twin, target, few)


def test_without_labels_a_reference_cannot_be_tried(target: Target, few: Evidence, tmp_path: Path) -> None:
    twin = tmp_path / "twin.onnx"
    twin.write_bytes(serialize(placebo_twin(target.model.model, seed=5)))
    unlabelled = replace(few, table=replace(few.table, labels=None))
    assert len(_given(twin, target, unlabelled)) == 1


def test_the_target_is_no_reference(target: Target, few: Evidence) -> None:
    with pytest.raises(ModelError, match="is the target itself"):
        _given(DEMO / "target.onnx", target, few)


def test_a_reference_of_another_task_is_refused(target: Target, few: Evidence, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="has 4 classes, the target 10: a reference must do the same task"):
        _given(cnn(tmp_path / "four.onnx"), target, few)


def _odds(reference: Reference, few: Evidence) -> np.ndarray:
    probe = odds_probe(reference, labels=True, batch_size=None)
    return Local().observe(probe, few.images(), name="").columns[ODDS][:, 0]


def test_ease_is_the_mean_over_references_that_were_not_trained_on_an_image(
    other: Path, target: Target, few: Evidence, tmp_path: Path
) -> None:
    second = templates(tmp_path / "second.onnx", size=14)
    names = few.paths()
    second.with_name("second.members.txt").write_text("\n".join(names[:3]) + "\n")
    both = given_references([other, second], target, few, SETTINGS, Local())
    first_odds, second_odds = (_odds(reference, few) for reference in both)
    ease = ease_of_known(both, few, Local(), None)
    np.testing.assert_allclose(ease[:3], first_odds[:3], rtol=1e-6)
    np.testing.assert_allclose(ease[3:], (first_odds + second_odds)[3:] / 2, rtol=1e-6)
    alone = ease_of_known(both[1:], few, Local(), None)
    assert np.flatnonzero(np.isnan(alone)).tolist() == [0, 1, 2]


def test_ease_of_questioned_images_is_of_those_shown(other: Path, target: Target, few: Evidence) -> None:
    references = _given(other, target, few)
    rows = np.array([1, 5, 90])
    ease = ease_of_questioned(references, few.chosen(rows), Local(), labels=True, batch_size=None)
    assert np.flatnonzero(np.isfinite(ease)).tolist() == rows.tolist()
    np.testing.assert_allclose(ease[rows], _odds(references[0], few)[rows], rtol=1e-6)


@pytest.mark.parametrize("declared", ["keras:tf", "scale = 0.0039", 'scale = 0.5\nresize = "squash"'])
def test_what_was_declared_without_a_size_fits_both_models(target: Target, tmp_path: Path, declared: str) -> None:
    """What was settled for the target fits the target only; what was settled in training is taken as it is."""
    small = templates(tmp_path / "small.onnx", size=14)
    if "=" in declared:
        (tmp_path / "p.toml").write_text(declared)
        declared = str(tmp_path / "p.toml")
    (first,) = open_references([small], target, [], replace(SETTINGS, preprocess=declared))
    assert (first.target.spec.name, first.target.spec.size, target.spec.size) == (declared, (14, 14), (28, 28))
    (again,) = open_references([small], target, [], SETTINGS, {small: first.target.spec})
    assert again.target.spec == first.target.spec
