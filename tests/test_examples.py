"""The examples run as they stand, and the README names only what exists."""

import io
import os
import re
import runpy
import subprocess
import sys
import warnings
from pathlib import Path

import click
import pyarrow.parquet as pq
import pytest
from PIL import Image

from onnxmint import EvaluateSettings, Scorer, evaluate
from onnxmint.cli.main import COMMANDS, cli
from tests.conftest import DEMO, ROOT


@pytest.mark.slow
def test_audit_from_python(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(ROOT / "examples" / "audit_from_python.py"))
    assert "members-found" in capsys.readouterr().out


def test_score_with_onnxruntime(
    phi_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    row = pq.read_table(DEMO / "questioned.parquet")["image"][0].as_py()
    Image.open(io.BytesIO(row["bytes"])).save(tmp_path / "image.png")
    monkeypatch.setattr(sys, "argv", ["score", str(phi_file), f"{tmp_path / 'image.png'}=3"])
    runpy.run_path(str(ROOT / "examples" / "score_with_onnxruntime.py"))
    assert re.search(r"image.png: score -?\d+\.\d+, p-value [01]\.\d+, predicted class \d", capsys.readouterr().out)
    for words, said in (([str(phi_file)], "usage: "), ([str(phi_file), "image.png"], "asks for a class: image.png=3")):
        monkeypatch.setattr(sys, "argv", ["score", *words])
        with pytest.raises(SystemExit, match=said):
            runpy.run_path(str(ROOT / "examples" / "score_with_onnxruntime.py"))


def _class_folders(folder: Path, side: str, count: int) -> Path:
    """Write the first known images of a side into a folder for each class."""
    for number, row in enumerate(pq.read_table(DEMO / f"{side}.parquet").slice(0, count).to_pylist()):
        place = folder / side / f"class {row['label']}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{side}{number}.png").write_bytes(row["image"]["bytes"])
    return folder / side


@pytest.mark.slow
def test_train_references(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """What it writes, evaluate takes: every image is in half of the references, so LiRA online is measured."""
    sides = [_class_folders(tmp_path, side, 60) for side in ("members", "nonmembers")]
    words = [*map(str, sides), str(tmp_path / "references"), "--count", "4", "--epochs", "1", "--size", "16"]
    monkeypatch.setattr(sys, "argv", ["train_references", *words])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter, about itself
        runpy.run_path(str(ROOT / "examples" / "train_references.py"), run_name="__main__")
    assert len(re.findall(r"reference\d\d: \d+ of 120 images", capsys.readouterr().out)) == 4
    settings = EvaluateSettings(preprocess="0-1", modules=(), views=2, device="cpu", reference=tmp_path / "references")
    found = evaluate(DEMO / "target.onnx", *sides, settings=settings)
    measured = {method.name for method in found.methods if method.performance is not None}
    assert {"lira_online", "lira_offline", "rmia", "phi_calibrated"} <= measured
    assert len(found.settings.references) == 4
    monkeypatch.setattr(sys, "argv", ["train_references", words[0], words[0], *words[2:]])
    with pytest.raises(SystemExit, match="is in both folders: a list of members could not tell which is meant"):
        runpy.run_path(str(ROOT / "examples" / "train_references.py"), run_name="__main__")


@pytest.mark.slow
def test_paper_table(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    pq.write_table(pq.read_table(DEMO / "members.parquet").slice(0, 160), tmp_path / "data.parquet")
    words = [str(tmp_path / "data.parquet"), str(tmp_path / "table"), "--epochs", "1", "--known", "80"]
    monkeypatch.setattr(sys, "argv", ["paper_table", *words, "--repeats", "2"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        runpy.run_path(str(ROOT / "examples" / "paper_table.py"), run_name="__main__")
    out = capsys.readouterr().out
    rows = re.findall(r"^\| (\d) \| (0.72)? ?\| 0\.\d{3} \(.*\) \| (.*) \|$", out, flags=re.MULTILINE)
    assert [row[0] for row in rows] == list("1234567")
    assert [row[2] == "needs a map" for row in rows] == [False] * 6 + [True]
    assert rows[6][1] == "0.72"
    assert "Beside them, on the same images: " in out


@pytest.mark.slow
def test_score_many(phi_file: Path, tmp_path: Path) -> None:
    pq.write_table(pq.read_table(DEMO / "questioned.parquet").slice(0, 300), tmp_path / "images.parquet")
    words = [sys.executable, ROOT / "examples" / "score_many.py", phi_file, "images.parquet", "scores.parquet"]
    variables = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(words, cwd=tmp_path, env=variables, capture_output=True, text=True, check=True)
    assert done.stdout == "300 of 300 images scored\n"
    whole = Scorer(phi_file)(pq.read_table(tmp_path / "images.parquet"))
    assert pq.read_table(tmp_path / "scores.parquet").equals(whole)


def test_the_readme_is_short_and_names_only_commands_options_and_files_that_exist() -> None:
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) <= 120
    named = re.findall(r"(?:^    |`|&& )onnxmint ([^\n`]+)", text, flags=re.MULTILINE)
    for block in named:
        words = block.split("#")[0].split()
        command = cli.get_command(click.Context(cli), words[0])
        assert command is not None, words[0]
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("-")} <= known
    assert {block.split()[0] for block in named} == set(COMMANDS)
    for path in re.findall(r"\]\(([\w./-]+)\)", text):
        assert (ROOT / path).exists(), path


def test_the_readmes_test_command_is_what_ci_runs() -> None:
    command = 'pip install ".[test]" && python -m pytest'
    assert re.findall(r"^    (.*)$", (ROOT / "README.md").read_text(), flags=re.MULTILINE)[1].endswith(command)
    assert '".[test]" && python -m pytest' in (ROOT / ".ci" / "run").read_text()
