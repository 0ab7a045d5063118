"""onnxmint compare: exit codes, what it prints and writes, and every message a user can meet."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.conftest import DEMO, KNOWN
from tests.noisy import noisy

MODEL = str(DEMO / "target.onnx")
IMAGES = ["--members", f"{KNOWN[0]}?rows=0:60", "--nonmembers", f"{KNOWN[1]}?rows=0:60", "--preprocess", "0-1"]


@pytest.mark.slow
def test_a_limit_on_the_change_is_an_exit_status_and_a_comparison_is_a_run_that_can_be_checked(
    call: Run, tmp_path: Path
) -> None:
    second = noisy(tmp_path)
    words = [*IMAGES, "--fail-if-more", "auc=0.5", "-q", "-o", "run", "--device", "cpu"]
    code, out, err = call("compare", MODEL, second, *words)
    assert (code, err) == (0, "")
    assert "The change keeps to the limit. AUC of members" in out
    assert {path.name for path in Path("run").iterdir()} == {
        "comparison.html", "comparison.json", "comparison.csv", "comparison.parquet", "manifest.json",
    }  # fmt: skip
    code, out, _ = call("verify", "run", "--step", "integrity", "--step", "derivation", "--step", "inputs")
    assert code == 0
    assert "integrity     passed" in out
    assert "changes, intervals and verdict follow from the scores of" in " ".join(out.split())
    assert "inputs        passed" in out


@pytest.mark.slow
@pytest.mark.parametrize(("limit", "status"), [("auc=-0.5", 3), ("tpr@0.1%=0", 4)])
def test_other_limits_have_other_statuses(call: Run, tmp_path: Path, limit: str, status: int) -> None:
    words = ["compare", MODEL, noisy(tmp_path), *IMAGES, "--fail-if-more", limit, "-q", "-o", "run", "--json"]
    code, out, _ = call(*words)
    assert code == status
    assert json.loads(out)["verdict"]["kind"] == {3: "above", 4: "unsettled"}[status]


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        ([MODEL, MODEL, "--nonmembers", str(KNOWN[1])], 2, "give --members (images that both models were trained on)"),
        ([MODEL, "none.onnx", *IMAGES], 1, "none.onnx does not exist"),
        (["images", MODEL, *IMAGES], 1, "images"),
        ([MODEL, MODEL, *IMAGES, "--fail-if-more", "auc"], 2, "--fail-if-more 'auc' has no number"),
        ([MODEL, MODEL, *IMAGES, "--forget", "none"], 1, "none does not exist (known images)"),
        ([MODEL, MODEL, *IMAGES, "-o", MODEL], 2, "target.onnx"),
    ],
)
def test_what_does_not_serve_is_said_in_one_line(call: Run, words: list[str], status: int, message: str) -> None:
    code, out, err = call("compare", *words)
    assert (code, out) == (status, "")
    assert message in err
    assert len([line for line in err.splitlines() if line.startswith("Error: ")]) == 1
