"""Where nobody says how images are prepared, known images do, best with labels; else the error says what would."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from onnxmint.engine.local import Local
from onnxmint.errors import UndeclaredError
from onnxmint.settings import EvaluateSettings, EvidenceSettings, TrainSettings
from onnxmint.workflows.preparing import prepared
from tests.conftest import DEMO, KNOWN

FEW = tuple(f"{place}?rows=0:60" for place in KNOWN)


@pytest.mark.parametrize("preprocess", [None, "check"])
def test_labelled_members_settle_what_nobody_declares(preprocess: str | None) -> None:
    settings = EvidenceSettings(device="cpu", preprocess=preprocess)
    target, known = prepared(DEMO / "target.onnx", *FEW, settings, Local())
    assert (target.spec.scale, len(known.sources)) == (1 / 255, 2)
    (note,) = [note for note in target.notes if note.startswith("Nobody said")]
    assert "tried on 60 known images (onnxmint check), and 0-1 was taken, with which the model is right on" in note


def test_what_is_declared_is_taken_untried() -> None:
    target, _ = prepared(DEMO / "target.onnx", *FEW, EvidenceSettings(device="cpu", preprocess="0-1"), Local())
    assert not any("tried" in note for note in target.notes)


def test_an_audit_takes_what_makes_answers_telling_where_no_label_tells_and_says_so() -> None:
    settings = TrainSettings(device="cpu", labels=False)
    target, _ = prepared(DEMO / "target.onnx", *FEW, settings, Local())
    (note,) = [note for note in target.notes if note.startswith("Nobody said")]
    assert f"so {target.spec.name} was taken, with which the model's answers about 60 known images" in note
    assert "This can mislead: if the model was trained otherwise, less can be seen, though an audit errs no" in note


def test_what_is_measured_of_a_model_is_measured_with_its_own_preparation_or_not_at_all() -> None:
    settings = EvaluateSettings(device="cpu", labels=False)
    with pytest.raises(UndeclaredError, match=r"with --preprocess: .*in class folders would tell it, and so may onnxm"):
        prepared(DEMO / "target.onnx", *FEW, settings, Local())


def test_a_model_that_nothing_fits_is_refused_with_what_trying_found(tmp_path: Path) -> None:
    for name, place in zip(("members", "others"), KNOWN, strict=True):
        table = pq.read_table(place).slice(0, 60)
        wrong = [[(row * 7) % 10 for row in range(60)]]
        labels = table.schema.get_field_index("label")
        pq.write_table(table.set_column(labels, "label", wrong), tmp_path / f"{name}.parquet")
    places = (tmp_path / "members.parquet", tmp_path / "others.parquet")
    with pytest.raises(UndeclaredError, match="does not settle it: None of the known preparations fits"):
        prepared(DEMO / "target.onnx", *places, EvidenceSettings(device="cpu"), Local())
