"""Reference models: found, checked against the target, scored on the same images, their lists believed."""

import shutil
from pathlib import Path

import numpy as np
import onnx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from onnxmint.errors import ImagesError, ModelError, UsageError
from onnxmint.graph.load import load_target
from onnxmint.graph.placebo import placebo_twin
from onnxmint.graph.serial import serialize
from onnxmint.methods.references import _trained_on
from onnxmint.results.evaluation import Evaluation
from onnxmint.results.methods import Method
from onnxmint.settings import EvaluateSettings
from onnxmint.workflows.evaluating import evaluate
from tests.conftest import DEMO
from tests.graph.texts import cnn

EVIDENCE = (DEMO / "members.parquet", DEMO / "nonmembers.parquet")


def _evaluate(folder: Path, **options: object) -> Evaluation:
    options = {"limit": 60, **options}
    settings = EvaluateSettings(
        preprocess="0-1",
        modules=(),
        views=2,
        device="cpu",
        reference=folder,
        **options,  # type: ignore[arg-type]
    )
    return evaluate(DEMO / "target.onnx", *EVIDENCE, settings=settings)


def _method(found: Evaluation, name: str) -> Method:
    return next(method for method in found.methods if method.name == name)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "references"
    found.mkdir()
    return found


def _twins(folder: Path, count: int) -> None:
    model = load_target(DEMO / "target.onnx").model
    for seed in range(count):
        (folder / f"{seed}.onnx").write_bytes(serialize(placebo_twin(model, seed=seed)))


def test_a_reference_that_is_the_target_takes_all_signal_away(folder: Path) -> None:
    shutil.copy(DEMO / "target.onnx", folder / "same.onnx")
    found = _evaluate(folder)
    calibrated = _method(found, "phi_calibrated").performance
    assert calibrated is not None
    assert calibrated.auc.value == 0.5
    assert found.settings.references == ("same.onnx",)
    assert "needs 2 reference models not trained on each image" in (_method(found, "lira_offline").skipped or "")
    assert "needs 1 reference model trained on each image" in (_method(found, "lira_online_fixed").skipped or "")


def test_references_that_know_nothing_leave_the_signal(folder: Path) -> None:
    _twins(folder, 2)
    found = _evaluate(folder)
    for name in ("lira_offline_fixed", "rmia", "loss_calibrated"):
        performance = _method(found, name).performance
        assert performance is not None
        assert performance.auc.value > 0.45
    assert _method(found, "lira_offline").performance is not None
    assert _method(found, "phi").difference is not None or _method(found, "phi").chosen


@pytest.mark.slow
def test_a_reference_that_knows_the_members_is_doubted_unless_it_says_so(folder: Path) -> None:
    """The target is trained on every member; a twin of shuffled weights is on none."""
    _twins(folder, 1)
    names = [row["path"] for row in pq.read_table(EVIDENCE[0])["image"].to_pylist()]
    for name in ("same", "listed"):
        shutil.copy(DEMO / "target.onnx", folder / f"{name}.onnx")
    (folder / "listed.members.txt").write_text("\n".join(names) + "\n")
    (doubt,) = [warning for warning in _evaluate(folder, limit=200).warnings if "looks trained on" in warning]
    assert "The reference same.onnx looks trained on the known members: it is right on 100.0% of them and on" in doubt
    assert "List what it was trained on in same.members.txt" in doubt


def test_lists_of_members_make_lira_online(folder: Path) -> None:
    _twins(folder, 4)
    tables = [pq.read_table(path) for path in EVIDENCE]
    names = [row["path"] for table in tables for row in table["image"].to_pylist()]
    for number in range(4):
        kept = names[::2] if number < 2 else names[1::2]
        (folder / f"{number}.members.txt").write_text("\n".join(kept) + "\n")
    found = _evaluate(folder)
    assert _method(found, "lira_online").performance is not None
    assert _method(found, "lira_online_fixed").performance is not None


def test_a_list_of_other_images_is_refused(folder: Path) -> None:
    _twins(folder, 1)
    (folder / "0.members.txt").write_text("elsewhere/1.png\n")
    with pytest.raises(ImagesError, match="names none of the known images; it must name them as reports do"):
        _evaluate(folder)


def test_a_preprocessing_of_its_own_is_read(folder: Path) -> None:
    shutil.copy(DEMO / "target.onnx", folder / "same.onnx")
    (folder / "same.toml").write_text("scale = 0.001\n")
    calibrated = _method(_evaluate(folder), "phi_calibrated").performance
    assert calibrated is not None
    assert calibrated.auc.value != 0.5


def test_an_image_that_cannot_be_read_spoils_no_other(folder: Path, tmp_path: Path) -> None:
    _twins(folder, 2)
    table = pq.read_table(EVIDENCE[0])[:60]
    images = table["image"].to_pylist()
    images[7]["bytes"] = b"not an image"
    column = table.schema.get_field_index("image")
    broken = table.set_column(column, "image", pa.array(images, table.schema.field("image").type))
    pq.write_table(broken, tmp_path / "members.parquet")
    settings = EvaluateSettings(preprocess="0-1", modules=(), views=2, limit=60, device="cpu", reference=folder)
    found = evaluate(DEMO / "target.onnx", tmp_path / "members.parquet", EVIDENCE[1], settings=settings)
    assert len(found.evidence.skipped) == 1
    for name in ("lira_offline_fixed", "lira_offline", "rmia", "phi_calibrated"):
        assert _method(found, name).performance is not None


def test_another_task_is_refused(folder: Path) -> None:
    cnn(folder / "other.onnx")
    with pytest.raises(ModelError, match="has 4 classes, the target 10: a reference must do the same task"):
        _evaluate(folder)


def test_a_folder_without_models_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"holds no \.onnx file"):
        _evaluate(folder)
    with pytest.raises(UsageError, match="is not a folder"):
        _evaluate(tmp_path / "nowhere")


def test_references_need_labels(folder: Path) -> None:
    _twins(folder, 1)
    with pytest.raises(UsageError, match="--reference needs labels of all known images"):
        _evaluate(folder, labels=False)


def test_a_reference_in_another_layout_is_compared_class_by_class(folder: Path) -> None:
    """A reference may give probabilities where the target gives logits."""
    model = onnx.load(DEMO / "target.onnx")
    output = model.graph.output[0]
    model.graph.node.append(onnx.helper.make_node("Softmax", [output.name], ["sure"], axis=1))
    output.name = "sure"
    onnx.save(model, folder / "softmax.onnx")
    calibrated = _method(_evaluate(folder), "phi_calibrated").performance
    assert calibrated is not None
    np.testing.assert_allclose(calibrated.auc.value, 0.5, atol=0.1)


@pytest.mark.parametrize("content", [b"a.png\n\xff\n", None])
def test_a_list_that_cannot_be_read_is_one_line(tmp_path: Path, content: bytes | None) -> None:
    listing = tmp_path / "one.members.txt"
    listing.mkdir() if content is None else listing.write_bytes(content)
    with pytest.raises(
        ImagesError, match=r"cannot read .*one\.members\.txt \(.*\); it must name images in UTF-8, one a"
    ):
        _trained_on(tmp_path / "one.onnx", ["a.png"])


def test_a_list_is_believed_line_by_line(tmp_path: Path) -> None:
    (tmp_path / "one.members.txt").write_text("\n  b.png\r\nc.png\u2028a.png\n" + "x\n" * 1000)
    assert _trained_on(tmp_path / "one.onnx", ["a.png", "b.png", "d.png"]).tolist() == [True, True, False]
    (tmp_path / "one.members.txt").write_text("\n\n")
    assert not _trained_on(tmp_path / "one.onnx", ["a.png"]).any()
