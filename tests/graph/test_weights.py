"""Weights in files beside a model: read from where they were looked at, refused in one line where they lie oddly."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto

from onnxmint.errors import ModelError
from onnxmint.graph.guard import refuse_external_data
from onnxmint.graph.layer import choose_layer
from onnxmint.graph.layers import list_layers
from onnxmint.graph.load import load_target
from onnxmint.graph.running import run_once
from onnxmint.graph.surgery import expose
from onnxmint.graph.verify import verify_exposed
from tests.graph.texts import cnn

SIZE = 5 * 3 * 3 * 3 * 4  # bytes of the first weight
Entries = list[tuple[str, str]]

on_posix = pytest.mark.skipif(sys.platform == "win32", reason="links and pipes of POSIX")


def _model(folder: Path, entries: Entries, *, name: str = "m.onnx") -> Path:
    """Write a model of which the first weight lies where the entries say; what it holds is in w.bin."""
    folder.mkdir(parents=True, exist_ok=True)
    model = onnx.load(cnn(folder / "whole.onnx"))
    tensor = model.graph.initializer[0]
    (folder / "w.bin").write_bytes(tensor.raw_data)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in entries:
        tensor.external_data.add(key=key, value=value)
    (folder / name).write_bytes(model.SerializeToString())
    return folder / name


def _same_as_whole(path: Path) -> None:
    images = np.random.default_rng(0).random((2, 3, 8, 8), np.float32)
    expected = onnxruntime.InferenceSession(path.parent / "whole.onnx").run(None, {"image": images})[0]
    target = load_target(path)
    np.testing.assert_allclose(run_once(target.model, {"image": images}, ["logits"], "m")["logits"], expected, 1e-5)
    layer = choose_layer(list_layers(target), "auto")
    for cut in (False, True):
        assert verify_exposed(target, expose(target, [layer], cut=cut), [layer], cut=cut)


@pytest.mark.parametrize(
    "entries",
    [
        [("location", "w.bin")],
        [("location", "w.bin"), ("offset", "0"), ("length", str(SIZE))],
        [("location", "./w.bin"), ("checksum", "of nothing")],
    ],
)
def test_weights_beside_a_model_are_read(tmp_path: Path, entries: Entries) -> None:
    _same_as_whole(_model(tmp_path, entries))


REFUSED: dict[str, tuple[Entries, str]] = {
    "a device first": ([("location", "/dev/zero"), ("location", "w.bin")], "say twice where they lie"),
    "another file first": ([("location", "../secret.bin"), ("location", "w.bin")], "say twice where they lie"),
    "a missing file first": ([("location", "no.bin"), ("location", "w.bin")], "say twice where they lie"),
    "two offsets": ([("location", "w.bin"), ("offset", "0"), ("offset", "4")], "say twice where they lie"),
    "nothing": ([], "do not say where they lie"),
    "no name": ([("location", "")], "do not say where they lie"),
    "a device": ([("location", "/dev/zero")], "lie outside the model's folder"),
    "a file above": ([("location", "../secret.bin")], "lie outside the model's folder"),
    "a folder that is not there": ([("location", "sub/../w.bin")], "are missing: no file 'sub/../w.bin'"),
    "a file as a folder": ([("location", "w.bin/../w.bin")], "are missing: no file"),
    "a name with a zero": ([("location", "w\0.bin")], r"are no usable file name \(embedded null"),
    "a long name": ([("location", "w" * 300)], r"are no usable file name \(File name too long\)"),
    "the folder": ([("location", ".")], "are no regular file"),
    "memory": ([("location", "*/_ORT_MEM_ADDR_/*"), ("offset", "14000")], "are missing"),
    "5,000 digits": ([("location", "w.bin"), ("offset", "1" * 5000)], r"offset and length \['1{18}\.\.\.', '0'\]"),
    "a long length": ([("location", "w.bin"), ("length", "1" * 5000)], r"offset and length \['0', '1{18}\.\.\.'\]"),
    "a negative offset": ([("location", "w.bin"), ("offset", "-4")], "have offset and length"),
    "a spaced offset": ([("location", "w.bin"), ("offset", " 0")], "have offset and length"),
    "another script's digit": ([("location", "w.bin"), ("offset", "\u0664")], "have offset and length"),
    "a shorter length": ([("location", "w.bin"), ("length", "4")], "take 540 bytes, and the file says 4"),
    "a longer length": ([("location", "w.bin"), ("length", "544")], "take 540 bytes, and the file says 544"),
    "an offset too far": ([("location", "w.bin"), ("offset", "4")], r"are cut short \(540 bytes, 544 needed\)"),
}


@on_posix
@pytest.mark.parametrize(("entries", "message"), REFUSED.values(), ids=REFUSED)
def test_weights_that_lie_oddly_are_refused_in_one_line(tmp_path: Path, entries: Entries, message: str) -> None:
    (tmp_path / "secret.bin").write_bytes(bytes(SIZE))
    with pytest.raises(ModelError, match=message) as caught:
        load_target(_model(tmp_path / "inner", entries))
    assert "\n" not in str(caught.value)


def _two_links(folder: Path) -> None:
    (folder / "odd").symlink_to("odd2")
    (folder / "odd2").symlink_to("odd")


ODD: dict[str, tuple[Callable[[Path], object], str]] = {
    "a pipe": (lambda folder: os.mkfifo(folder / "odd"), "are no regular file"),
    "a folder": (lambda folder: (folder / "odd").mkdir(), "are no regular file"),
    "a loop of links": (_two_links, r"are no usable file name \(Too many levels of symbolic links\)"),
    "a link out": (lambda folder: (folder / "odd").symlink_to("../secret.bin"), "lie outside the model's folder"),
    "a link to nothing": (lambda folder: (folder / "odd").symlink_to("gone"), "are missing"),
    "a device by a link": (lambda folder: (folder / "odd").symlink_to("/dev/zero"), "lie outside the model's folder"),
    "a hard link": (lambda folder: (folder / "odd").hardlink_to(folder.parent / "secret.bin"), "are a hard link"),
}


@on_posix
@pytest.mark.parametrize(("make", "message"), ODD.values(), ids=ODD)
def test_what_is_no_plain_file_is_refused(tmp_path: Path, make: Callable[[Path], object], message: str) -> None:
    (tmp_path / "secret.bin").write_bytes(bytes(SIZE))
    path = _model(tmp_path / "inner", [("location", "odd")])
    make(path.parent)
    with pytest.raises(ModelError, match=message):
        load_target(path)


@on_posix
def test_a_cache_of_links_to_blobs_is_read(tmp_path: Path) -> None:
    """As Hugging Face keeps models: the snapshot holds links to files with other names in another folder."""
    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshots" / "1"
    path = _model(blobs, [("location", "weights.bin")])
    snapshot.mkdir(parents=True)
    for name, blob in (("m.onnx", path), ("weights.bin", blobs / "w.bin"), ("whole.onnx", blobs / "whole.onnx")):
        (snapshot / name).symlink_to(os.path.relpath(blob, snapshot))
    _same_as_whole(snapshot / "m.onnx")


def test_only_the_bytes_that_a_model_uses_count_for_its_hash(tmp_path: Path) -> None:
    path = _model(tmp_path, [("location", "w.bin")])
    before, weights = load_target(path).sha256, (tmp_path / "w.bin").read_bytes()
    with (tmp_path / "w.bin").open("ab") as file:
        file.truncate(10**12)  # a hole: nobody could read all of it
    assert load_target(path).sha256 == before
    (tmp_path / "w.bin").write_bytes(weights[:-1] + bytes([weights[-1] ^ 1]))
    assert load_target(path).sha256 != before


def test_weights_in_attributes_are_looked_at_too(tmp_path: Path) -> None:
    """Also inside functions and graphs inside graphs, and of sparse tensors."""
    (tmp_path / "secret.bin").write_bytes(bytes(SIZE))
    outside = onnx.numpy_helper.from_array(np.ones(4, np.float32), "outside")
    outside.ClearField("raw_data")
    outside.data_location = TensorProto.EXTERNAL
    outside.external_data.add(key="location", value="../secret.bin")
    node = onnx.helper.make_node("Constant", [], ["c"], value=outside)
    graph = onnx.helper.make_graph([node], "inner", [], [onnx.helper.make_tensor_value_info("c", 1, [4])])
    in_graph = onnx.helper.make_node("If", ["yes"], ["d"], then_branch=graph, else_branch=graph)
    function = onnx.helper.make_function("own", "F", [], ["c"], [node], [onnx.helper.make_opsetid("", 17)])
    sparse = onnx.SparseTensorProto(values=outside, indices=outside, dims=[4])
    in_sparse = onnx.helper.make_node("Constant", [], ["e"], sparse_value=sparse)
    (tmp_path / "inner").mkdir()
    path = tmp_path / "inner" / "m.onnx"
    for nodes, functions in (([node], []), ([in_graph], []), ([], [function]), ([in_sparse], [])):
        model = onnx.load(cnn(path))
        model.graph.node.extend(nodes)
        model.functions.extend(functions)
        path.write_bytes(model.SerializeToString())
        with pytest.raises(ModelError, match="lie outside the model's folder"):
            load_target(path)
        with pytest.raises(ModelError, match=r"its weights 'outside' lie in another file; an auditor is one file"):
            refuse_external_data(model, path)


def test_a_whole_file_has_nothing_outside(tmp_path: Path) -> None:
    path = cnn(tmp_path / "m.onnx")
    refuse_external_data(onnx.load(path), path)


def test_a_tensor_that_does_not_hold_what_its_shape_says_is_refused(tmp_path: Path) -> None:
    model = onnx.load(cnn(tmp_path / "m.onnx"))
    model.graph.initializer[0].dims[0] = 6
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match=r"tensor 'w1' of shape \[6, 3, 3, 3\] holds 540 bytes, not 648"):
        load_target(tmp_path / "m.onnx")


@on_posix
@pytest.mark.parametrize("kind", ["pipe", "device", "huge"])
def test_what_is_no_file_of_a_model_is_not_read(tmp_path: Path, kind: str) -> None:
    path = Path("/dev/zero") if kind == "device" else tmp_path / "m.onnx"
    if kind == "pipe":
        os.mkfifo(path)
    if kind == "huge":
        with path.open("wb") as file:
            file.truncate(10**12)
    message = r"has 1000\.0 GB, and an ONNX file at most 2" if kind == "huge" else "is no regular file"
    with pytest.raises(ModelError, match=message):
        load_target(path)
