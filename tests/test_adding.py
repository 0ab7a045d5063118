"""CONTRIBUTING holds: one file and one row are a module, or a control, in --help, evaluate, audit and report."""

import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import Tensor, nn

from onnxmint import kinds
from onnxmint.cli.train import train_command
from onnxmint.controls import panel
from onnxmint.controls.seen import Seen
from onnxmint.kinds import ModuleKind
from onnxmint.report.evaluation import render_evaluation
from onnxmint.report.html import render_html
from onnxmint.results.audit import AUDIT
from onnxmint.results.facts import Control
from onnxmint.settings import AuditSettings, EvaluateSettings, TrainSettings
from onnxmint.workflows.auditing import Known, audit
from onnxmint.workflows.evaluating import evaluate
from tests.conftest import DEMO

SOME = "?rows=0:80"


class Module(nn.Module):
    """`mean`: one weight on the mean of a pooled layer."""

    def __init__(self, mean: Tensor, deviation: Tensor) -> None:
        super().__init__()
        self.mean, self.deviation = nn.Parameter(mean), nn.Parameter(deviation.clamp(min=1e-6))
        self.decide = nn.Linear(1, 1)

    @staticmethod
    def features(activation: Tensor) -> Tensor:
        return activation.flatten(1).mean(dim=1, keepdim=True)

    def forward(self, activation: Tensor) -> Tensor:
        score: Tensor = self.decide((self.features(activation) - self.mean) / self.deviation)
        return score.flatten()


@pytest.fixture
def made_up_module(monkeypatch: pytest.MonkeyPatch) -> None:
    """The file mint/modules/mean.py, and its row."""
    file = types.ModuleType("onnxmint.mint.modules.mean")
    file.Module = Module  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, file.__name__, file)
    row = ModuleKind(name="mean", words="reads the mean of one --layer", reads="layer")
    monkeypatch.setattr(kinds, "MODULES", (*kinds.MODULES, row))


@pytest.fixture
def made_up_control(monkeypatch: pytest.MonkeyPatch) -> None:
    """The file controls/weekday.py, and its row."""

    def weekday_control(seen: Seen, _: np.random.Generator) -> Control:
        return Control(name="weekday", passed=False, text=f"All {seen.facts.members} members were taken on a Monday.")

    monkeypatch.setattr(
        panel, "PANEL", (*panel.PANEL, panel.Row(name="weekday", of_evidence=weekday_control, stops=True))
    )


@pytest.mark.usefixtures("made_up_module")
def test_a_module_is_one_file_and_one_row() -> None:
    torch.manual_seed(0)
    found = evaluate(
        DEMO / "target.onnx",
        f"{DEMO}/members.parquet{SOME}",
        f"{DEMO}/nonmembers.parquet{SOME}",
        settings=EvaluateSettings(preprocess="0-1", device="cpu", views=2, modules=("mean",), layers=("penultimate",)),
    )
    (method,) = [method for method in found.methods if method.module == "mean"]
    assert method.performance is not None
    assert "mean on" in render_evaluation(found)
    made = TrainSettings(
        module="mean", layers=("penultimate",), preprocess="0-1", device="cpu", views=2, controls=False
    )
    known = Known(members=f"{DEMO}/members.parquet{SOME}", nonmembers=f"{DEMO}/nonmembers.parquet{SOME}", training=made)
    result = audit(
        DEMO / "target.onnx", f"{DEMO}/questioned.parquet?rows=0:30", known, settings=AuditSettings(controls=False)
    )
    assert result.method.name == "mean"
    assert "mean on" in render_html(result)


@pytest.mark.usefixtures("made_up_control")
def test_a_control_is_one_file_and_one_row() -> None:
    made = TrainSettings(module="phi", preprocess="0-1", device="cpu", limit=80)
    known = Known(members=f"{DEMO}/members.parquet{SOME}", nonmembers=f"{DEMO}/nonmembers.parquet{SOME}", training=made)
    result = audit(DEMO / "target.onnx", f"{DEMO}/questioned.parquet?rows=0:30", known, settings=AuditSettings())
    assert result.verdict.kind == "inconclusive"
    assert result.verdict.stopped_by == ("weekday",)
    assert "taken on a Monday" in render_html(result)
    again = AUDIT.read(AUDIT.write(result), "report.json", scores=result.scores)
    assert again.controls[-1].name == "weekday"


def test_help_names_every_module() -> None:
    said = CliRunner().invoke(train_command, ["--help"]).output
    assert all(f"{kind.name}" in said for kind in kinds.MODULES)


@pytest.mark.usefixtures("made_up_module")
def test_an_evaluation_compares_every_module_that_learns() -> None:
    assert EvaluateSettings().modules == ("views", "trees", "relative", "cnn", "vanilla", "mean")


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("train", ("mean reads the mean of one --layer", "Layer that cnn, vanilla or mean reads")),
        ("evaluate", ("default: views,trees,relative,cnn,vanilla,mean", "Layers that cnn, vanilla and mean read")),
    ],
)
def test_a_new_row_shows_up_in_help(command: str, said: tuple[str, ...]) -> None:
    """Help is written when a command is imported, so the row is there before."""
    code = (
        "from onnxmint import kinds\n"
        "row = kinds.ModuleKind(name='mean', words='reads the mean of one --layer', reads='layer')\n"
        "kinds.MODULES = (*kinds.MODULES, row)\n"
        f"from onnxmint.cli.main import main\nmain([{command!r}, '--help'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    folded = " ".join(done.stdout.split())
    assert all(words in folded for words in said)


def test_contributing_says_how_to_add_each_thing() -> None:
    said = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text("utf-8")
    for thing in ("A module", "A control", "A source of images", "A command", "An engine"):
        (text,) = [part for part in said.split("\n\n") if part.startswith(f"**{thing}.**")]
        assert len(text.splitlines()) <= 10
