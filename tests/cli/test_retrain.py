"""onnxmint verify --retrain: the known images give the auditor of the run, and others do not."""

import json

import pytest

from tests.cli.conftest import Run
from tests.conftest import DEMO, KNOWN

MODEL = str(DEMO / "target.onnx")
FEW = ["--members", f"{KNOWN[0]}?rows=0:60", "--nonmembers", f"{KNOWN[1]}?rows=0:60"]
WORDS = [*FEW, "--preprocess", "0-1", "--no-controls", "--seed", "3", "--no-record", "-q", "--device", "cpu"]
ASKED = f"{DEMO}/questioned.parquet?rows=0:40"
STEPS = ["--step", "integrity", "--retrain", "--device", "cpu", "-q", "--model", MODEL]


@pytest.mark.slow
@pytest.mark.parametrize("module", [["--module", "phi"], ["--module", "vanilla", "--layer", "penultimate"]])
def test_the_same_images_give_the_same_auditor_byte_for_byte_and_others_another(call: Run, module: list[str]) -> None:
    assert call("audit", MODEL, ASKED, *WORDS, *module, "-o", "run")[0] == 0
    code, out, _ = call("verify", "run", *STEPS)
    assert (code, "the known members are not there (--members)" in " ".join(out.split())) == (5, True)
    code, out, err = call("verify", "run", *STEPS, *FEW, "--json")
    steps = {step["name"]: step for step in json.loads(out)["steps"]}
    assert (code, err) == (0, ""), steps
    assert steps["retraining"]["text"] == (
        "training again gives the same auditor, byte for byte but for the time that it was made"
    )
    code, out, _ = call("verify", "run", *STEPS, *FEW[:2], "--nonmembers", f"{KNOWN[1]}?rows=60:120", "--json")
    step = json.loads(out)["steps"][-1]
    assert (code, step["outcome"]) == (5, "failed")
    assert "the known images are others, or stand in another order" in step["differences"]


@pytest.mark.slow
def test_what_cannot_be_trained_again_says_why_and_is_not_passed(call: Run) -> None:
    assert call("train", MODEL, *WORDS[:-4], "-q", "--module", "phi", "-o", "auditor.onnx")[0] == 0
    assert call("audit", MODEL, ASKED, "--auditor", "auditor.onnx", "--no-record", "-q", "-o", "run")[0] == 0
    code, out, _ = call("verify", "run", *STEPS)
    assert code == 5
    assert "retraining    not done" in out
    assert "the run was given its auditor (--auditor)" in " ".join(out.split())
