"""Layers that mean something: which tensors are offered, what they are called, and which one is suggested."""

from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from onnxmint.errors import UsageError
from onnxmint.graph.instrument import GraphPreprocess, Instrumented, instrument
from onnxmint.graph.layer import Layer, choose_layer, choose_layers
from onnxmint.graph.layers import dense_input, list_layers
from onnxmint.graph.load import TargetModel, load_target
from onnxmint.graph.naming import human_names
from onnxmint.graph.serial import serialize
from onnxmint.graph.suggest import ranks, roles
from onnxmint.graph.surgery import expose
from onnxmint.graph.verify import verify_exposed
from tests.graph.texts import CNN, cnn
from tests.models.trial import MODELS

PLAIN = GraphPreprocess(
    height=8, width=8, channels=3, channel_order="rgb", scale=1 / 255, mean=(0.0,) * 3, std=(1.0,) * 3
)
PIXELS = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), np.uint8)


def _all_exposed(target: TargetModel) -> tuple[Layer, ...]:
    layers = list_layers(target)
    for cut in (True, False):
        verify_exposed(target, expose(target, layers, cut=cut), layers, cut=cut)
    return layers


def test_roles_and_ranks() -> None:
    """Two stages, a pooled vector, logits: the deepest map first, then what the dense layer reads, then the logits."""
    places = [256, 256, 64, 64, 1, 1]
    named = roles(places, 4, "logits")
    assert named == ["", "stage", "", "stage", "penultimate", "logits"]
    assert ranks(places, named, [0.1, 0.3, 0.5, 0.9, 1, 1]) == [6, 4, 5, 1, 2, 3]
    assert ranks([1], ["probabilities"], [0]) == [1]
    assert ranks([1, 1], ["", "logits"], [0.5, 1]) == [1, 2]
    assert ranks([16, 1, 1], ["stage", "penultimate", "logits"], [0.1, 1, 1]) == [3, 1, 2]  # a map of hardly anything


VIT = """
<ir_version: 8, opset_import: ["" : 17]>
vit (float[N,3,8,8] image) => (float[N,4] logits)
<float[6,3,4,4] patches, float[1,1,6] token, float[1,{tokens},6] places, float[6] gain, float[6] shift,
 float[6,6] query, float[6,6] keys, float[6,6] seen, float[6,12] wide, float[12,6] narrow, float[6,4] head,
 int64[3] row = {{0, 6, -1}}, int64[3] one = {{-1, 1, 1}}, int64 zero = {{0}}, int64[1] first = {{0}},
 int64[3] ones = {{1, 1, 1}}, int64[1] axis = {{1}}>
{{
  map = Conv <strides=[4,4]> (image, patches)
  columns = Reshape (map, row)
  rows = Transpose <perm=[0,2,1]> (columns)
  {begin}
  embedded = Add (all, places)
  norm1 = LayerNormalization (embedded, gain, shift)
  q = MatMul (norm1, query)
  k = MatMul (norm1, keys)
  kt = Transpose <perm=[0,2,1]> (k)
  score = MatMul (q, kt)
  weight = Softmax (score)
  v = MatMul (norm1, seen)
  mixed = MatMul (weight, v)
  attended = Add (embedded, mixed)
  norm2 = LayerNormalization (attended, gain, shift)
  up = MatMul (norm2, wide)
  active = Relu (up)
  down = MatMul (active, narrow)
  block = Add (attended, down)
  last = LayerNormalization (block, gain, shift)
  {end}
  logits = MatMul (vector, head)
}}
"""
WITH_TOKEN = """size = Shape (image)
  batch = Slice (size, first, axis)
  many = Concat <axis=0> (batch, axis, axis)
  tokens = Expand (token, many)
  all = Concat <axis=1> (tokens, rows)"""
FIRST = {
    "gathered": "vector = Gather <axis=1> (last, zero)",
    "sliced": "cut = Slice (last, first, axis, axis) vector = Squeeze (cut, axis)",
}


@pytest.mark.parametrize("end", FIRST)
def test_a_class_token_is_seen_and_kept_apart(tmp_path: Path, end: str) -> None:
    text = VIT.format(tokens=5, begin=WITH_TOKEN, end=FIRST[end])
    target = load_target(cnn(tmp_path / "m.onnx", text))
    layers = _all_exposed(target)
    assert [layer.tensor for layer in layers] == ["map", "embedded", "attended", "last", "vector", "logits"]
    assert [layer.kind for layer in layers] == ["map", "tokens", "tokens", "tokens", "vector", "vector"]
    assert all(layer.class_token and layer.layout == "NTC" for layer in layers if layer.kind == "tokens")
    assert choose_layer(layers, "auto").tensor == "last"
    assert choose_layer(layers, "penultimate").tensor == "vector"
    made, plain = (
        instrument(target, [choose_layer(layers, "last")], PLAIN, pool=None, joined=joined) for joined in (True, False)
    )
    assert made.activation_shapes == plain.activation_shapes == dict.fromkeys(made.activations, (12,))
    found = _given(made)
    tokens = _values(target, "last")
    np.testing.assert_allclose(
        found, np.concatenate([tokens[:, 0], tokens[:, 1:].mean(1)], axis=1), rtol=1e-4, atol=1e-5
    )


def test_without_a_class_token_all_tokens_are_averaged(tmp_path: Path) -> None:
    text = VIT.format(tokens=4, begin="all = Identity (rows)", end="vector = ReduceMean <axes=[1], keepdims=0> (last)")
    target = load_target(cnn(tmp_path / "m.onnx", text))
    layers = _all_exposed(target)
    layer = choose_layer(layers, "auto")
    assert (layer.tensor, layer.class_token) == ("last", False)
    made = instrument(target, [layer], PLAIN, pool=None)
    found = _given(made)
    np.testing.assert_allclose(found, _values(target, "last").mean(1), rtol=1e-4, atol=1e-5)


def test_tokens_with_channels_first_are_turned(tmp_path: Path) -> None:
    text = CNN.replace(
        "mean = GlobalAveragePool (relu2)\n  flat = Flatten (mean)",
        """
  row = Reshape (relu2, to_row)
  mixed = MatMul (row, mix)
  act = Relu (mixed)
  flat = ReduceMean <axes=[2], keepdims=0> (act)""",
    )
    text = text.replace("float[6,4] w3>", "float[6,4] w3, int64[3] to_row = {0, 6, 64}, float[64,9] mix>")
    target = load_target(cnn(tmp_path / "m.onnx", text))
    layer = choose_layer(_all_exposed(target), "act")
    assert (layer.kind, layer.layout, layer.shape) == ("tokens", "NCT", (6, 9))
    made = instrument(target, [layer], PLAIN, pool=None)
    found = _given(made)
    np.testing.assert_allclose(found, _values(target, "act").mean(2), rtol=1e-4, atol=1e-5)


def _given(made: Instrumented) -> np.ndarray:
    """Return the one activation that a prepared graph gives out."""
    session = onnxruntime.InferenceSession(serialize(made.model))
    (found,) = session.run(list(made.activations.values()), {"image": PIXELS})
    assert isinstance(found, np.ndarray)
    return found


def _values(target: TargetModel, tensor: str) -> np.ndarray:
    cut = serialize(expose(target, [choose_layer(list_layers(target), tensor)], cut=True))
    images = np.ascontiguousarray((PIXELS.astype(np.float32) / 255).transpose(0, 3, 1, 2))
    values: np.ndarray = onnxruntime.InferenceSession(cut).run(None, {"image": images})[0]
    return values


def test_gates_written_out_are_one_layer(tmp_path: Path) -> None:
    """SiLU and GELU as exporters write them: what is offered is what comes out of the gate."""
    gate = "s = Sigmoid (conv1) relu1 = Mul (conv1, s)"
    gelu = "a = Div (conv2, root) e = Erf (a) b = Add (e, one) c = Mul (conv2, b) relu2 = Mul (c, half)"
    text = CNN.replace("relu1 = Relu (conv1)", gate).replace("relu2 = Relu (conv2)", gelu)
    text = text.replace("float[6,4] w3>", "float[6,4] w3, float root = {1.414}, float one = {1.0}, float half = {0.5}>")
    layers = _all_exposed(load_target(cnn(tmp_path / "m.onnx", text)))
    assert [layer.tensor for layer in layers] == ["relu1", "relu2", "flat", "logits"]


def test_activations_between_transpositions_are_one_layer(tmp_path: Path) -> None:
    """Keras on torch turns maps to channels last for every activation, and back."""
    turned = "t = Transpose <perm=[0,2,3,1]> (conv2) r = Relu (t) relu2 = Transpose <perm=[0,3,1,2]> (r)"
    layers = _all_exposed(load_target(cnn(tmp_path / "m.onnx", CNN.replace("relu2 = Relu (conv2)", turned))))
    assert [(layer.tensor, layer.layout) for layer in layers[:2]] == [("relu1", "NCHW"), ("r", "NHWC")]


def test_a_normalised_image_is_no_layer(tmp_path: Path) -> None:
    text = CNN.replace("(image, w1, b1)", "(d, w1, b1)").replace("{\n", "{\n  s = Sub (image, m) d = Div (s, m)\n", 1)
    text = text.replace("float[6,4] w3>", "float[6,4] w3, float[3,1,1] m>")
    assert list_layers(load_target(cnn(tmp_path / "m.onnx", text)))[0].tensor == "relu1"


@pytest.mark.parametrize("inner", [False, True])
def test_tensors_inside_local_functions_are_layers(tmp_path: Path, inner: bool) -> None:
    model = onnx.load(cnn(tmp_path / "m.onnx"))
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    body = [helper.make_node("Conv", ["x", "w"], ["c"], pads=[1] * 4), helper.make_node("Relu", ["c"], ["y"])]
    outer = [helper.make_node("stage", ["x", "w"], ["y"], domain="own")]
    model.functions.append(helper.make_function("own", "stage", ["x", "w"], ["y"], body, imports))
    model.functions.append(helper.make_function("own", "net", ["x", "w"], ["y"], outer, imports))
    del model.graph.node[2:4]
    model.graph.node.insert(2, helper.make_node("net" if inner else "stage", ["relu1", "w2"], ["relu2"], domain="own"))
    model.opset_import.append(helper.make_opsetid("own", 1))
    onnx.save(model, tmp_path / "m.onnx")
    layers = _all_exposed(load_target(tmp_path / "m.onnx"))
    assert [layer.op for layer in layers] == ["Relu", "Relu", "Flatten", "MatMul"]


def _quantised(path: Path, *, zero_points: bool = True) -> Path:
    """Write a network of whole numbers: QLinearConv twice, pooling, a dense layer in floats."""
    rng = np.random.default_rng(0)
    tensors = {
        "s": np.float32(0.02), "z": np.uint8(120 if zero_points else 0), "ws": np.float32(0.01), "wz": np.int8(0),
        "w1": rng.integers(-100, 100, (5, 3, 3, 3), np.int8), "w2": rng.integers(-100, 100, (6, 5, 3, 3), np.int8),
        "w3": rng.normal(size=(6, 4)).astype(np.float32),
    }  # fmt: skip
    conv = {"pads": [1, 1, 1, 1]}
    nodes = [
        helper.make_node("QuantizeLinear", ["image", "s", "z"], ["q"]),
        helper.make_node("QLinearConv", ["q", "s", "z", "w1", "ws", "wz", "s", "z"], ["c1"], "conv1", **conv),
        helper.make_node("MaxPool", ["c1"], ["p1"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("QLinearConv", ["p1", "s", "z", "w2", "ws", "wz", "s", "z"], ["c2"], "conv2", **conv),
        helper.make_node("DequantizeLinear", ["c2", "s", "z"], ["d"]),
        helper.make_node("ReduceMean", ["d"], ["m"], axes=[2, 3], keepdims=0),
        helper.make_node("MatMul", ["m", "w3"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "quantised",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, 8, 8])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 4])],
        [numpy_helper.from_array(value, name) for name, value in tensors.items()],
    )
    onnx.save(helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)]), path)
    return path


@pytest.mark.parametrize("zero_points", [True, False])
def test_whole_numbers_are_exposed_as_what_they_stand_for(tmp_path: Path, zero_points: bool) -> None:
    target = load_target(_quantised(tmp_path / "m.onnx", zero_points=zero_points))
    layers = _all_exposed(target)
    assert [layer.tensor for layer in layers] == ["c1", "p1", "d", "m", "logits"]
    assert [layer.dtype for layer in layers] == ["float32"] * 5
    assert layers[0].quantised == layers[1].quantised == ("s", "z")
    pooled = expose(target, [layers[1]], cut=True, pool=(2, 2), dtype="float16")
    verify_exposed(target, pooled, [layers[1]], cut=True, pool=(2, 2), dtype="float16")
    made = instrument(target, layers, PLAIN, pool=None)
    found = onnxruntime.InferenceSession(serialize(made.model)).run(list(made.activations.values()), {"image": PIXELS})
    assert all(value.dtype == np.float32 for value in found)


def test_several_layers_are_read_as_one(tmp_path: Path) -> None:
    target = load_target(cnn(tmp_path / "m.onnx"))
    layers = list_layers(target)
    maps, mixed = choose_layers(layers, ("relu1", "relu2")), choose_layers(layers, ("relu2", "penultimate", "relu2"))
    assert [layer.tensor for layer in mixed] == ["relu2", "flat"]
    separate = instrument(target, layers, PLAIN, pool=None)
    values = dict(
        zip(
            separate.activations,
            onnxruntime.InferenceSession(serialize(separate.model)).run(
                list(separate.activations.values()), {"image": PIXELS}
            ),
            strict=True,
        )
    )
    for wanted, shape in ((maps, (11, 8, 8)), (mixed, (12,))):
        made = instrument(target, wanted, PLAIN, pool=None, joined=True)
        ((name, output),) = made.activations.items()
        assert name == " + ".join(layer.name for layer in wanted)
        assert made.activation_shapes[name] == shape
        found = onnxruntime.InferenceSession(serialize(made.model)).run([output], {"image": PIXELS})[0]
        parts = [values[layer.name] for layer in wanted]
        if len(shape) == 1:
            parts = [part.mean(axis=(2, 3)) if part.ndim == 4 else part for part in parts]
        np.testing.assert_allclose(found, np.concatenate(parts, axis=1), rtol=1e-5, atol=1e-6)


def test_trees_have_no_penultimate_layer() -> None:
    alone = Layer(
        index=0, name="trees", tensor="p", op="TreeEnsembleClassifier", shape=(4,), dtype="float32", depth=0, macs=0,
        bytes=16, kind="vector", layout="", role="probabilities", rank=1,
    )  # fmt: skip
    with pytest.raises(UsageError, match="no layer 'penultimate': 'trees' is all that this model shows of an image"):
        choose_layer([alone], "penultimate")
    assert choose_layer([alone], "auto") is choose_layer([alone], "logits") is alone


@pytest.mark.parametrize(
    ("node", "weight", "scopes", "expected"),
    [
        ("/stage/stage.0/conv/Conv", "onnx::Conv_37", None, "stage.0.conv.conv"),
        ("model/conv_a/convolution", "k", None, "model.conv_a.convolution"),
        ("Conv.0", "conv2d_0.w_0", None, "conv2d_0"),
        ("node_Conv_3", "layer1.weight", "['', 'layer1', 'layer1.conv', 'conv2d']", "layer1.conv"),
        ("Conv_12", "39", None, "conv1"),
        ("node_Conv_3", "w", "import os", "conv1"),
    ],
)
def test_names_by_exporter(node: str, weight: str, scopes: str | None, expected: str) -> None:
    weights = ir.Value(name=weight, const_value=ir.tensor(np.ones((1, 1, 1, 1), np.float32)))
    made = ir.node("Conv", [ir.Value(name="x"), weights], name=node)
    graph = ir.Graph([], [], nodes=[made], initializers=[weights])
    assert len(graph) == 1
    if scopes is not None:
        made.metadata_props["pkg.torch.onnx.name_scopes"] = scopes
    assert human_names([made.outputs[0]]) == [expected]


def test_activations_are_called_by_the_weights_before_them(tmp_path: Path) -> None:
    text = CNN.replace("w1", '"block.conv1.weight"').replace("(relu1, w2)", "(relu1, w2)")
    text = text.replace("relu1 = Relu (conv1)", "half = Mul (conv1, two) relu1 = Relu (half)")
    text = text.replace("float[6,4] w3>", "float[6,4] w3, float two = {2.0}>")
    layers = list_layers(load_target(cnn(tmp_path / "m.onnx", text)))
    assert [layer.name for layer in layers[:2]] == ["block.conv1.relu", "relu2"]
    residual = text.replace("relu1 = Relu (half)", "sum = Add (half, conv1) relu1 = Relu (sum)")
    layers = list_layers(load_target(cnn(tmp_path / "m.onnx", residual)))
    assert layers[0].name == "relu1"


@pytest.mark.parametrize(
    "name", ["torch-script-resnet", "int8-dynamic-cnn", "int8-dynamic-vit", "int8-qdq", "int8-qoperator"]
)
def test_the_last_dense_layer_reads_the_penultimate_one(name: str) -> None:
    """Also where its product is of whole numbers."""
    target = load_target(MODELS / f"{name}.onnx")
    assert dense_input(target) == choose_layer(list_layers(target), "penultimate").tensor


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("logits = MatMul (flat, w3)", "last = MatMul (flat, w3)  logits = Relu (last)"),
        ("logits = MatMul (flat, w3)", "last = MatMul (flat, w3)  side = MatMul (flat, w3)  logits = Add (last, side)"),
    ],
)
def test_logits_that_come_not_straight_from_a_dense_layer_have_no_input(tmp_path: Path, old: str, new: str) -> None:
    assert dense_input(load_target(cnn(tmp_path / "plain.onnx"))) == "flat"
    assert dense_input(load_target(cnn(tmp_path / "m.onnx", CNN.replace(old, new)))) is None
