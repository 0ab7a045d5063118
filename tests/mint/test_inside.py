"""References that can be in the target's own graph are put there; of the others the reason is kept."""

from dataclasses import replace
from pathlib import Path

import pytest

from onnxmint.engine.target import Target
from onnxmint.evidence.known import Evidence
from onnxmint.methods.references import Reference, open_references
from onnxmint.mint.inside import alone_again, left_out, with_references_beside
from onnxmint.settings import TrainSettings
from tests.controls.conftest import templates

SETTINGS = TrainSettings(preprocess="0-1", device="cpu")


@pytest.fixture(scope="module")
def reference(target: Target, few: Evidence, tmp_path_factory: pytest.TempPathFactory) -> Reference:
    file = templates(tmp_path_factory.mktemp("inside") / "other.onnx")
    return open_references([file], target, few.paths(), SETTINGS)[0]


def test_a_reference_of_the_same_pixels_is_beside_the_target(target: Target, reference: Reference) -> None:
    found, reasons = with_references_beside(target, [reference])
    assert len(found.beside) == 1
    assert reasons == ()
    assert with_references_beside(target, []) == (target, ())
    assert alone_again(found).beside == ()


def test_a_reference_that_was_trained_on_known_images_is_not(target: Target, reference: Reference) -> None:
    trained = reference.trained.copy()
    trained[0] = True
    found, reasons = with_references_beside(target, [replace(reference, trained=trained)])
    assert found.beside == ()
    assert reasons == ("other.onnx: it was trained on some of the known images, as its list says",)
    assert left_out(reasons) == [
        "A reference serves the controls only, not the module. other.onnx: it was trained on some of the known images, "
        "as its list says."
    ]


def test_a_reference_of_other_pixels_is_not(target: Target, few: Evidence, tmp_path: Path) -> None:
    small = open_references([templates(tmp_path / "small.onnx", size=14)], target, few.paths(), SETTINGS)
    found, reasons = with_references_beside(target, small)
    assert found.beside == ()
    assert reasons == ("small.onnx: images are resized or cropped for it otherwise than for the target",)


def test_models_that_are_shown_one_image_at_a_time_have_none_beside(target: Target, reference: Reference) -> None:
    fixed = replace(target.model.input, batch=1, mixes=True)
    single = replace(target, model=replace(target.model, input=fixed))
    assert with_references_beside(single, [reference])[1] == (
        "other.onnx: the model is shown one view of an image only",
    )
    alone = replace(reference, target=replace(reference.target, model=replace(reference.target.model, input=fixed)))
    assert with_references_beside(target, [alone])[1] == ("other.onnx: it takes one image at a time",)
