"""Errors are one printable line of bounded length, and what was put right in a file is told."""

import errno
import io
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from onnxmint.cli.main import explain, one_line
from onnxmint.report.names import visible
from tests.cli.conftest import Run
from tests.conftest import ROOT
from tests.graph.texts import CNN, cnn


@given(st.text(max_size=4000))
def test_any_message_is_one_harmless_line_of_bounded_length(text: str) -> None:
    line = one_line(text)
    assert line == visible(line)
    assert len(line) <= 2005


@pytest.mark.parametrize("letters", ["x", "x y "])
@pytest.mark.parametrize("quote", ["'", '"'])
def test_a_long_name_is_cut_in_the_middle_and_the_rest_stays(letters: str, quote: str) -> None:
    name = "start" + letters * 50_000 + "end"
    line = one_line(f"m.onnx: its output {quote}{name}{quote} is odd: name another")
    assert line.startswith(f"m.onnx: its output {quote}startx")
    assert line.endswith(f"end{quote} is odd: name another")
    assert len(line) < 300


def test_a_long_sentence_between_names_is_not_cut() -> None:
    text = f"its output 'a' is {'very ' * 60}unlike 'b'"
    assert one_line(text) == text


def test_a_long_path_keeps_its_end() -> None:
    assert one_line(f"/tmp/{'deep/' * 100}model.onnx does not exist").endswith("deep/model.onnx does not exist")


def test_an_endless_list_keeps_what_to_do() -> None:
    line = one_line(f"m.onnx takes many: {', '.join(map(repr, range(100_000)))}: give one")
    assert line.endswith(": give one")


def test_the_longest_name_of_a_file_does_not_fill_the_screen(tmp_path: Path, call: Run) -> None:
    text = CNN.replace("float[N,4] logits", "float[N,4] NAME").replace("logits =", "NAME =")
    path = cnn(tmp_path / "m.onnx", text.replace("NAME", "n" * 100_000))
    code, _, err = call("layers", str(path), "--answer", "other")
    assert code == 2
    assert len(err) < 400
    assert err.count("\n") == 1


def test_what_was_put_right_is_told_by_layers_and_expose_layer(tmp_path: Path, call: Run) -> None:
    model = onnx.load(cnn(tmp_path / "m.onnx"))
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(reversed(nodes))
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    note = "The nodes of the file are not in the order of their use: they were sorted."
    code, out, _ = call("layers", str(tmp_path / "m.onnx"))
    assert code == 0
    assert f"note  {note}" in " ".join(out.split("\n"))
    assert json.loads(call("layers", str(tmp_path / "m.onnx"), "--json")[1])["notes"] == [note]
    code, out, _ = call("expose-layer", str(tmp_path / "m.onnx"), "-o", str(tmp_path / "x.onnx"))
    assert code == 0
    assert f"note: {note}" in out.replace("\n      ", " ")


def test_names_and_notes_of_a_file_do_not_act_on_the_terminal(tmp_path: Path, call: Run) -> None:
    odd = "\x1b]0;title\x07\u202eod"
    model = onnx.load(cnn(tmp_path / "m.onnx"))
    for node in model.graph.node:
        node.input[:] = [odd + name if name in ("relu1", "logits") else name for name in node.input]
        node.output[:] = [odd + name if name in ("relu1", "logits") else name for name in node.output]
        node.name = f"{odd}/{node.output[0]}"
    model.graph.output[0].name = f"{odd}logits"
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_param = odd
    model.graph.output[0].type.tensor_type.shape.dim.add().dim_value = 3
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    for words in (["layers"], ["expose-layer", "-o", str(tmp_path / "x.onnx")], ["layers", "--answer", odd]):
        _, out, err = call(words[0], str(tmp_path / "m.onnx"), *words[1:])
        assert out + err
        assert not set(out + err) & {"\x1b", "\x07", "\u202e"}


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        (
            PermissionError(errno.EACCES, "Permission denied", "/there/a.png"),
            "cannot read or write /there/a.png: Permission denied; see who may do so there, or choose another place",
        ),
        (
            OSError(errno.ENAMETOOLONG, "File name too long", b"/b"),
            "cannot read or write /b: File name too long; see who may do so there, or choose another place",
        ),
        (
            MemoryError(),
            "this takes more memory than there is; give fewer or smaller files, or take a machine that has more",
        ),
    ],
)
def test_what_the_system_refuses_is_no_defect(
    problem: Exception, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert explain(problem) == 1
    assert capsys.readouterr().err == f"Error: {said}\n"


def test_a_file_of_our_own_that_is_missing_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert explain(FileNotFoundError(errno.ENOENT, "No such file or directory", "words.po")) == 1
    assert "This is a defect" in capsys.readouterr().err


_AS_NOBODY = """
import os, sys
sys.path.insert(0, sys.argv[1])
from onnxmint.cli.places import counted, parts_in
from onnxmint.cli.main import explain
from onnxmint.errors import OnnxmintError
from onnxmint.images.sources import open_source
import numpy, PIL.Image
if os.getuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
for place in sys.argv[2:]:
    try:
        parts_in(place)
        found = open_source(place)
        counted(place)
        print(len(found.entries()), [(one.reason, one.count) for one in found.passed_over])
    except OnnxmintError as problem:
        print(problem)
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="this system keeps nobody out of folders so")
def test_places_that_one_may_not_look_into_are_said_and_no_defect() -> None:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        for folder in ("open", "closed", "closed/deep", "open/inner"):
            (root / folder).mkdir()
        image = io.BytesIO()
        Image.new("L", (4, 4)).save(image, "PNG")
        for place in ("open/a.png", "open/inner/b.png", "closed/c.png", "closed/deep/d.png"):
            (root / place).write_bytes(image.getvalue())
        (root / "open" / "link.png").symlink_to(root / "closed" / "c.png")
        (root / "open" / "link").symlink_to(root / "closed" / "deep")
        root.chmod(0o755)
        (root / "closed").chmod(0)
        try:
            words = [
                sys.executable,
                "-c",
                _AS_NOBODY,
                str(ROOT),
                *map(str, (root / "open", root / "closed", root / "closed/c.png")),
            ]
            done = subprocess.run(words, capture_output=True, text=True, check=False, cwd="/")
        finally:
            (root / "closed").chmod(0o755)
    open_one, closed, inside = done.stdout.splitlines()
    assert open_one == "3 [('links that lead nowhere', 1)]"
    assert closed == f"cannot list {root / 'closed'}: Permission denied; make it readable or move it away"
    assert inside == f"cannot look at {root / 'closed/c.png'}: Permission denied; make the folder above it readable"
