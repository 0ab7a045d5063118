"""No stricter than the runtime: what files say carelessly is read as onnxruntime reads it, and a note says so."""

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import helper

from onnxmint.errors import ModelError
from onnxmint.graph.instrument import GraphPreprocess, instrument
from onnxmint.graph.layer import choose_layer
from onnxmint.graph.layers import list_layers
from onnxmint.graph.load import TargetModel, load_target
from onnxmint.graph.merge import append_module
from onnxmint.graph.running import run_once
from onnxmint.graph.serial import serialize
from onnxmint.graph.surgery import expose
from onnxmint.graph.verify import verify_exposed
from onnxmint.graph.views import VIEW_SETS
from tests.graph.texts import CNN, cnn

PIXELS = GraphPreprocess(
    height=8, width=8, channels=3, channel_order="rgb", scale=1 / 255, mean=(0.0,) * 3, std=(1.0,) * 3
)
IMAGES = np.random.default_rng(0).random((2, 3, 8, 8), np.float32)
Edit = Callable[[onnx.ModelProto], object]


def _edited(path: Path, edit: Edit, text: str = CNN) -> Path:
    model = onnx.load(cnn(path, text))
    edit(model)
    path.write_bytes(model.SerializeToString())
    return path


def _runtime(path: Path) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(path, options)
    shape = session.get_inputs()[0].shape
    found: np.ndarray = session.run(None, {"image": IMAGES[:1] if shape[0] == 1 else IMAGES})[0]
    return found


def _as_good_as_any(target: TargetModel, expected: np.ndarray) -> None:
    """Hold it against onnxruntime's own answer, tap and cut it, and make an auditor of it."""
    images = IMAGES[: target.input.batch]
    found = run_once(target.model, {"image": images}, [target.answer.tensor], "m", optimise=True)
    np.testing.assert_allclose(found[target.answer.tensor], expected, atol=1e-5)
    layers = list_layers(target)
    for cut in (False, True):
        exposed = expose(target, [choose_layer(layers, "auto")], cut=cut)
        assert verify_exposed(target, exposed, [choose_layer(layers, "auto")], cut=cut)
        onnx.checker.check_model(onnx.load_model_from_string(serialize(exposed)), full_check=True)
    _auditor(target, layers[-1].name)


def _auditor(target: TargetModel, layer: str) -> None:
    prepared = instrument(target, [choose_layer(list_layers(target), layer)], PIXELS, pool=None)
    width = prepared.activation_shapes[layer][0]
    module = onnx.parser.parse_model(f"""
        <ir_version: 8, opset_import: ["" : {target.opset}]>
        head (float[N,{width}] activation) => (float[N] score)
        <int64[1] flat = {{-1}}, float[{width},1] w = {{{",".join(["0.5"] * width)}}}>
        {{ column = MatMul (activation, w)  score = Reshape (column, flat) }}""")
    known = [np.arange(3, dtype=np.float32)]
    merged = append_module(
        prepared, module.SerializeToString(), activation=prepared.activations[layer], known=known, metadata={}
    )
    count = 1 if target.input.mixes else 3
    pixels = np.random.default_rng(0).integers(0, 256, (count, 8, 8, 3), np.uint8)
    score, answer = onnxruntime.InferenceSession(serialize(merged)).run(["score", "answer"], {"image": pixels})
    assert (score.shape, answer.shape) == ((count,), (count, 4))


def _reversed(model: onnx.ModelProto) -> None:
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(nodes[::-1])


def _gelu(model: onnx.ModelProto) -> None:
    model.graph.node[1].op_type, model.graph.node[1].domain = "Gelu", "com.microsoft"


def _scaler(model: onnx.ModelProto) -> None:
    model.graph.node[-1].output[0] = "scores"
    node = helper.make_node("Scaler", ["scores"], ["logits"], domain="ai.onnx.ml", offset=[0.5], scale=[2.0])
    model.graph.node.append(node)


def _only_the_others(model: onnx.ModelProto) -> None:
    _gelu(model)
    model.opset_import[0].CopyFrom(helper.make_opsetid("com.microsoft", 1))


def _twice(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(model.graph.initializer[0])
    for value in "ab":
        model.metadata_props.add(key="k", value=value)


def _declared(*sizes: int | str) -> Edit:
    def edit(model: onnx.ModelProto) -> None:
        model.graph.output[0].CopyFrom(helper.make_tensor_value_info("logits", 1, sizes))

    return edit


def _in_function(version: int) -> Edit:
    """Put the first activation into a function of another opset."""

    def edit(model: onnx.ModelProto) -> None:
        body = [helper.make_node("Relu", ["x"], ["y"])]
        imports = [helper.make_opsetid("", version)]
        model.functions.append(helper.make_function("own", "Act", ["x"], ["y"], body, imports))
        model.graph.node[1].op_type, model.graph.node[1].domain = "Act", "own"
        model.opset_import.append(helper.make_opsetid("own", 1))

    return edit


MENDED: dict[str, tuple[Edit, str]] = {
    "nodes reversed": (_reversed, "The nodes of the file are not in the order of their use: they were sorted."),
    "onnxruntime's domain": (_gelu, "which version of the operators of domain 'com.microsoft' it uses: 1 was taken."),
    "classical domain": (_scaler, "which version of the operators of domain 'ai.onnx.ml' it uses: 3 was taken."),
    "no standard domain": (_only_the_others, "which version of the operators of the standard it uses: 21 was taken."),
    "weights twice": (_twice, "Some weights or metadata are in the file twice: the last of each name was taken."),
    "initialisers no inputs": (
        lambda model: setattr(model, "ir_version", 3),
        "The file is no whole file of its IR version: it was read as of version 4.",
    ),
    "an axis too many": (_declared("N", 4, 1, 1), "'logits' is declared as [N, 4, 1, 1] and was read as [N, 4]."),
    "an axis too few": (_declared("N"), "'logits' is declared as [N] and was read as [N, 4]."),
    "other classes": (_declared("N", 1000), "'logits' is declared as [N, 1000] and was read as [N, 4]."),
    "a function of another opset": (_in_function(15), "which are the same in the graph's version."),
}
UNMENTIONED: dict[str, Edit] = {
    "no name": lambda model: model.graph.ClearField("name"),
    "no shape": lambda model: model.graph.output[0].type.tensor_type.ClearField("shape"),
    "no type": lambda model: model.graph.output[0].ClearField("type"),
    "a batch of one": _declared(1, 4),
    "open classes": _declared("N", "C"),
    "graphs for training": lambda model: model.training_info.add(),
    "nothing": lambda model: None,
}


@pytest.mark.parametrize(("edit", "note"), MENDED.values(), ids=MENDED)
def test_a_careless_file_is_read_with_a_note(tmp_path: Path, edit: Edit, note: str) -> None:
    path = _edited(tmp_path / "m.onnx", edit)
    target = load_target(path)
    (said,) = target.notes
    assert said.endswith(note)
    _as_good_as_any(target, _runtime(path))


@pytest.mark.parametrize("edit", UNMENTIONED.values(), ids=UNMENTIONED)
def test_what_says_less_is_read_without_a_word(tmp_path: Path, edit: Edit) -> None:
    path = _edited(tmp_path / "m.onnx", edit)
    target = load_target(path)
    assert target.notes == ()
    _as_good_as_any(target, _runtime(path))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_any_order_of_nodes_is_the_same_model(tmp_path: Path, seed: int) -> None:
    order = list(range(7))
    random.Random(seed).shuffle(order)

    def shuffle(model: onnx.ModelProto) -> None:
        nodes = list(model.graph.node)
        del model.graph.node[:]
        model.graph.node.extend(nodes[place] for place in order)

    path = _edited(tmp_path / "m.onnx", shuffle)
    target = load_target(path)
    assert bool(target.notes) == (order != sorted(order))
    found = run_once(target.model, {"image": IMAGES}, ["logits"], "m")["logits"]
    np.testing.assert_array_equal(
        found, run_once(cnn(tmp_path / "w.onnx"), {"image": IMAGES}, ["logits"], "m")["logits"]
    )


def test_weights_that_are_there_twice_and_differ_are_refused(tmp_path: Path) -> None:
    """Onnxruntime takes the last of small ones and the first of large ones."""

    def edit(model: onnx.ModelProto) -> None:
        _twice(model)
        model.graph.initializer[0].raw_data = bytes(len(model.graph.initializer[0].raw_data))

    with pytest.raises(ModelError, match=r"m\.onnx: weights 'w1' are there twice, and differ"):
        load_target(_edited(tmp_path / "m.onnx", edit))


def test_names_in_another_encoding_are_read(tmp_path: Path) -> None:
    """Protobuf hands them over as bytes, and onnxruntime never looks at them."""
    path = cnn(tmp_path / "m.onnx", CNN.replace("relu1", "xxxxx").replace("cnn (", "yyy ("))
    path.write_bytes(path.read_bytes().replace(b"xxxxx", b"\xc4\xfcxxx").replace(b"yyy", b"\xfeyy"))
    target = load_target(path)
    assert target.notes == ("Some names in the file are no UTF-8: their bytes were written out.",)
    assert any("\\xc4\\xfcxxx" in (value.name or "") for node in target.model.graph for value in node.outputs)
    _as_good_as_any(target, _runtime(path))


def test_nodes_in_a_circle_are_refused(tmp_path: Path) -> None:
    path = _edited(tmp_path / "m.onnx", lambda model: model.graph.node[0].input.__setitem__(0, "relu2"))
    with pytest.raises(ModelError, match="is not a valid ONNX model: Nodes in a graph must be topologically sorted"):
        load_target(path)


def test_a_constant_that_reads_what_it_makes_is_refused(tmp_path: Path) -> None:
    """Onnxruntime takes a Constant for what it holds, and never looks at what it reads."""

    def edit(model: onnx.ModelProto) -> None:
        weight = model.graph.initializer[2]
        node = helper.make_node("Constant", ["conv2"], ["w2"], value=weight)
        model.graph.initializer.remove(weight)
        model.graph.node.insert(0, node)

    with pytest.raises(ModelError, match=r"is not a valid ONNX model: Value .*conv2.* is an outer-scope value"):
        load_target(_edited(tmp_path / "m.onnx", edit))


def test_a_function_whose_operators_changed_is_refused(tmp_path: Path) -> None:
    """Softmax before opset 13 is another one: onnxruntime runs it, and no file of one opset can hold both."""
    edit = _in_function(9)

    def softmax(model: onnx.ModelProto) -> None:
        edit(model)
        model.functions[0].node[0].op_type = "Softmax"

    with pytest.raises(ModelError, match=r"its functions cannot be written out: Opset mismatch .* version 9"):
        load_target(_edited(tmp_path / "m.onnx", softmax))


def _nameless(model: onnx.ModelProto) -> None:
    tensor = model.graph.initializer.add()
    tensor.CopyFrom(onnx.numpy_helper.from_array(np.zeros(1, np.float32)))


def _unused(model: onnx.ModelProto) -> None:
    body = [helper.make_node("Unheard", ["x"], ["y"])]
    model.functions.append(helper.make_function("own", "F", ["x"], ["y"], body, [helper.make_opsetid("", 17)]))


OBJECTIONS: dict[str, tuple[Edit, str]] = {
    "weights without a name": (_nameless, "Field 'name' of 'init' is required but missing."),
    "weights in two forms": (
        lambda model: model.graph.initializer[0].float_data.append(1),
        "TensorProto (tensor name: w1) should contain one and only one value field.",
    ),
    "a function that nobody calls": (_unused, "No Op registered for Unheard with domain_version of 17"),
}


@pytest.mark.parametrize(("edit", "reason"), OBJECTIONS.values(), ids=OBJECTIONS)
def test_what_the_checker_refuses_and_the_runtime_runs_gets_a_note(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], edit: Edit, reason: str
) -> None:
    path = _edited(tmp_path / "m.onnx", edit)
    target = load_target(path)
    assert target.notes == (f"The ONNX checker refuses the file ({reason}), and onnxruntime runs it.",)
    _auditor(target, list_layers(target)[-1].name)
    assert capfd.readouterr() == ("", "")


def test_what_both_refuse_is_refused_in_the_words_of_the_checker(tmp_path: Path) -> None:
    attribute = helper.make_attribute("x", 1)
    path = _edited(tmp_path / "m.onnx", lambda model: model.graph.node[0].attribute.append(attribute))
    with pytest.raises(ModelError, match=r"m\.onnx is not a valid ONNX model: Unrecognized attribute: x .*; export"):
        load_target(path)


SQUEEZED: dict[str, tuple[str, str]] = {
    "all axes": ("logits = Squeeze (l)", "float[4] logits"),
    "the batch": ("zero = Constant <value_ints=[0]> ()  logits = Squeeze (l, zero)", "float[4] logits"),
    "turned": ("logits = Transpose (l)", "float[4,1] logits"),
}


@pytest.mark.parametrize(("last", "out"), SQUEEZED.values(), ids=SQUEEZED)
def test_a_squeezed_batch_of_one_is_one_image(tmp_path: Path, last: str, out: str) -> None:
    text = CNN.replace("float[N,3,8,8]", "float[1,3,8,8]").replace("float[N,4] logits", out)
    path = cnn(tmp_path / "m.onnx", text.replace("logits = MatMul (flat, w3)", f"l = MatMul (flat, w3)  {last}"))
    target = load_target(path)
    assert (target.answer.classes, target.answer.rank, target.answer.kind) == (4, 0, "logits")
    assert target.notes == ("Its output 'logits' has no axis for images: it was read as the scores of the one image.",)
    _as_good_as_any(target, _runtime(path))


def test_a_single_squeezed_number_tells_two_classes_apart(tmp_path: Path) -> None:
    text = CNN.replace("float[N,3,8,8]", "float[1,3,8,8]").replace("float[N,4] logits", "float logits")
    last = "l = MatMul (flat, w3)  m = ReduceSum (l)  s = Squeeze (m)  logits = Sigmoid (s)"
    answer = load_target(cnn(tmp_path / "m.onnx", text.replace("logits = MatMul (flat, w3)", last))).answer
    assert (answer.classes, answer.single, answer.kind, answer.tensor) == (2, True, "logits", "s")


@pytest.mark.parametrize("place", ["at the end", "before the last layer"])
def test_an_axis_that_a_single_image_loses_is_given_back(tmp_path: Path, place: str) -> None:
    """Squeeze without axes takes the batch too when it is one, as the last of many images may be."""
    text = CNN.replace("flat = Flatten (mean)", "flat = Squeeze (mean)")
    if place == "at the end":
        text = CNN.replace("logits = MatMul (flat, w3)", "l = MatMul (flat, w3)  logits = Squeeze (l)")
    target = load_target(cnn(tmp_path / "m.onnx", text.replace("float[N,4] logits", "float logits")))
    assert (target.squeezes, target.input.mixes) == (True, False)
    layers = list_layers(target)
    prepared = instrument(target, layers, PIXELS, pool=None, views=VIEW_SETS[2])
    pixels = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), np.uint8)
    session = onnxruntime.InferenceSession(serialize(prepared.model))
    names = [*prepared.activations.values(), prepared.answer, prepared.odds]
    together = session.run(names, {"image": pixels})
    alone = [session.run(names, {"image": one[None]}) for one in pixels]
    for place_, value in enumerate(together):
        np.testing.assert_allclose(value, np.concatenate([found[place_] for found in alone]), atol=1e-5)
