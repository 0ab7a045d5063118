"""An auditor file comes from anywhere: what it says is checked when it is loaded, before anything of it runs."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from onnxmint.errors import ModelError
from onnxmint.methods.references import file_digest
from onnxmint.mint.auditor import AUDITOR, METADATA_KEY, Auditor, load_auditor
from onnxmint.preprocess.spec import PreprocessSpec
from onnxmint.verdict.opinions import SECOND
from onnxmint.verdict.yardstick import Traces, Yardstick
from tests.report.conftest import measured
from tests.results.test_json import example
from tests.results.values import same

GRAPH = """<ir_version: 8, opset_import: ["" : 17]> auditor (uint8[N,8,8,3] image)
    => (float[N] score, float[N] p_value, float[N,4] answer) {
    x = Cast<to = 1> (image) axes = Constant<value_ints = [1, 2, 3]> ()
    score = ReduceMean<axes = [1, 2, 3], keepdims = 0> (x) one = Constant<value_ints = [1]> ()
    m = Unsqueeze (score, one) p_value = Identity (score) answer = Concat<axis = 1> (m, m, m, m)
}"""


def made(**changes: Any) -> Auditor:
    """Return an auditor of four held-out images that fits together."""
    count = 4
    found = Auditor.of(example(AUDITOR), b"")
    yardstick = Yardstick(
        score=np.arange(count, dtype=np.float32),
        is_member=np.array([True, True, False, False]),
        is_test=np.ones(count, np.bool_),
        fold=np.zeros(count, np.int8),
        category=np.zeros(count, np.int32),
        group=None,
        number=np.arange(count, dtype=np.int32),
    )
    traces = Traces(
        digest=np.arange(count, dtype=np.uint64),
        is_member=yardstick.is_member,
        features=np.zeros((2, 5), np.float32),
        described=np.array([2, 3], np.int32),
        difficulty=np.zeros(0, np.float32),
        judged=np.zeros(0, np.int32),
    )
    method = replace(found.method, name="views", views=26, folds=1, seed=0, references=(), augmentation=None)
    spec = PreprocessSpec(name="p", size=(8, 8))
    fits = {"preprocess": spec, "method": method, "yardstick": yardstick, "traces": traces, "performance": measured(1)}
    return replace(found, **fits | changes)


def stored(
    auditor: Auditor, file: Path, change: Callable[[dict[str, Any]], None] | None = None, *, graph: str = GRAPH
) -> Path:
    """Write an auditor, its facts changed, beside a graph that gives what an auditor gives."""
    facts = json.loads(auditor.to_metadata()[METADATA_KEY])
    if change is not None:
        change(facts)
    model = onnx.parser.parse_model(graph)
    onnx.helper.set_model_props(model, {METADATA_KEY: json.dumps(facts)})
    onnx.save(model, file)
    return file


def test_an_auditor_that_fits_together_is_loaded_as_it_was(tmp_path: Path) -> None:
    file = stored(made(), tmp_path / "a.onnx")
    found = load_auditor(file)
    assert found.seconds is not None
    assert 0 < found.seconds < 10
    assert same(found, made(model=file.read_bytes(), seconds=found.seconds))


def test_members_whose_separation_is_unknown_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="it knows members but not how well they are told apart; train it again"):
        load_auditor(stored(made(performance=None), tmp_path / "a.onnx"))
    nobody = replace(made().yardstick, is_member=np.zeros(4, np.bool_))
    assert load_auditor(stored(made(performance=None, yardstick=nobody), tmp_path / "b.onnx")).performance is None


def test_an_audit_reads_the_outputs_that_the_held_out_images_have_values_of() -> None:
    plain = made()
    assert plain.columns == {"score": "score", "answer": "answer"}
    column = np.zeros(4, np.float32)
    both = replace(plain, yardstick=replace(plain.yardstick, **dict.fromkeys(SECOND, column)))
    assert both.columns == {**plain.columns, **{name: name for name in SECOND}}
    crossed = replace(plain, method=replace(plain.method, folds=5))
    assert crossed.columns["score"] == "scores"


SPEC = {"size": None, "crop": None}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda facts: facts.update(schema="onnxmint.auditor/5"), "this onnxmint reads 'onnxmint.auditor/6'"),
        (lambda facts: facts["method"].update(name="luck"), r"no module 'luck'; there are views"),
        (lambda facts: facts["method"].update(views="26"), r"expected `int`, got `str` at \$.method.views"),
        (lambda facts: facts["method"].update(views=3), "there are no 3 views"),
        (lambda facts: facts["method"].update(augmentation="luck"), "no augmentation 'luck'; there are crop"),
        (lambda facts: facts["method"].update(seed=-1), "with seed -1"),
        (lambda facts: facts["method"].update(folds=2), "does not give scores"),
        (lambda facts: facts["method"].pop("answer"), r"required field `answer` at \$.method"),
        (lambda facts: facts["preprocess"].update(SPEC), "it leaves the image size open"),
        (lambda facts: facts["preprocess"].update(resize="bend"), r"enum value 'bend' at \$.preprocess.resize"),
        (lambda facts: facts["preprocess"].update(size=[8, -8]), r"size must be of at least 1.* at \$.preprocess"),
        (lambda facts: facts["preprocess"].update(resize="longest", pad=None), "leaves a border"),
        (lambda facts: facts["preprocess"].update(std=[0.0]), r"std must be one or three numbers above 0.*preprocess"),
        (
            lambda facts: facts["yardstick"].update(score=facts["yardstick"]["number"]),
            r"got int32 at \$.yardstick.score",
        ),
        (lambda facts: facts["yardstick"].update(number=facts["traces"]["described"]), r"of shape .* at \$.yardstick"),
        (lambda facts: facts["traces"].update(described=facts["yardstick"]["number"]), r"for 4 images at \$.traces"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], message: str
) -> None:
    file = stored(made(), tmp_path / "a.onnx", change)
    with pytest.raises(ModelError, match=f"the auditor .*a.onnx.*{message}.*train it again") as caught:
        load_auditor(file)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("is_test", np.array([False, False, True, True]), "no member is left to test with"),
        ("is_member", np.ones(4, np.bool_), "no non-member is left to test with"),
        ("fold", np.array([0, 1, 0, 1], np.int8), "its scores are not those of 1 networks"),
        ("number", np.array([0, 0, 2, 3], np.int32), "a held-out image is there twice"),
        ("number", np.array([0, 1, 2, 9], np.int32), "images that are no held-out non-members"),
    ],
)
def test_tables_that_do_not_belong_together_are_refused(
    tmp_path: Path, column: str, values: np.ndarray, message: str
) -> None:
    auditor = made(yardstick=replace(made().yardstick, **{column: values}))
    with pytest.raises(ModelError, match=f"{message}; train it again"):
        load_auditor(stored(auditor, tmp_path / "a.onnx"))


def test_names_that_are_no_utf_8_are_no_reason_to_fail(tmp_path: Path) -> None:
    file = stored(made(), tmp_path / "a.onnx")
    content = file.read_bytes()
    proto = onnx.load(file)
    proto.doc_string = "odd:\u00e9"
    file.write_bytes(proto.SerializeToString().replace("odd:\u00e9".encode(), b"odd:\xff\xfe"))
    assert file.read_bytes() != content
    assert load_auditor(file).method == made().method


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("p_value = Identity (score)", "p_value = ReduceMean<keepdims = 0> (score)", r"'p_value' has shape \[\]"),
        ("Concat<axis = 1>", "Concat<axis = 0>", r"'answer' has shape \[8, 1\] for 2 images"),
        ("uint8[N,8,8,3]", "uint8[N,9,8,3]", "onnxruntime cannot run it"),
    ],
)
def test_a_graph_that_gives_something_else_is_refused_when_it_is_loaded(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        load_auditor(stored(made(), tmp_path / "a.onnx", graph=GRAPH.replace(old, new)))


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 200_000, "\udcff"])
def test_facts_that_are_no_json_are_refused(tmp_path: Path, text: str) -> None:
    model = onnx.parser.parse_model(GRAPH)
    onnx.helper.set_model_props(model, {METADATA_KEY: text.encode("utf-8", "replace").decode()})
    onnx.save(model, tmp_path / "a.onnx")
    with pytest.raises(ModelError, match="train it again"):
        load_auditor(tmp_path / "a.onnx")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_in_the_place_of_an_auditor_or_a_reference_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.onnx")
    with pytest.raises(ModelError, match=r"a\.onnx is no regular file, or has more than 2 GB; give the auditor\.onnx"):
        load_auditor(tmp_path / "a.onnx")
    with (tmp_path / "large.onnx").open("wb") as file:
        file.truncate(1 << 41)
    with pytest.raises(ModelError, match=r"large\.onnx is no regular file, or has more than 2 GB"):
        load_auditor(tmp_path / "large.onnx")
    with pytest.raises(ModelError, match=r"the reference .*a\.onnx is no regular file; give an ONNX file"):
        file_digest(tmp_path / "a.onnx")
