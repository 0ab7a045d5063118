"""Untrusted files: what is understood, and what is refused with one clear line."""

import itertools
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from onnxmint.errors import ModelError
from onnxmint.graph.load import load_target
from onnxmint.graph.running import run_once
from tests.graph.texts import CNN, cnn, save

WEIGHTS = "<float[5,3,3,3] w1, float[5] b1, float[6,5,3,3] w2, float[6,4] w3>"


def _tail(last: str, out: str = "float[N,4] answer") -> str:
    return CNN.replace("float[N,4] logits)", f"{out})").replace("(flat, w3)\n", f"(flat, w3)\n  {last}\n")


def test_a_plain_classifier(tmp_path: Path) -> None:
    target = load_target(cnn(tmp_path / "m.onnx"))
    assert (target.input.name, target.input.layout, target.input.batch) == ("image", "NCHW", None)
    assert (target.input.channels, target.input.height, target.input.width) == (3, 8, 8)
    assert (target.answer.tensor, target.answer.kind, target.answer.classes) == ("logits", "logits", 4)
    assert (target.opset, len(target.sha256)) == (17, 64)


@pytest.mark.parametrize("op", ["Softmax", "LogSoftmax"])
def test_logits_are_found_behind_a_softmax(tmp_path: Path, op: str) -> None:
    target = load_target(cnn(tmp_path / "m.onnx", _tail(f"soft = {op} (logits)  answer = Identity (soft)")))
    assert (target.answer.tensor, target.answer.kind) == ("logits", "logits")


def test_probabilities_without_a_softmax_are_recognised(tmp_path: Path) -> None:
    last = "e = Exp (logits)  s = ReduceSum <keepdims=1> (e, axes)  answer = Div (e, s)"
    text = _tail(last).replace(WEIGHTS, WEIGHTS[:-1] + ", int64[1] axes = {1}>")
    target = load_target(cnn(tmp_path / "m.onnx", text))
    assert (target.answer.tensor, target.answer.kind) == ("answer", "probabilities")


@pytest.mark.parametrize("places", ["import", "import and nodes", "functions too", "both names"])
def test_the_standard_domain_has_a_long_name_too(tmp_path: Path, places: str) -> None:
    """Softmax without an axis means another one before opset 13: nothing may run at an opset that we add."""
    text = CNN.replace('"" : 17', '"" : 9').replace("relu2 = Relu (conv2)", "relu2 = Softmax (conv2)")
    model = onnx.load(cnn(tmp_path / "short.onnx", text))
    image = np.random.default_rng(0).random((3, 3, 8, 8), np.float32)
    if places == "functions too":
        softmax = next(node for node in model.graph.node if node.op_type == "Softmax")
        inner = onnx.helper.make_node("Softmax", ["x"], ["y"], domain="ai.onnx")
        nine = [onnx.helper.make_opsetid("ai.onnx", 9)]
        model.functions.append(onnx.helper.make_function("own", "Soft", ["x"], ["y"], [inner], nine))
        softmax.op_type, softmax.domain = "Soft", "own"
        model.opset_import.append(onnx.helper.make_opsetid("own", 1))
    if places == "import and nodes":
        for node in model.graph.node:
            node.domain = "ai.onnx"
    if places == "both names":
        model.opset_import.append(onnx.helper.make_opsetid("ai.onnx", 9))
    else:
        model.opset_import[0].domain = "ai.onnx"
    onnx.save(model, tmp_path / "long.onnx")
    target = load_target(tmp_path / "long.onnx")
    assert (target.opset, target.model.graph.opset_imports[""]) == (9, 9)
    assert "ai.onnx" not in target.model.graph.opset_imports
    session = onnxruntime.InferenceSession(tmp_path / "short.onnx", providers=["CPUExecutionProvider"])
    found = run_once(target.model.clone(), {"image": image}, ["logits"], "long")["logits"]
    np.testing.assert_allclose(found, session.run(None, {"image": image})[0], rtol=1e-4, atol=1e-6)


def test_weights_beside_a_model_of_the_long_name_are_found(tmp_path: Path) -> None:
    model = onnx.load(cnn(tmp_path / "short.onnx"))
    model.opset_import[0].domain = "ai.onnx"
    onnx.save(model, tmp_path / "long.onnx", save_as_external_data=True, location="w.bin", size_threshold=0)
    assert load_target(tmp_path / "long.onnx").opset == 17


def test_channels_last_is_seen(tmp_path: Path) -> None:
    text = CNN.replace("float[N,3,8,8] image", "float[N,8,8,3] image").replace(
        "conv1 = Conv <pads=[1,1,1,1]> (image,",
        "t = Transpose <perm=[0,3,1,2]> (image)\n conv1 = Conv <pads=[1,1,1,1]> (t,",
    )
    target = load_target(cnn(tmp_path / "m.onnx", text))
    assert (target.input.layout, target.input.channels) == ("NHWC", 3)


def test_initialisers_listed_as_inputs_are_not_images(tmp_path: Path) -> None:
    model = onnx.load(cnn(tmp_path / "m.onnx"))
    model.ir_version = 3
    for tensor in model.graph.initializer:
        model.graph.input.append(onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    onnx.save(model, tmp_path / "old.onnx")
    assert load_target(tmp_path / "old.onnx").input.name == "image"


def _refused(path: Path) -> str:
    with pytest.raises(ModelError) as caught:
        load_target(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_old_opsets_are_refused(tmp_path: Path) -> None:
    path = save(
        '<ir_version: 3, opset_import: ["" : 6]> m (float[N,3,2,2] x) => (float[N,3,2,2] y) { y = Relu (x) }',
        tmp_path / "m.onnx",
    )
    assert "uses opset 6; onnxmint works from opset 7 on" in _refused(path)


def test_a_model_without_class_scores_is_refused(tmp_path: Path) -> None:
    path = save(
        '<ir_version: 8, opset_import: ["" : 17]> m (float[N,3,2,2] x) => (float[N,3,2,2] y) { y = Relu (x) }',
        tmp_path / "m.onnx",
    )
    assert "gives no class scores (images by classes) to audit; its outputs: 'y' [N,3,2,2]" in _refused(path)


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    whole = cnn(tmp_path / "m.onnx").read_bytes()
    (tmp_path / "half.onnx").write_bytes(whole[: len(whole) // 2])
    assert _refused(tmp_path / "half.onnx")


def test_a_bomb_of_functions_is_refused_at_once(tmp_path: Path) -> None:
    """1.6 kB that passes the checker and hangs onnxruntime: 24 functions, each calling the next twice."""
    count = 24
    functions = [
        onnx.helper.make_function(
            "bomb",
            f"f{k}",
            ["x"],
            ["y"],
            [
                onnx.helper.make_node(
                    f"f{k + 1}" if k + 1 < count else "Relu", [a], [b], domain="bomb" if k + 1 < count else ""
                )
                for a, b in (("x", "h"), ("h", "y"))
            ],
            [onnx.helper.make_opsetid("", 17), onnx.helper.make_opsetid("bomb", 1)],
        )
        for k in range(count)
    ]
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("f0", ["x"], ["y"], domain="bomb")],
        "g",
        [value("x", 1, ["N", 3, 4, 4])],
        [value("y", 1, ["N", 3, 4, 4])],
    )
    imports = [onnx.helper.make_opsetid("", 17), onnx.helper.make_opsetid("bomb", 1)]
    onnx.save(
        onnx.helper.make_model(graph, functions=functions, opset_imports=imports, ir_version=8), tmp_path / "b.onnx"
    )
    assert "would expand to 16,777,216 nodes" in _refused(tmp_path / "b.onnx")


@pytest.mark.parametrize(("count", "message"), [(150, "deep (allowed 100)"), (1, "calls itself")])
def test_long_and_circular_chains_of_functions_are_refused(tmp_path: Path, count: int, message: str) -> None:
    names = [f"f{k}" for k in range(count)] + ["Relu" if count > 1 else "f0"]
    imports = [onnx.helper.make_opsetid("", 17), onnx.helper.make_opsetid("d", 1)]
    functions = []
    for name, called in itertools.pairwise(names):
        node = onnx.helper.make_node(called, ["x"], ["y"], domain="" if called == "Relu" else "d")
        functions.append(onnx.helper.make_function("d", name, ["x"], ["y"], [node], imports))
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("f0", ["x"], ["y"], domain="d")],
        "g",
        [value("x", 1, [1, 3, 4, 4])],
        [value("y", 1, None)],
    )
    imports = [onnx.helper.make_opsetid("", 17), onnx.helper.make_opsetid("d", 1)]
    onnx.save(
        onnx.helper.make_model(graph, functions=functions, opset_imports=imports, ir_version=8), tmp_path / "c.onnx"
    )
    assert message in _refused(tmp_path / "c.onnx")


def test_weights_outside_the_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    model = onnx.load(cnn(tmp_path / "m.onnx"))
    tensor = model.graph.initializer[0]
    onnx.external_data_helper.set_external_data(tensor, "../secret.bin")
    tensor.ClearField("raw_data")
    (tmp_path / "secret.bin").write_bytes(bytes(10_000))
    (tmp_path / "inner" / "m.onnx").write_bytes(model.SerializeToString())
    assert "lie outside the model's folder" in _refused(tmp_path / "inner" / "m.onnx")


def test_weights_cut_short_are_refused(tmp_path: Path) -> None:
    model = onnx.load(cnn(tmp_path / "m.onnx"))
    onnx.save(model, tmp_path / "e.onnx", save_as_external_data=True, location="e.bin", size_threshold=0)
    data = (tmp_path / "e.bin").read_bytes()
    (tmp_path / "e.bin").write_bytes(data[:20])
    assert "are cut short (20 bytes" in _refused(tmp_path / "e.onnx")


def test_external_weights_are_read_also_through_links(tmp_path: Path) -> None:
    """A Hugging Face cache holds links to blobs in another folder."""
    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshot"
    blobs.mkdir()
    snapshot.mkdir()
    model = onnx.load(cnn(tmp_path / "m.onnx"))
    onnx.save(model, tmp_path / "e.onnx", save_as_external_data=True, location="e.bin", size_threshold=0)
    assert load_target(tmp_path / "e.onnx").answer.classes == 4
    outside = tmp_path / "outside.bin"
    (tmp_path / "e.bin").rename(outside)
    (snapshot / "e.bin").symlink_to(outside)
    (snapshot / "e.onnx").write_bytes((tmp_path / "e.onnx").read_bytes())
    assert "lie outside" in _refused(snapshot / "e.onnx")


def test_sparse_weights_and_compiled_nodes_are_refused(tmp_path: Path) -> None:
    model = onnx.load(cnn(tmp_path / "m.onnx"))
    values = onnx.numpy_helper.from_array(np.ones(1, np.float32), "sparse")
    indices = onnx.numpy_helper.from_array(np.zeros(1, np.int64), "i")
    model.graph.sparse_initializer.append(onnx.helper.make_sparse_tensor(values, indices, [4]))
    (tmp_path / "s.onnx").write_bytes(model.SerializeToString())
    assert "sparse weights" in _refused(tmp_path / "s.onnx")
    model = onnx.load(tmp_path / "m.onnx")
    model.graph.node.append(onnx.helper.make_node("EPContext", [], ["z"], domain="com.microsoft"))
    (tmp_path / "p.onnx").write_bytes(model.SerializeToString())
    assert "compiled EPContext node" in _refused(tmp_path / "p.onnx")


def test_a_graph_that_onnxruntime_cannot_run_is_one_line(tmp_path: Path) -> None:
    text = (
        _tail("answer = Unheard (logits)")
        .replace('["" : 17]', '["" : 17, "far" : 1]')
        .replace("Unheard", "far.Unheard")
    )
    assert "onnxruntime cannot run it" in _refused(cnn(tmp_path / "m.onnx", text))
