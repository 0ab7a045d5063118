"""Newcomers' walks: their commands exist as they are written, and what a command took is measured as a user sees it."""

import io
import json
import shlex
import sys
from pathlib import Path

import click
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from onnxmint.cli.main import cli
from tools.walks.walk import WALKS, Command, Pictures, measured, table


@pytest.mark.parametrize("words", [command.words for walk in WALKS for command in walk.commands])
def test_every_command_of_a_walk_can_be_typed(words: str) -> None:
    name, *rest = shlex.split(words)
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    command.make_context(name, rest)


def test_what_a_command_took_is_noted(tmp_path: Path) -> None:
    script = "import sys, time; print('first'); time.sleep(0.3); print('last'); sys.exit(3)"
    command = Command(words=f"-c {shlex.quote(script)}", expected=(0, 3))
    found = measured("engineer", [sys.executable], command, tmp_path)
    assert (found.status, found.answered, found.last) == (3, True, "last")
    assert found.first <= found.wall
    assert found.silence >= 0.2
    assert found.cpu > 0
    assert "first\nlast\n" in (tmp_path / "engineer.log").read_text()
    assert table([found]).count("\n") == 2


def test_pictures_lie_where_a_newcomer_would_have_them(tmp_path: Path) -> None:
    png = io.BytesIO()
    Image.new("RGB", (4, 4)).save(png, "png")
    rows = [{"image": {"bytes": png.getvalue(), "path": ""}, "label": n % 2, "split": "train"} for n in range(6)]
    data = pa.Table.from_pylist(rows).replace_schema_metadata({"classes": json.dumps(["cat", "dog"])})
    pq.write_table(data, tmp_path / "data.parquet")
    pictures = Pictures(tmp_path / "data.parquet")
    pictures.write(tmp_path / "labelled", [("train", 0, 6)], labelled=True)
    pictures.write(tmp_path / "photos", [("train", 0, 2)], labelled=False, size=(8, 8))
    assert {path.parent.name for path in (tmp_path / "labelled").rglob("*.png")} == {"cat", "dog"}
    assert [path.suffix for path in (tmp_path / "photos").iterdir()] == [".jpg", ".jpg"]
