"""Files that declare more than can be worked on are refused at once, in one line."""

import time
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from onnxmint.errors import ModelError
from onnxmint.graph.layers import list_layers
from onnxmint.graph.load import load_target
from tests.graph.texts import CNN, cnn, save


def _chain(path: Path, count: int) -> Path:
    """Write a graph of a product and so many other nodes in a row."""
    nodes = [helper.make_node("Flatten", ["image"], ["f"]), helper.make_node("MatMul", ["f", "w"], ["n0"])]
    nodes += [helper.make_node("Neg", [f"n{k}"], [f"n{k + 1}"]) for k in range(count - 3)]
    nodes.append(helper.make_node("Identity", [f"n{count - 3}"], ["logits"]))
    weights = np.random.default_rng(0).normal(size=(192, 4)).astype(np.float32)
    graph = helper.make_graph(
        nodes,
        "chain",
        [helper.make_tensor_value_info("image", 1, ["N", 3, 8, 8])],
        [helper.make_tensor_value_info("logits", 1, ["N", 4])],
        [onnx.numpy_helper.from_array(weights, "w")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def _doubling(path: Path, depth: int) -> Path:
    """Put 2^depth activations into a graph, by functions that call the next one twice."""
    model = onnx.load(cnn(path))
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("bomb", 1)]
    for level in range(depth):
        kind, domain = (f"f{level + 1}", "bomb") if level + 1 < depth else ("Relu", "")
        nodes = [helper.make_node(kind, [x], [y], domain=domain) for x, y in (("x", "h"), ("h", "y"))]
        model.functions.append(helper.make_function("bomb", f"f{level}", ["x"], ["y"], nodes, imports))
    model.graph.node[1].op_type, model.graph.node[1].domain = "f0", "bomb"
    model.opset_import.append(helper.make_opsetid("bomb", 1))
    onnx.save(model, path)
    return path


def _refused(path: Path) -> str:
    began = time.monotonic()
    with pytest.raises(ModelError) as caught:
        load_target(path)
    assert time.monotonic() - began < 10
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_long_chain_is_worked_on(tmp_path: Path) -> None:
    assert len(list_layers(load_target(_chain(tmp_path / "m.onnx", 2000)))) == 2


def test_a_chain_of_more_nodes_than_can_be_worked_on_is_refused(tmp_path: Path) -> None:
    message = _refused(_chain(tmp_path / "m.onnx", 20_000))
    assert message.endswith("would expand to 20,000 nodes (allowed 15,000); this is no image classifier")


@pytest.mark.parametrize(
    ("depth", "message"),
    [
        (12, "calls function 'f11' 2,048 times; export it with the function written out"),
        (13, "to write its functions out 16,389 nodes are copied (allowed 15,000)"),
        (18, "would expand to 262,150 nodes (allowed 15,000)"),
    ],
)
def test_functions_that_double_are_refused(tmp_path: Path, depth: int, message: str) -> None:
    assert message in _refused(_doubling(tmp_path / "m.onnx", depth))


def test_functions_that_double_a_few_times_are_written_out(tmp_path: Path) -> None:
    target = load_target(_doubling(tmp_path / "m.onnx", 5))
    assert sum(node.op_type == "Relu" for node in target.model.graph) == 2**5 + 1


def test_more_tensors_than_nodes_could_use_are_refused(tmp_path: Path) -> None:
    model = onnx.load(cnn(tmp_path / "m.onnx"))
    model.graph.initializer.extend(helper.make_tensor(f"t{number}", 1, [1], [0.0]) for number in range(200_001))
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    assert "declares 200,007 tensors (allowed 200,000)" in _refused(tmp_path / "m.onnx")


@pytest.mark.parametrize(
    "sizes",
    ["[N,3,12000,12000]", "[1,3,9000,9000]", "[N,3,4611686018427387904,4611686018427387904]", "[2147483648,3,8,8]"],
)
def test_images_that_nobody_can_make_are_refused(tmp_path: Path, sizes: str) -> None:
    text = CNN.replace("float[N,3,8,8]", f"float{sizes}")
    message = _refused(cnn(tmp_path / "m.onnx", text))
    assert "GB), and no more than 0.2 GB are tried: export it with a smaller batch or image" in message


def test_rows_that_nobody_can_make_are_refused(tmp_path: Path) -> None:
    text = """
    <ir_version: 8, opset_import: ["" : 17]>
    rows (float[N,100000000] image) => (float[N,1] y) { y = ReduceMean <axes=[1]> (image) }
    """
    assert "takes batches of 2 x 100000000 numbers (0.8 GB), and no more than 0.2 GB" in _refused(
        save(text, tmp_path / "m.onnx")
    )


def test_a_large_fixed_batch_is_freed_by_a_part_of_it(tmp_path: Path) -> None:
    """Three batches of it would be more than is tried."""
    text = CNN.replace("float[N,3,8,8]", "float[100000,3,8,8]").replace("float[N,4]", "float[100000,4]")
    target = load_target(cnn(tmp_path / "m.onnx", text))
    assert (target.input.batch, target.input.mixes) == (100_000, False)


def test_more_classes_than_can_be_audited_are_refused(tmp_path: Path) -> None:
    text = CNN.replace("logits = MatMul (flat, w3)", "l = MatMul (flat, w3)  logits = Tile (l, times)")
    text = text.replace("float[6,4] w3>", "float[6,4] w3, int64[2] times = {1, 75000}>").replace(
        "float[N,4]", "float[N,C]"
    )
    assert "its output 'logits' tells 300,000 classes apart, and at most 250,000 can be audited" in _refused(
        cnn(tmp_path / "m.onnx", text)
    )


def test_a_compiled_node_in_a_function_is_refused(tmp_path: Path) -> None:
    model = onnx.load(cnn(tmp_path / "m.onnx"))
    node = helper.make_node("EPContext", [], ["y"], domain="com.microsoft")
    model.functions.append(
        helper.make_function("own", "F", [], ["y"], [node], [helper.make_opsetid("com.microsoft", 1)])
    )
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    assert "compiled EPContext node" in _refused(tmp_path / "m.onnx")


def test_weights_of_one_axis_are_no_convolution(tmp_path: Path) -> None:
    model = onnx.load(cnn(tmp_path / "m.onnx"))
    model.graph.initializer[0].dims[:] = [5 * 3 * 3 * 3]
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    assert "onnxruntime cannot run it" in _refused(tmp_path / "m.onnx")


def test_an_image_of_which_only_the_size_is_read_has_one_layer(tmp_path: Path) -> None:
    text = """
    <ir_version: 8, opset_import: ["" : 17]>
    size (float[N,3,8,8] image) => (float[N,4] logits) <float[4,4] w>
    { s = Shape (image)  z = ConstantOfShape (s)  m = ReduceMean <axes=[2,3], keepdims=0> (z)
      n = Slice (s, start, end)  four = Concat <axis=0> (n, last)  e = ConstantOfShape (four)  logits = MatMul (e, w) }
    """
    text = text.replace("<float[4,4] w>", "<float[4,4] w, int64[1] start={0}, int64[1] end={1}, int64[1] last={4}>")
    assert "no tensor between image and answer" in _unlisted(cnn(tmp_path / "m.onnx", text))


def _unlisted(path: Path) -> str:
    target = load_target(path)
    with pytest.raises(ModelError) as caught:
        list_layers(target)
    return str(caught.value)
