"""Errors are one printable line of bounded length, and what was put right in a file is told."""

import json
from pathlib import Path

import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onnxmint.cli.main import one_line
from onnxmint.report.names import visible
from tests.cli.conftest import Run
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
