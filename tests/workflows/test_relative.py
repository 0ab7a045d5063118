"""Audits that compare with references: these are in the auditor's file, and hardness is asked beside the verdict."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from onnxmint import AuditSettings, EvaluateSettings, TrainSettings, audit, evaluate, load_auditor, train
from onnxmint.errors import UsageError
from onnxmint.mint.auditor import Auditor
from tests.conftest import DEMO, KNOWN
from tests.controls.conftest import templates

SETTINGS = {"preprocess": "0-1", "device": "cpu", "views": 2}


@pytest.mark.slow
def test_a_module_that_compares_needs_something_to_compare_with(tmp_path: Path) -> None:
    settings = TrainSettings(module="relative", limit=60, **SETTINGS)
    with pytest.raises(UsageError, match=r"not trained on the known images: give some with --reference$"):
        train(DEMO / "target.onnx", *KNOWN, settings=settings)
    small = TrainSettings(module="relative", limit=60, reference=(templates(tmp_path / "s.onnx", size=14),), **SETTINGS)
    with pytest.raises(UsageError, match=r"--reference; s\.onnx: images are resized or cropped for it otherwise"):
        train(DEMO / "target.onnx", *KNOWN, settings=small)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Auditor, Path]:
    """An auditor that compares, and its reference."""
    file = templates(tmp_path_factory.mktemp("relative") / "other.onnx")
    settings = TrainSettings(module="relative", limit=210, reference=(file,), **SETTINGS)
    return train(DEMO / "target.onnx", *KNOWN, settings=settings), file


@pytest.mark.slow
def test_the_auditors_file_holds_the_references_and_says_what_they_say(
    trained: tuple[Auditor, Path], tmp_path: Path
) -> None:
    auditor, _ = trained
    assert auditor.method.title == "relative on 2 views beside 1 reference"
    assert auditor.method.activation_shape == (3,)
    assert auditor.columns["hardness"] == "hardness"
    (tmp_path / "auditor.onnx").write_bytes(auditor.model)
    assert load_auditor(tmp_path / "auditor.onnx").compares
    session = onnxruntime.InferenceSession(auditor.model)
    pixels = np.random.default_rng(0).integers(0, 256, (3, 28, 28, 1), np.uint8)
    hardness, score = session.run(["hardness", "score"], {"image": pixels, "label": np.arange(3)})
    assert hardness.shape == score.shape == (3,)


@pytest.mark.slow
def test_the_control_asks_both_estimates_and_the_questioned_images_without_the_files(
    trained: tuple[Auditor, Path], tmp_path: Path
) -> None:
    auditor, _ = trained
    result = audit(DEMO / "target.onnx", DEMO / "questioned.parquet", auditor, settings=AuditSettings(sample=60))
    control = next(control for control in result.controls if control.name == "reference")
    assert "The score compares with these models" in control.text
    assert "for small classifiers learned from the known images" in control.text
    assert control.difficulty is not None
    assert control.difficulty.questioned is not None
    (placebo,) = (control for control in result.controls if control.name == "placebo")
    assert placebo.passed is not None


@pytest.mark.slow
def test_an_evaluation_has_a_row_for_it_where_references_are_given(trained: tuple[Auditor, Path]) -> None:
    _, file = trained
    settings = EvaluateSettings(limit=80, modules=("views", "relative"), reference=file.parent, **SETTINGS)
    row = next(method for method in evaluate(DEMO / "target.onnx", *KNOWN, settings=settings).methods
               if method.name == "relative")  # fmt: skip
    assert row.title == "relative on 2 views beside 1 reference"
    assert row.performance is not None
    alone = EvaluateSettings(limit=80, modules=("relative",), **SETTINGS)
    (skipped,) = (method for method in evaluate(DEMO / "target.onnx", *KNOWN, settings=alone).methods
                  if method.name == "relative")  # fmt: skip
    assert skipped.skipped == "needs --reference"


@pytest.mark.slow
def test_without_controls_references_serve_the_module_or_are_refused(trained: tuple[Auditor, Path]) -> None:
    _, file = trained
    given = {"limit": 60, "reference": (file,), "controls": False, **SETTINGS}
    auditor = train(DEMO / "target.onnx", *KNOWN, settings=TrainSettings(module="relative", **given))
    assert auditor.compares
    result = audit(DEMO / "target.onnx", DEMO / "questioned.parquet", auditor, settings=AuditSettings(sample=60))
    (control,) = (control for control in result.controls if control.name == "reference")
    assert control.passed is None
    with pytest.raises(UsageError, match=r"serves the controls alone here: leave out --no-controls, or the reference$"):
        train(DEMO / "target.onnx", *KNOWN, settings=TrainSettings(module="cnn", layers=("0",), **given))
