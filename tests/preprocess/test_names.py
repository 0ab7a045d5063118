"""Class names that a model declares are found wherever its library writes them, and nothing else is taken for names."""

import json
from pathlib import Path

import pytest

from onnxmint.images.together import open_together
from onnxmint.preprocess.declared.names import declared_names
from tests.images.places import folder


@pytest.mark.parametrize(
    "metadata",
    [
        {"names": "{0: 'cat', 1: 'dog'}"},  # Ultralytics
        {"names": '["cat", "dog"]'},
        {"id2label": '{"0": "cat", "1": "dog"}'},
        {"class_names": "('cat', 'dog')"},
    ],
)
def test_names_in_the_metadata_are_found(tmp_path: Path, metadata: dict[str, str]) -> None:
    (found,) = declared_names(tmp_path / "m.onnx", metadata)
    assert found.numbering.by_name() == {"cat": 0, "dog": 1}
    assert found.place == f"{tmp_path / 'm.onnx'}, metadata {next(iter(metadata))}"


@pytest.mark.parametrize(
    "facts",
    [
        {"id2label": {"0": "cat", "1": "dog"}},
        {"label2id": {"cat": 0, "dog": 1}},
        {"label_names": ["cat", "dog"]},
        {"pretrained_cfg": {"label_names": ["cat", "dog"]}},
    ],
)
def test_names_beside_a_model_are_found(tmp_path: Path, facts: dict[str, object]) -> None:
    (tmp_path / "onnx").mkdir()
    (tmp_path / "config.json").write_text(json.dumps(facts))
    for model in (tmp_path / "m.onnx", tmp_path / "onnx" / "m.onnx"):
        (found,) = declared_names(model, {"names": "{0: 'cat', 1: 'dog'}"})[1:] or declared_names(model, {})
        assert found.numbering.by_name() == {"cat": 0, "dog": 1}
    assert len(declared_names(tmp_path / "m.onnx", {"names": "['cat', 'dog']"})) == 1
    assert len(declared_names(tmp_path / "m.onnx", {"names": "['dog', 'cat']"})) == 2


@pytest.mark.parametrize("text", ["", "cat, dog", "[1, 2]", "[" * 200_000, "{" * 90, "{(1, 2): 'a'}", "x" * (2 << 20)])
def test_what_names_no_classes_is_passed(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text("[1, 2]")
    assert declared_names(tmp_path / "m.onnx", {"names": text, "labels": text}) == ()


@pytest.mark.parametrize(
    ("text", "reason"),
    [("", "Expecting value"), ("[" * 200_000, "nested more than 64 levels deep"), ("{'a': 1}", "Expecting property")],
)
def test_a_file_beside_a_model_that_cannot_be_read_is_named(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "config.json").write_text(text)
    place = folder(tmp_path / "images", {"cat/1.png": 1, "dog/1.png": 2})
    found = open_together([place], declared=declared_names(tmp_path / "m.onnx", {}), outputs=2)
    (note,) = found.notes
    said = "may name the target's classes, and was not used: no readable JSON"
    assert note.startswith(f"{tmp_path / 'config.json'} {said}")
    assert reason in note
