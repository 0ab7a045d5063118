"""Which tensor is the answer, whatever the outputs are, and what it means."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper

from onnxmint.engine.target import target_warnings
from onnxmint.errors import ModelError, UsageError
from onnxmint.graph.instrument import GraphPreprocess, instrument, settle_label
from onnxmint.graph.layer import choose_layer
from onnxmint.graph.layers import list_layers
from onnxmint.graph.load import load_target
from onnxmint.graph.serial import serialize
from onnxmint.graph.surgery import expose
from onnxmint.graph.verify import verify_exposed
from onnxmint.graph.views import LABEL, VIEW_SETS
from onnxmint.methods.signals import Observed, phi
from tests.graph.texts import CNN, cnn

PLAIN = GraphPreprocess(
    height=8, width=8, channels=3, channel_order="rgb", scale=1 / 255, mean=(0.0,) * 3, std=(1.0,) * 3
)
PIXELS = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), np.uint8)


def _ending(lines: str, outputs: str, weights: str = "") -> str:
    text = CNN.replace("float[N,4] logits)", f"{outputs})").replace("(flat, w3)\n", f"(flat, w3)\n  {lines}\n")
    return text.replace("float[6,4] w3>", f"float[6,4] w3{weights}>")


ENDINGS = {  # what follows the logits; the outputs; the tensor, kind, classes and output that are the answer
    "softmax, squeezed, cast": (
        "s = Softmax (logits) u = Unsqueeze (s, last) v = Squeeze (u, last) y = Cast <to=11> (v)",
        "double[N,4] y", ("logits", "logits", 4, "y"),
    ),
    "logarithm of a softmax": ("s = Softmax (logits) y = Log (s)", "float[N,4] y", ("logits", "logits", 4, "y")),
    "sigmoid": ("y = Sigmoid (logits)", "float[N,4] y", ("logits", "sigmoid", 4, "y")),
    "a label beside probabilities": (
        "p = Softmax (logits) label = ArgMax <axis=1,keepdims=0> (p)",
        "int64[N] label, float[N,4] p", ("logits", "logits", 4, "p"),
    ),
    "a label alone": ("y = ArgMax <axis=1,keepdims=0> (logits)", "int64[N] y", ("logits", "logits", 4, "y")),
    "the best two": (
        "v, i = TopK <axis=1> (logits, two)", "float[N,2] v, int64[N,2] i", ("logits", "logits", 4, "v"),
    ),
    "features before logits": ("y = Identity (logits)", "float[N,6] flat, float[N,4] y", ("y", "logits", 4, "y")),
    "an auxiliary head": (
        "m = GlobalAveragePool (relu1) f = Flatten (m) aux = MatMul (f, w4)",
        "float[N,3] aux, float[N,4] logits", ("logits", "logits", 4, "logits"),
    ),
    "maps of one pixel": ("y = Reshape (logits, pixel)", "float[N,4,1,1] y", ("y", "logits", 4, "y")),
    "one column of logits": ("y = MatMul (flat, w5)", "float[N,1] y", ("y", "logits", 2, "y")),
    "one column of probabilities": (
        "z = MatMul (flat, w5) y = Sigmoid (z)", "float[N,1] y", ("z", "logits", 2, "y"),
    ),
    "one column beside several": (
        "y = MatMul (flat, w5)", "float[N,1] y, float[N,4] logits", ("logits", "logits", 4, "logits"),
    ),
}  # fmt: skip
WEIGHTS = ", int64[1] last = {-1}, int64[1] two = {2}, int64[4] pixel = {-1, 4, 1, 1}, float[5,3] w4, float[6,1] w5"


@pytest.mark.parametrize("case", ENDINGS)
def test_the_answer_is_found_and_given_by_the_prepared_graph(tmp_path: Path, case: str) -> None:
    lines, outputs, (tensor, kind, classes, output) = ENDINGS[case]
    target = load_target(cnn(tmp_path / "m.onnx", _ending(lines, outputs, WEIGHTS)))
    found = target.answer
    assert (found.tensor, found.kind, found.classes, found.output) == (tensor, kind, classes, output)
    layers = list_layers(target)
    assert layers[-1].tensor == tensor
    assert layers[-1].role == kind
    assert choose_layer(layers, "logits") is layers[-1]
    for cut in (True, False):
        verify_exposed(target, expose(target, layers, cut=cut), layers, cut=cut)
    made = instrument(target, [], PLAIN, pool=None)
    answer = onnxruntime.InferenceSession(serialize(made.model)).run([made.answer], {"image": PIXELS})[0]
    images = np.ascontiguousarray((PIXELS.astype(np.float32) / 255).transpose(0, 3, 1, 2))
    cut_there = serialize(expose(target, [layers[-1]], cut=True))
    expected = onnxruntime.InferenceSession(cut_there).run(None, {"image": images})[0].reshape(5, -1)
    expected = np.concatenate([np.zeros((5, 1)), expected], axis=1) if expected.shape[1] == 1 else expected
    np.testing.assert_allclose(answer, expected, rtol=1e-4, atol=1e-5)


def test_a_column_of_probabilities_without_a_sigmoid_is_recognised(tmp_path: Path) -> None:
    lines = "z = MatMul (flat, w5) n = Neg (z) e = Exp (n) d = Add (e, one) y = Div (one, d)"
    target = load_target(cnn(tmp_path / "m.onnx", _ending(lines, "float[N,1] y", WEIGHTS + ", float[1] one = {1}")))
    assert (target.answer.kind, target.answer.classes, target.answer.single) == ("probabilities", 2, True)
    made = instrument(target, [], PLAIN, pool=None)
    answer = onnxruntime.InferenceSession(serialize(made.model)).run([made.answer], {"image": PIXELS})[0]
    np.testing.assert_allclose(answer.sum(axis=1), 1, rtol=1e-6)
    assert answer.std() > 0


LABELS = {  # what makes a probability of each label from a logit z
    "written out": (
        "n = Neg (logits) e = Exp (n) d = Add (e, one) y = Div (one, d)",
        lambda z: _odds(1 / (1 + np.exp(-z))),
    ),
    "reciprocal, some labels": (
        "n = Neg (logits) e = Exp (n) d = Add (e, one) r = Reciprocal (d) y = Slice (r, none, three, last)",
        lambda z: _odds(1 / (1 + np.exp(-z[:, :3]))),
    ),
    "hard": ("y = HardSigmoid (logits)", lambda z: _odds(np.clip(0.2 * z + 0.5, 0, 1))),
}


def _odds(p: np.ndarray) -> np.ndarray:
    return np.asarray(np.log(p + 1e-30) - np.log(1 - p + 2**-24))


@pytest.mark.parametrize("case", LABELS)
def test_probabilities_of_labels_without_a_sigmoid_become_log_odds(tmp_path: Path, case: str) -> None:
    lines, expected = LABELS[case]
    weights = ", float[1] one = {1}, int64[1] none = {0}, int64[1] three = {3}, int64[1] last = {1}"
    outputs = f"float[N,{3 if 'some' in case else 4}] y, float[N,4] logits"
    target = load_target(cnn(tmp_path / "m.onnx", _ending(lines, outputs, weights)), answer="y")
    assert (target.answer.kind, target.answer.squashed, target.answer.tensor) == ("sigmoid", True, "y")
    made = instrument(target, [], PLAIN, pool=None)
    found = onnxruntime.InferenceSession(serialize(made.model)).run([made.answer], {"image": PIXELS})[0]
    plain = onnxruntime.InferenceSession(serialize(target.model)).run(
        ["logits"], {"image": np.ascontiguousarray((PIXELS.astype(np.float32) / 255).transpose(0, 3, 1, 2))}
    )[0]
    assert found.std() > 0
    odds = expected(plain.astype(np.float64))
    apart = odds < 12  # above, float32 cannot tell the probability from 1
    np.testing.assert_allclose(found[apart], odds[apart], rtol=2e-2)
    assert (found[~apart] > 11).all()
    assert apart.sum() > 0


def test_a_quantised_sigmoid_and_a_logistic_ensemble_give_probabilities_of_labels(tmp_path: Path) -> None:
    weights = ", float s = {0.1}, uint8 z = {128}, float t = {0.0039}, uint8 zero = {0}"
    lines = (
        "q = QuantizeLinear (logits, s, z) r = com.microsoft.QLinearSigmoid (q, s, z, t, zero) "
        "y = DequantizeLinear (r, t, zero)"
    )
    text = _ending(lines, "float[N,4] y", weights).replace('["" : 17]', '["" : 17, "com.microsoft" : 1]')
    assert load_target(cnn(tmp_path / "q.onnx", text)).answer.kind == "sigmoid"
    text = _ending(
        "l, y = ai.onnx.ml.TreeEnsembleClassifier <nodes_treeids=[0,0,0],nodes_nodeids=[0,1,2],"
        'nodes_featureids=[0,0,0],nodes_modes=["BRANCH_LEQ","LEAF","LEAF"],nodes_values=[0.1,0.0,0.0],'
        "nodes_truenodeids=[1,0,0],nodes_falsenodeids=[2,0,0],class_treeids=[0,0,0,0,0,0],"
        "class_nodeids=[1,1,1,2,2,2],class_ids=[0,1,2,0,1,2],class_weights=[1.0,2.0,-1.0,0.5,1.0,0.0],"
        'classlabels_int64s=[0,1,2],post_transform="LOGISTIC"> (flat)',
        "float[N,3] y",
    ).replace('["" : 17]', '["" : 17, "ai.onnx.ml" : 1]')
    assert load_target(cnn(tmp_path / "t.onnx", text)).answer.kind == "sigmoid"


@pytest.mark.parametrize(
    ("lines", "maker"),
    [
        ("u = Mul (logits, small) p = Softmax (u) y = Slice (p, one, four, one)", "Softmax"),
        ("y = Clip (logits, low, high)", "Clip"),
    ],
)
def test_probabilities_of_nobody_knows_what_are_refused(tmp_path: Path, lines: str, maker: str) -> None:
    weights = ", float small = {0.01}, int64[1] one = {1}, int64[1] four = {4}, float low = {0}, float high = {1}"
    columns = 3 if "Slice" in lines else 4
    with pytest.raises(
        ModelError, match=f"'y' holds numbers from 0 to 1 that do not add up to 1, made by {maker}.*--ans"
    ):
        load_target(cnn(tmp_path / "m.onnx", _ending(lines, f"float[N,{columns}] y", weights)))


def test_logits_that_happen_to_lie_within_0_and_1_stay_logits(tmp_path: Path) -> None:
    lines = "u = Mul (logits, small) h = Add (u, half) y = Relu (h)"
    weights = ", float small = {0.001}, float half = {0.5}"
    assert load_target(cnn(tmp_path / "m.onnx", _ending(lines, "float[N,4] y", weights))).answer.kind == "logits"


def test_other_heads_are_named_in_a_warning(tmp_path: Path) -> None:
    text = _ending("sex = MatMul (flat, w6)", "float[N,2] sex, float[N,4] logits, float[N,6] flat", ", float[6,2] w6")
    target = load_target(cnn(tmp_path / "m.onnx", text))
    assert (target.answer.output, target.answer.others) == ("sex", ("logits",))
    assert "'sex', of 2 classes, was taken; name another ('logits') with --answer" in next(target_warnings(target))
    named = load_target(tmp_path / "m.onnx", answer="logits")
    assert (named.answer.output, list(target_warnings(named))) == ("logits", [])


@pytest.mark.parametrize("labels", [None, [0, 3, 1, 2, 2]])
def test_the_log_odds_of_a_label_of_its_own_are_its_logit(tmp_path: Path, labels: list[int] | None) -> None:
    """Of a sigmoid's labels, in every view: whatever the other labels say."""
    target = load_target(cnn(tmp_path / "m.onnx", _ending("y = Sigmoid (logits)", "float[N,4] y")))
    made = settle_label(instrument(target, [], PLAIN, pool=None, views=VIEW_SETS[2]), given=labels is not None)
    feeds = {"image": PIXELS} | ({} if labels is None else {LABEL: np.array(labels)})
    odds, answer = onnxruntime.InferenceSession(serialize(made.model)).run([made.odds, made.answer], feeds)
    wanted = answer.argmax(1) if labels is None else np.array(labels)
    np.testing.assert_allclose(odds[:, 0], phi(Observed(answer=answer, kind="sigmoid", labels=wanted)), rtol=1e-5)
    mirrored = onnxruntime.InferenceSession(serialize(made.model)).run(
        [made.answer], feeds | {"image": np.ascontiguousarray(PIXELS[:, :, ::-1])}
    )[0]
    np.testing.assert_allclose(odds[:, 1], mirrored[np.arange(5), wanted], rtol=1e-4, atol=1e-5)


def _with_map(path: Path) -> Path:
    """Add what scikit-learn's exporter writes: labels, and a sequence of maps from class to probability."""
    model = onnx.load(cnn(path, _ending("p = Softmax (logits)", "float[N,4] p")))
    graph = model.graph
    graph.node.append(helper.make_node("ZipMap", ["p"], ["maps"], domain="ai.onnx.ml", classlabels_int64s=[3, 4, 5, 6]))
    scores = helper.make_tensor_type_proto(onnx.TensorProto.FLOAT, [])
    of_class = helper.make_sequence_type_proto(helper.make_map_type_proto(onnx.TensorProto.INT64, scores))
    del graph.output[:]
    graph.output.append(helper.make_value_info("maps", of_class))
    model.opset_import.append(helper.make_opsetid("ai.onnx.ml", 1))
    onnx.save(model, path)
    return path


def test_maps_of_scores_are_followed_and_kept(tmp_path: Path) -> None:
    target = load_target(_with_map(tmp_path / "m.onnx"))
    assert (target.answer.tensor, target.answer.output) == ("logits", "maps")
    layers = list_layers(target)
    tapped = expose(target, layers, cut=False)
    checks = verify_exposed(target, tapped, layers, cut=False)
    assert any("kept outputs equal the original's" in line for line in checks)
    written = onnx.load_model_from_string(serialize(tapped))
    assert written.graph.output[0].type.sequence_type.elem_type.WhichOneof("value") == "map_type"


def test_an_output_can_be_named(tmp_path: Path) -> None:
    path = cnn(tmp_path / "m.onnx", _ending("y = Softmax (logits)", "float[N,6] flat, float[N,4] y"))
    assert load_target(path).answer.tensor == "logits"
    assert load_target(path, answer="flat").answer.classes == 6
    with pytest.raises(UsageError, match=r"m\.onnx has no output 'z'; its outputs: 'flat', 'y'"):
        load_target(path, answer="z")


def test_an_output_that_is_no_score_is_refused_by_name(tmp_path: Path) -> None:
    path = cnn(tmp_path / "m.onnx", _ending("y = Identity (relu1)", "float[N,5,8,8] y, float[N,4] logits"))
    assert load_target(path).answer.tensor == "logits"
    with pytest.raises(ModelError, match="gives no class scores"):
        load_target(path, answer="y")


def test_scores_of_whole_batches_are_refused(tmp_path: Path) -> None:
    lines = "y = ReduceMean <axes=[0], keepdims=1> (logits) z = Concat <axis=0> (y, y, y)"
    path = cnn(tmp_path / "m.onnx", _ending(lines, "float[3,4] z"))
    with pytest.raises(ModelError, match="gives no class scores for each image"):
        load_target(path)
