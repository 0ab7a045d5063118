"""The twin has the target's shape and weights, and says something else."""

from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest

from onnxmint.graph.load import load_target
from onnxmint.graph.placebo import placebo_twin
from onnxmint.graph.serial import serialize
from tests.graph.texts import CNN, cnn


def _weights(model: ir.Model) -> dict[str, np.ndarray]:
    return {name: value.const_value.numpy() for name, value in model.graph.initializers.items() if value.const_value}


def test_the_twin_has_the_same_weights_in_another_order(tmp_path: Path) -> None:
    model = load_target(cnn(tmp_path / "m.onnx")).model
    before = {name: weights.copy() for name, weights in _weights(model).items()}
    twin = placebo_twin(model, seed=3)
    moved = 0
    for name, weights in _weights(twin).items():
        assert weights.shape == before[name].shape
        np.testing.assert_array_equal(np.sort(weights.ravel()), np.sort(before[name].ravel()))
        moved += int((weights != before[name]).any())
        np.testing.assert_array_equal(_weights(model)[name], before[name])
    assert moved


def test_the_twin_runs_and_answers_differently(tmp_path: Path) -> None:
    target = load_target(cnn(tmp_path / "m.onnx"))
    image = np.random.default_rng(0).random((2, 3, 8, 8), np.float32)
    said, again, other = (
        onnxruntime.InferenceSession(serialize(model)).run(None, {"image": image})[0]
        for model in (placebo_twin(target.model), placebo_twin(target.model), placebo_twin(target.model, seed=1))
    )
    np.testing.assert_array_equal(said, again)
    assert (said != other).any()
    assert (said != onnxruntime.InferenceSession(serialize(target.model)).run(None, {"image": image})[0]).any()


def test_on_a_third_party_model_whole_numbers_stay(shared: Path) -> None:
    target = load_target(shared / "models" / "cifar10-large-nhwc.onnx")
    twin = placebo_twin(target.model)
    for name, value in target.model.graph.initializers.items():
        if value.const_value is not None and value.const_value.dtype == ir.DataType.INT64:
            np.testing.assert_array_equal(twin.graph.initializers[name].const_value.numpy(), value.const_value.numpy())
    image = np.random.default_rng(0).random((1, 32, 32, 3), np.float32)
    answer = onnxruntime.InferenceSession(serialize(twin)).run(None, {target.input.name: image})[0]
    assert answer.shape == (1, 10)
    assert np.isfinite(answer).all()


def _quantised(folder: Path) -> Path:
    """Write a classifier with int8 weights, dequantised inside."""
    text = CNN.replace("relu1 = Relu (conv1)", "relu1 = Relu (conv1) w2 = DequantizeLinear <axis=0> (q2, s2, z2)")
    text = text.replace("float[6,5,3,3] w2,", "float[6] s2 = {0.1, 0.2, 0.3, 0.4, 0.5, 0.6},")
    model = onnx.parser.parse_model(text)
    rng = np.random.default_rng(0)
    for declared in model.graph.value_info:
        shape = tuple(size.dim_value for size in declared.type.tensor_type.shape.dim)
        model.graph.initializer.append(
            onnx.numpy_helper.from_array(rng.normal(size=shape).astype(np.float32), declared.name)
        )
    del model.graph.value_info[:]
    whole = {"q2": rng.integers(-100, 100, (6, 5, 3, 3), np.int8), "z2": np.array([1, 2, 3, 4, 5, 6], np.int8)}
    model.graph.initializer.extend(onnx.numpy_helper.from_array(value, name) for name, value in whole.items())
    onnx.save(model, folder / "q.onnx")
    return folder / "q.onnx"


def test_weights_of_whole_numbers_are_shuffled_and_zero_points_are_not(tmp_path: Path) -> None:
    model = load_target(_quantised(tmp_path)).model
    before, after = _weights(model), _weights(placebo_twin(model))
    assert (after["q2"] != before["q2"]).any()
    np.testing.assert_array_equal(np.sort(after["q2"].ravel()), np.sort(before["q2"].ravel()))
    np.testing.assert_array_equal(after["z2"], before["z2"])
    assert after["q2"].dtype == np.int8


def test_sizes_are_no_weights(tmp_path: Path) -> None:
    text = CNN.replace("mean = Glob", 'up = Resize <mode="nearest"> (relu2, , scales) mean = Glob').replace(
        "(relu2)\n  f", "(up)\n  f"
    )
    text = text.replace("float[6,4] w3>", "float[6,4] w3, float[4] scales = {1.0, 1.0, 2.0, 3.0}>")
    target = load_target(cnn(tmp_path / "m.onnx", text))
    np.testing.assert_array_equal(_weights(placebo_twin(target.model))["scales"], [1, 1, 2, 3])


def test_trees_keep_their_shape_and_lose_what_they_learned() -> None:
    """Thresholds stay at branches, whole leaves move among leaves that speak of the same classes."""
    node = ir.node(
        "TreeEnsembleClassifier",
        [ir.Value(name="x")],
        attributes={
            "nodes_modes": ["BRANCH_LEQ", "BRANCH_LEQ", "LEAF", "LEAF", "LEAF"] * 3,
            "nodes_values": [float(k) if k % 5 < 2 else 0.0 for k in range(15)],
            "class_treeids": [k // 6 for k in range(18)],
            "class_nodeids": [2 + k // 2 % 3 for k in range(18)],
            "class_ids": [k % 2 for k in range(18)],
            "class_weights": [value for k in range(9) for value in (k / 10, 1 - k / 10)],
        },
        domain="ai.onnx.ml",
    )
    graph = ir.Graph([node.inputs[0]], node.outputs, nodes=[node], opset_imports={"ai.onnx.ml": 3})
    twin = next(iter(placebo_twin(ir.Model(graph, ir_version=8)).graph))
    values = np.array(twin.attributes["nodes_values"].as_floats())
    assert not values[[k for k in range(15) if k % 5 >= 2]].any()
    assert sorted(values) == sorted(node.attributes["nodes_values"].as_floats())
    leaves = np.array(twin.attributes["class_weights"].as_floats()).reshape(9, 2)
    before = np.array(node.attributes["class_weights"].as_floats()).reshape(9, 2)
    assert (leaves != before).any()
    np.testing.assert_allclose(leaves.sum(axis=1), 1)
    assert sorted(map(tuple, leaves)) == sorted(map(tuple, before))


def test_the_newer_trees_are_shuffled_too() -> None:
    weights = {"nodes_splits": np.arange(5, dtype=np.float32), "leaf_weights": np.arange(8, dtype=np.float32)}
    node = ir.node(
        "TreeEnsemble",
        [ir.Value(name="x")],
        attributes={name: ir.tensor(value) for name, value in weights.items()} | {"leaf_targetids": [0, 1] * 4},
        domain="ai.onnx.ml",
    )
    graph = ir.Graph([node.inputs[0]], node.outputs, nodes=[node], opset_imports={"ai.onnx.ml": 5})
    twin = next(iter(placebo_twin(ir.Model(graph, ir_version=8), seed=1).graph))
    for name, before in weights.items():
        after = twin.attributes[name].as_tensor().numpy()
        assert (after != before).any()
        np.testing.assert_array_equal(np.sort(after), before)
    leaves = twin.attributes["leaf_weights"].as_tensor().numpy()
    np.testing.assert_array_equal(leaves % 2, [0, 1] * 4)


@pytest.mark.parametrize(("op", "name"), [("LinearClassifier", "coefficients"), ("SVMClassifier", "support_vectors")])
def test_other_classical_models_are_shuffled(op: str, name: str) -> None:
    numbers = [float(k) for k in range(20)]
    node = ir.node(op, [ir.Value(name="x")], attributes={name: numbers}, domain="ai.onnx.ml")
    graph = ir.Graph([node.inputs[0]], node.outputs, nodes=[node], opset_imports={"ai.onnx.ml": 1})
    twin = next(iter(placebo_twin(ir.Model(graph, ir_version=8)).graph))
    after = list(twin.attributes[name].as_floats())
    assert after != numbers
    assert sorted(after) == numbers


@pytest.mark.parametrize("as_tensor", [True, False])
def test_trees_of_both_forms_are_shuffled(tmp_path: Path, as_tensor: bool) -> None:
    """Since ai.onnx.ml 3 thresholds and leaves may be tensors, of doubles."""
    thresholds, weights = [0.5, 0.25, 0.75, 0.0, 0.0, 0.0, 0.0], [0.9, 0.1, 0.2, 0.8, 0.6, 0.4, 0.3, 0.7]
    numbers = {"nodes_values": thresholds, "class_weights": weights}
    if as_tensor:
        kind = onnx.TensorProto.DOUBLE
        numbers = {
            f"{name}_as_tensor": onnx.helper.make_tensor(name, kind, [len(held)], held)
            for name, held in numbers.items()
        }
    trees = onnx.helper.make_node(
        "TreeEnsembleClassifier", ["x"], ["label", "p"], domain="ai.onnx.ml", **numbers,
        nodes_treeids=[0] * 7, nodes_nodeids=list(range(7)), nodes_featureids=[3, 1, 2, 0, 0, 0, 0],
        nodes_modes=["BRANCH_LEQ"] * 3 + ["LEAF"] * 4, nodes_truenodeids=[1, 3, 5, 0, 0, 0, 0],
        nodes_falsenodeids=[2, 4, 6, 0, 0, 0, 0], class_treeids=[0] * 8, class_nodeids=[3, 3, 4, 4, 5, 5, 6, 6],
        class_ids=[0, 1] * 4, classlabels_int64s=[0, 1], post_transform="NONE",
    )  # fmt: skip
    of = onnx.helper.make_tensor_value_info
    kind = onnx.TensorProto.DOUBLE if as_tensor else onnx.TensorProto.FLOAT
    graph = onnx.helper.make_graph(
        [trees], "trees", [of("x", kind, ["N", 64])],
        [of("label", onnx.TensorProto.INT64, ["N"]), of("p", onnx.TensorProto.FLOAT, ["N", 2])],
    )  # fmt: skip
    domains = [onnx.helper.make_opsetid("ai.onnx.ml", 3), onnx.helper.make_opsetid("", 17)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=domains, ir_version=8), tmp_path / "t.onnx")
    target = load_target(tmp_path / "t.onnx")
    assert target.answer.kind == "probabilities"
    rows = np.random.default_rng(0).random((50, 64)).astype(target.input.dtype)
    before, after = (
        onnxruntime.InferenceSession(serialize(model)).run(["p"], {"x": rows})[0]
        for model in (target.model, placebo_twin(target.model, seed=1))
    )
    assert (before != after).any()
    leaves = np.reshape(weights, (-1, 2))  # move as a whole
    assert (np.abs(after[:, np.newaxis] - leaves).max(axis=2).min(axis=1) < 1e-6).all()
