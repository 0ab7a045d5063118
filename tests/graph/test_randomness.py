"""Graphs that answer at random are recognised when they are read; what onnxruntime leaves out is left out here too."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from onnxmint.errors import ModelError
from onnxmint.graph.instrument import GraphPreprocess, instrument
from onnxmint.graph.layer import choose_layer
from onnxmint.graph.layers import list_layers
from onnxmint.graph.load import load_target
from onnxmint.graph.running import run_once
from onnxmint.graph.serial import serialize
from onnxmint.graph.surgery import expose
from onnxmint.graph.verify import verify_exposed
from tests.graph.texts import CNN, cnn

IMAGES = np.random.default_rng(0).random((2, 3, 8, 8), np.float32)
PIXELS = GraphPreprocess(
    height=8, width=8, channels=3, channel_order="rgb", scale=1 / 255, mean=(0.0,) * 3, std=(1.0,) * 3
)
CONSTANTS = """
  half = Constant <value = float {0.5}> ()  nothing = Constant <value = float {0}> ()
  yes = Constant <value = bool {1}> ()  no = Constant <value = bool {0}> ()
  few = Constant <value = float[1,4] {0.02,0.02,0.02,0.02}> ()
"""


def _graph(path: Path, lines: str, *, opset: int = 17, out: str = "") -> Path:
    """Write a graph with something done to the first convolution `conv1` or the scores `s`; its nodes have names."""
    text = CNN.replace('"" : 17', f'"" : {opset}').replace("float[N,4] logits", f"float[N,4] logits{out}")
    if "relu1" in lines:
        text = text.replace("relu1 = Relu (conv1)", CONSTANTS + lines)
    else:
        text = text.replace("logits = MatMul (flat, w3)", f"{CONSTANTS} s = MatMul (flat, w3) {lines}")
    model = onnx.load(cnn(path, text))
    for number, node in enumerate(model.graph.node):
        node.name = f"{node.op_type.lower()}_{number}"
    onnx.save(model, path)
    return path


RANDOM = {
    "Dropout": "logits = Dropout (s, half, yes)",
    "Dropout with a seed": "logits = Dropout <seed = 3> (s, half, yes)",
    "Dropout without a share": "logits = Dropout (s, , yes)",
    "Dropout whose mask is used": "d, m = Dropout (conv1, half, yes)  f = Cast <to = 1> (m)  relu1 = Mul (d, f)",
    "Dropout that is switched on inside": "on = Not (no)  logits = Dropout (s, half, on)",
    "RandomNormalLike": "n = RandomNormalLike (conv1)  relu1 = Add (conv1, n)",
    "RandomNormalLike with a seed": "n = RandomNormalLike <seed = 1.0> (conv1)  relu1 = Add (conv1, n)",
    "RandomNormal": "n = RandomNormal <shape = [1,5,8,8]> ()  relu1 = Add (conv1, n)",
    "RandomUniform": "n = RandomUniform <shape = [1,5,8,8]> ()  relu1 = Add (conv1, n)",
    "RandomUniformLike": "n = RandomUniformLike (conv1)  relu1 = Mul (conv1, n)",
    "Bernoulli": "p = Sigmoid (conv1)  relu1 = Bernoulli (p)",
    "Bernoulli, seldom": "b = Bernoulli (few)  logits = Add (s, b)",
    "Multinomial": "i = Multinomial <sample_size = 1> (s)  f = Cast <to = 1> (i)  logits = Add (s, f)",
    "RandomNormalLike in a branch": """
        m = ReduceMax <keepdims = 0> (image)  on = Greater (m, nothing)
        logits = If (on) <then_branch = t () => (float[N,4] a) { n = RandomNormalLike (s)  a = Add (s, n) },
                          else_branch = e () => (float[N,4] b) { b = Identity (s) }>""",
}


@pytest.mark.parametrize("lines", RANDOM.values(), ids=RANDOM)
def test_a_model_that_answers_at_random_is_refused_by_the_name_of_its_operator(
    tmp_path: Path, lines: str, request: pytest.FixtureRequest
) -> None:
    operator = request.node.callspec.id.split()[0].rstrip(",")
    mode = " in training mode" if operator == "Dropout" else ""
    place = "'n'" if "branch" in request.node.callspec.id else rf"'{operator.lower()}_\d+'"
    with pytest.raises(
        ModelError, match=rf"m\.onnx: the model answers at random \({operator}{mode} at {place}\): export"
    ):
        load_target(_graph(tmp_path / "m.onnx", lines))


def test_noise_in_a_function_is_found(tmp_path: Path) -> None:
    model = onnx.load(_graph(tmp_path / "m.onnx", "relu1 = Relu (conv1)"))
    nodes = [
        onnx.helper.make_node("RandomNormalLike", ["x"], ["n"], name="noise"),
        onnx.helper.make_node("Add", ["x", "n"], ["y"]),
    ]
    imports = [onnx.helper.make_opsetid("", 17)]
    model.functions.append(onnx.helper.make_function("own", "Noisy", ["x"], ["y"], nodes, imports))
    noisy = next(node for node in model.graph.node if node.op_type == "Relu")
    noisy.op_type, noisy.domain = "Noisy", "own"
    model.opset_import.append(onnx.helper.make_opsetid("own", 1))
    onnx.save(model, tmp_path / "m.onnx")
    with pytest.raises(ModelError, match=r"answers at random \(RandomNormalLike at 'noise'\)"):
        load_target(tmp_path / "m.onnx")


def test_several_are_counted(tmp_path: Path) -> None:
    lines = "d = Dropout (conv1, half, yes)  n = RandomNormalLike (d)  relu1 = Add (d, n)"
    with pytest.raises(
        ModelError, match=r"\(Dropout in training mode at 'dropout_\d+' and 1 more\): export it in eval"
    ):
        load_target(_graph(tmp_path / "m.onnx", lines))


FIXED = {
    "Dropout that drops nothing": "relu1 = Dropout (conv1, nothing, yes)",
    "Dropout that is off": "relu1 = Dropout (conv1, half, no)",
    "Dropout as usual": "relu1 = Dropout (conv1, half)",
    "noise times nothing": "n = RandomNormalLike (conv1)  z = Mul (n, nothing)  relu1 = Add (conv1, z)",
    "noise that nobody reads": "n = RandomNormalLike (conv1)  relu1 = Relu (conv1)",
}


@pytest.mark.parametrize("lines", FIXED.values(), ids=FIXED)
def test_what_changes_no_answer_is_no_fault(tmp_path: Path, lines: str) -> None:
    target = load_target(_graph(tmp_path / "m.onnx", lines))
    assert (target.notes, target.calmed, target.erratic) == ((), False, ())
    layer = choose_layer(list_layers(target), "auto")
    assert verify_exposed(target, expose(target, [layer], cut=False), [layer], cut=False)


def test_dropout_before_it_had_a_switch_drops_nothing(tmp_path: Path) -> None:
    path = _graph(tmp_path / "m.onnx", "relu1 = Dropout <ratio = 0.5> (conv1)", opset=9)
    assert load_target(path).notes == ()


def test_dropout_that_onnxruntime_leaves_out_is_left_out(tmp_path: Path) -> None:
    """Written out the graph is random, optimised it is not: all that is made of it is as it is when optimised."""
    path = _graph(tmp_path / "m.onnx", "a = Relu (conv1)  relu1 = Dropout (a, half, yes)")
    expected = onnxruntime.InferenceSession(path).run(None, {"image": IMAGES})[0]
    written = [run_once(path, {"image": IMAGES}, ["logits"], "m")["logits"] for _ in range(2)]
    assert not np.array_equal(*written)
    target = load_target(path)
    assert target.calmed
    (note,) = target.notes
    assert note.startswith("Dropout in training mode at 'dropout_")
    assert note.endswith(
        "left out by onnxruntime when it optimises the graph, and was left out here: export it in evaluation mode."
    )
    assert not target.input.mixes
    for optimise in (False, True):
        found = run_once(target.model, {"image": IMAGES}, ["logits"], "m", optimise=optimise)["logits"]
        np.testing.assert_allclose(found, expected, atol=1e-5)
    layers = list_layers(target)
    for cut in (False, True):
        for layer in layers:
            assert verify_exposed(target, expose(target, [layer], cut=cut), [layer], cut=cut)
    prepared = instrument(target, layers[:1], PIXELS, pool=None)
    session = onnxruntime.InferenceSession(serialize(prepared.model))
    pixels = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), np.uint8)
    answers = [session.run([prepared.answer], {"image": pixels})[0] for _ in range(2)]
    np.testing.assert_array_equal(*answers)


def test_dropout_between_scores_and_softmax_is_left_out_too(tmp_path: Path) -> None:
    """The scores behind it are what is read, and would by themselves be random: an output is never optimised away."""
    path = _graph(tmp_path / "m.onnx", "d = Dropout (s, half, yes)  logits = Softmax (d)")
    target = load_target(path)
    assert (target.calmed, target.answer.tensor, target.answer.kind) == (True, "d", "logits")
    assert verify_exposed(target, expose(target, list_layers(target), cut=False), list_layers(target), cut=False)


def test_a_random_further_output_is_told_and_not_compared(tmp_path: Path) -> None:
    path = _graph(
        tmp_path / "m.onnx", "relu1 = Relu (conv1)  noise = RandomNormalLike (conv1)", out=", float[N,5,8,8] noise"
    )
    target = load_target(path)
    assert target.erratic == ("noise",)
    assert "Its output 'noise' is random (RandomNormalLike at 'randomnormallike_" in target.notes[0]
    layer = choose_layer(list_layers(target), "auto")
    exposed = expose(target, [layer], cut=False)
    assert verify_exposed(target, exposed, [layer], cut=False)
    assert [value.name for value in exposed.graph.outputs][:2] == ["logits", "noise"]


def test_a_random_further_output_does_not_hold_back_a_fixed_batch(tmp_path: Path) -> None:
    path = _graph(
        tmp_path / "m.onnx", "relu1 = Relu (conv1)  noise = RandomNormalLike (conv1)", out=", float[1,5,8,8] noise"
    )
    model = onnx.load(path)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    onnx.save(model, path)
    assert not load_target(path).input.mixes


NORM = "relu1, m, v = BatchNormalization <training_mode = 1> (conv1, b1, nought, mean_, ones)"
NORM_IN_OLD_OPSETS = "relu1, m, v, sm, sv = BatchNormalization (conv1, b1, nought, mean_, ones)"


@pytest.mark.parametrize(("opset", "line"), [(17, NORM), (9, NORM_IN_OLD_OPSETS)])
@pytest.mark.parametrize("shared", [False, True])
def test_batch_normalization_in_training_mode_is_told(tmp_path: Path, opset: int, line: str, shared: bool) -> None:
    """Its answers depend on the other images; where it shares its numbers, onnxruntime changes them as it runs."""
    numbers = {"nought": "0.1,0.1,0.1,0.1,0.1", "mean_": "0.2,0.3,0,0,0", "ones": "1,1,1,1,1"}
    numbers |= {"mean_": numbers["nought"]} if shared else {}
    made = "  ".join(f"{name} = Constant <value = float[5] {{{value}}}> ()" for name, value in numbers.items())
    path = _graph(tmp_path / "m.onnx", f"{made}  {line}", opset=opset)
    if shared:
        with pytest.raises(ModelError, match=r"answers at random \(BatchNormalization in training mode at 'batchnorm"):
            load_target(path)
        return
    target = load_target(path)
    assert target.input.mixes
    assert target.notes[0].startswith("BatchNormalization in training mode at 'batchnormalization_")
    layer = choose_layer(list_layers(target), "auto")
    assert verify_exposed(target, expose(target, [layer], cut=False), [layer], cut=False)
