"""The examples run as they stand, and the README names only what exists."""

import io
import re
import runpy
import sys
from pathlib import Path

import click
import pyarrow.parquet as pq
import pytest
from PIL import Image

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


def test_the_readme_names_only_commands_and_options_that_exist() -> None:
    text = (ROOT / "README.md").read_text()
    blocks = re.findall(r"^    onnxmint ([^\n]*(?:\\\n[^\n]*)*)", text, flags=re.MULTILINE)
    assert len(blocks) >= len(COMMANDS) - 1  # no need to tell of completion
    for block in blocks:
        words = block.replace("\\\n", " ").split("#")[0].split()
        command = cli.get_command(click.Context(cli), words[0])
        assert command is not None, words[0]
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("-")} <= known
