"""Auditors asked in turn: few views first, more only where these leave a set open; one level for both."""

from pathlib import Path

import pytest

from onnxmint import AuditSettings, TrainSettings, audit_in_turn, train
from onnxmint.cli.main import run
from onnxmint.cli.turns import first_of
from onnxmint.errors import UsageError
from onnxmint.mint.auditor import Auditor
from onnxmint.workflows.turns import FIRST
from tests.conftest import DEMO

MODEL = DEMO / "target.onnx"
KNOWN = tuple(f"{DEMO / side}.parquet?rows=0:400" for side in ("members", "nonmembers"))
SETTINGS = AuditSettings(controls=False, device="cpu")
Both = tuple[Auditor, Auditor]


@pytest.fixture(scope="module")
def both() -> Both:
    """Auditors of 2 and of 14 views, of the same images."""
    given = {"preprocess": "0-1", "controls": False, "module": "views", "device": "cpu"}
    two, more = (train(MODEL, *KNOWN, settings=TrainSettings(views=views, **given)) for views in (2, 14))
    return two, more


@pytest.mark.slow
def test_where_few_views_tell_the_others_are_not_asked(both: Both) -> None:
    found = audit_in_turn(MODEL, f"{DEMO / 'members.parquet'}?rows=500:800", *both, settings=SETTINGS)
    assert found.auditor is both[0]
    assert found.result.verdict.kind == "members-found"
    assert found.result.warnings[-1].endswith("gave this answer; the one of 14 views was not asked.")
    parts = [look.part for look in found.result.questioned.looks]
    assert sum(parts) < FIRST


@pytest.mark.slow
def test_a_set_that_is_left_open_is_judged_by_the_rest_of_the_level(both: Both) -> None:
    found = audit_in_turn(MODEL, f"{DEMO / 'nonmembers.parquet'}?rows=500:540", *both, settings=SETTINGS)
    assert found.auditor is both[1]
    assert found.result.method.views == 14
    (look,) = found.result.questioned.looks
    assert look.part == pytest.approx(1 - FIRST)
    assert "80% of the level on 40 images, and left the set open" in found.result.warnings[-1]


def test_the_first_has_fewer_views(phi: Auditor) -> None:
    with pytest.raises(UsageError, match=r"and they have 2 and 2: train it with --views 2$"):
        audit_in_turn(MODEL, DEMO / "questioned.parquet", phi, phi)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--members", "m", "--nonmembers", "n"], "--first is asked before another auditor"),
        (["--auditor", "a.onnx", "--registration", "r"], "a registration fixes one auditor"),
    ],
)
def test_where_it_has_no_meaning_it_is_refused(
    words: list[str], message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["audit", str(MODEL), str(DEMO / "questioned.parquet"), "--first", "f.onnx", *words]) == 2
    assert message in " ".join(capfd.readouterr().err.split())


@pytest.mark.slow
def test_the_first_is_refused_without_the_labels_that_it_was_trained_with(both: Both, tmp_path: Path) -> None:
    place = tmp_path / "first.onnx"
    place.write_bytes(both[0].model)
    with pytest.raises(UsageError, match=r"^--no-labels does not fit this auditor"):
        first_of({"first": place, "labels": False})


@pytest.mark.slow
def test_the_run_of_the_command_has_the_auditor_that_told(both: Both, tmp_path: Path) -> None:
    for name, auditor in zip(("first", "then"), both, strict=True):
        (tmp_path / f"{name}.onnx").write_bytes(auditor.model)
    given = ["--auditor", str(tmp_path / "then.onnx"), "--first", str(tmp_path / "first.onnx"), "--no-controls", "-q"]
    images = f"{DEMO / 'nonmembers.parquet'}?rows=500:540"
    place = tmp_path / "run"
    assert run(["audit", str(MODEL), images, *given, "-o", str(place), "--device", "cpu", "--no-record"]) == 0
    assert (place / "auditor.onnx").read_bytes() == both[1].model
    assert run(["verify", str(place), "--step", "derivation", "-q"]) == 0
