"""The one-file auditor says what target, module and calibration say apart."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from onnxmint.errors import ModelError
from onnxmint.graph.instrument import GraphPreprocess, instrument
from onnxmint.graph.isolation import MORE_SECONDS
from onnxmint.graph.layer import choose_layer
from onnxmint.graph.layers import list_layers
from onnxmint.graph.load import load_target
from onnxmint.graph.merge import append_module, try_auditor
from onnxmint.graph.serial import serialize
from onnxmint.graph.views import VIEW_SETS
from onnxmint.mint.export import export_module
from onnxmint.mint.modules import network_of
from onnxmint.stats.conformal import p_values
from tests.graph.texts import cnn

REAL = ("cifar10-resnet20", "cifar10-large-nhwc", "gtsrb-cnn-batch1", "cifar10-resnet8", "cifar10-resnet4b-batch1")
IMAGES = GraphPreprocess(
    height=32, width=32, channels=3, channel_order="rgb", scale=1 / 255, mean=(0.0,) * 3, std=(1.0,) * 3
)


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("module", ["cnn", "vanilla"])
def test_the_merged_file_agrees_with_its_parts(shared: Path, name: str, module: str) -> None:
    target = load_target(shared / "models" / f"{name}.onnx")
    layer = choose_layer(list_layers(target), "auto" if module == "cnn" else "penultimate")
    prepared = instrument(target, [layer], IMAGES, pool=(8, 8))
    shape = prepared.activation_shapes[layer.name]
    torch.manual_seed(0)
    width = network_of(module).features(torch.zeros(1, *shape)).shape[1]
    network = network_of(module)(torch.randn(width), torch.rand(width) + 0.5).eval()
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (6, 32, 32, 3), np.uint8)
    activation = onnxruntime.InferenceSession(serialize(prepared.model)).run(
        [prepared.activations[layer.name]], {"image": pixels}
    )[0]
    expected = network(torch.from_numpy(activation)).detach().numpy()
    calibration = np.concatenate([rng.normal(expected.mean(), 0.1, 200).astype(np.float32), expected[:2]])
    merged = append_module(
        prepared,
        export_module(network, shape, target.opset),
        activation=prepared.activations[layer.name],
        known=[calibration],
        metadata={"who": "me"},
    )
    session = onnxruntime.InferenceSession(serialize(merged))
    assert session.get_modelmeta().custom_metadata_map["who"] == "me"
    score, p_value, answer = session.run(["score", "p_value", "answer"], {"image": pixels})
    np.testing.assert_allclose(score, expected, atol=1e-4)
    np.testing.assert_allclose(p_value, p_values(score.astype(np.float64), calibration), atol=0.5 / len(calibration))
    assert answer.shape == (6, target.answer.classes)
    opsets = {entry.domain: entry.version for entry in onnx.load_model_from_string(serialize(merged)).opset_import}
    assert opsets[""] == target.opset


def test_another_opset_is_refused(shared: Path) -> None:
    target = load_target(shared / "models" / "cifar10-resnet20.onnx")
    layer = choose_layer(list_layers(target), "logits")
    prepared = instrument(target, [layer], IMAGES, pool=None)
    module = export_module(network_of("vanilla")(torch.zeros(10), torch.ones(10)), (10,), 18)
    with pytest.raises(ModelError, match="exported at opset 18, the target has 17"):
        append_module(
            prepared,
            module,
            activation=prepared.activations[layer.name],
            known=[np.zeros(3, np.float32)],
            metadata={},
        )


def test_the_same_parts_give_the_same_bytes(tmp_path: Path) -> None:
    """onnx-ir collects the initialisers of a cut in a set: their order followed the addresses of objects."""
    network, written = network_of("vanilla")(torch.zeros(6), torch.ones(6)).eval(), set()
    for _ in range(4):
        target = load_target(cnn(tmp_path / "m.onnx"))
        layer = choose_layer(list_layers(target), "penultimate")
        size = GraphPreprocess(
            height=8, width=8, channels=3, channel_order="rgb", scale=1.0, mean=(0.5,) * 3, std=(2.0,) * 3
        )
        prepared = instrument(target, [layer], size, pool=None, views=VIEW_SETS[14])
        names = list(target.model.graph.initializers)
        assert [name for name in prepared.model.graph.initializers if name in names] == names
        merged = append_module(
            prepared,
            export_module(network, (6,), target.opset),
            activation=prepared.activations[layer.name],
            known=[np.arange(3, dtype=np.float32)],
            metadata={"who": "me"},
        )
        written.add(serialize(merged))
    assert len(written) == 1


AUDITOR = """
<ir_version: 8, opset_import: ["" : 17]>
auditor (uint8[N,8,8,3] image, int64[N] label) => (float[N] score, float[N] p_value, float[N,4] answer)
<float[192,4] w, int64[1] first = {0}>
{
  pixels = Cast <to = 1> (image)  flat = Flatten (pixels)  answer = MatMul (flat, w)
  score = ReduceMax <axes = [1], keepdims = 0> (answer)  number = Cast <to = 1> (label)  p_value = Add (score, number)
}
"""


def _auditor(path: Path, old: str = "", new: str = "") -> tuple[onnx.ModelProto, bytes, Path]:
    text = AUDITOR.replace(old, new)
    if "int64[N] score" in new:
        text = text.replace("score = ReduceMax", "score = Cast <to = 7> (s)  s = ReduceMax").replace(
            "(score, n", "(s, n"
        )
    file = cnn(path, text)
    return onnx.load(file), file.read_bytes(), file


def test_an_auditor_that_gives_what_it_should_is_timed(tmp_path: Path) -> None:
    assert 0 < try_auditor(*_auditor(tmp_path / "a.onnx"), size=(8, 8, 3), folds=1) < 10


SCORE = "score = ReduceMax <axes = [1], keepdims = 0> (answer)"
ODD_AUDITORS: dict[str, tuple[str, str, str]] = {
    "a scalar": (SCORE, SCORE.replace("axes = [1], ", ""), "'score' has shape [] for 2 images"),
    "one for all": ("Add (score, number)", "Gather (score, first)", "'p_value' has shape [1] for 2 images"),
    "no answer": ("[N,4] answer)", "[N] number)", "'answer' has shape [] for 2 images, and an auditor's has 2 axes"),
    "whole numbers": (
        "float[N] score",
        "int64[N] score, float[N] s",
        "'score' has shape [] for 2 images",
    ),
    "other pixels": ("uint8[N,8,8,3] image", "float[N,8,8,3] image", "it does not take pixels, and perhaps labels"),
    "a third input": (
        "int64[N] label)",
        "int64[N] label, float[N] more)",
        "it does not take pixels, and perhaps labels",
    ),
}


@pytest.mark.parametrize(("old", "new", "message"), ODD_AUDITORS.values(), ids=ODD_AUDITORS)
def test_an_auditor_that_gives_something_else_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(ModelError) as caught:
        try_auditor(*_auditor(tmp_path / "a.onnx", old, new), size=(8, 8, 3), folds=1)
    assert message in str(caught.value)


def test_an_auditor_gives_a_score_for_each_network(tmp_path: Path) -> None:
    scores = (
        ("float[N] p_value", "float[N,2] scores, float[N] p_value"),
        (
            "p_value = Add",
            "scores = Gather <axis = 1> (answer, two)  two = Constant <value_ints = [0, 1]> ()  p_value = Add",
        ),
    )
    text = AUDITOR
    for old, new in scores:
        text = text.replace(old, new)
    file = cnn(tmp_path / "a.onnx", text)
    given = onnx.load(file), file.read_bytes(), file
    assert try_auditor(*given, size=(8, 8, 3), folds=2) > 0
    with pytest.raises(
        ModelError, match=r"'scores' has shape \[2, 2\] for 2 images, .* 2 axes, the images first, then 3"
    ):
        try_auditor(*given, size=(8, 8, 3), folds=3)


def test_an_auditor_that_never_answers_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MORE_SECONDS, "1")
    loop = """yes = Constant <value = bool {1}> ()  none = Constant <value = float {0}> ()
      q = Loop (, yes, none) <body = b (int64 i, bool c, float a) => (bool c2, float a2)
        { c2 = Identity (c)  a2 = Neg (a) }>
      turned = Add (number, q)  p_value = Add (score, turned)"""
    given = _auditor(tmp_path / "a.onnx", "p_value = Add (score, number)", loop)
    with pytest.raises(ModelError, match=r"a\.onnx: the model did not answer a batch of 2 in 1 s"):
        try_auditor(*given, size=(8, 8, 3), folds=1)
