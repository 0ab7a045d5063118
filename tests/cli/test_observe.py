"""onnxmint observe: what it writes, what it tells who gives it away, and every message a user can meet."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.conftest import DEMO, KNOWN

MODEL = str(DEMO / "target.onnx")
FEW = [f"{KNOWN[0]}?rows=0:12", "--preprocess", "0-1", "--views", "2", "--device", "cpu", "-q"]


def test_who_gives_observations_away_is_told_what_goes_out(call: Run) -> None:
    code, out, err = call("observe", MODEL, *FEW, "--no-twin", "--layers", "none", "-o", "observed", "--redact")
    assert Path("observed.redaction-key").is_file()
    assert (code, err) == (0, "")
    told = " ".join(out.split())
    assert "12 images were observed, 14 numbers each" in told
    assert "layers none." in told
    assert "not its weights" in told
    assert "a thumbnail of 8 by 8 pixels each; not the images" in told
    assert {path.name for path in Path("observed").iterdir()} == {"model.onnx", "images.parquet", "observed.json"}
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.slow
def test_the_other_party_gives_the_folders_in_the_place_of_model_and_images(call: Run) -> None:
    for name, place in (("members", KNOWN[0]), ("nonmembers", KNOWN[1])):
        words = [f"{place}?rows=0:60", *FEW[1:], "--layers", "none"]
        code, out, _ = call("observe", MODEL, *words, "-o", name, "--json")
        assert code == 0
        assert json.loads(out)["seed"] == 0
    known = ["--members", "members", "--nonmembers", "nonmembers", "--views", "2", "-q", "-o", "run"]
    code, out, err = call("evaluate", "members/model.onnx", *known, "--modules", "views", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["methods"][-1]["name"] == "views"


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        ([MODEL, *FEW], 2, "Missing option '-o'"),
        (["none.onnx", *FEW, "-o", "o"], 1, "none.onnx does not exist"),
        ([MODEL, "none", "-o", "o"], 1, "none does not exist"),
        ([MODEL, *FEW, "--layers", "relu_9", "-o", "o"], 2, "no layer 'relu_9'; closest:"),
        ([MODEL, *FEW, "-o", str(DEMO)], 2, "would overwrite the model"),
    ],
)
def test_what_does_not_serve_is_said_in_one_line(call: Run, words: list[str], status: int, message: str) -> None:
    code, out, err = call("observe", *words)
    assert (code, out) == (status, "")
    assert message in err
