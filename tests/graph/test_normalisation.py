"""Normalisation inside a graph is found in every form that exporters write, and only where it is one."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from onnxmint.graph.load import load_target
from onnxmint.graph.normalisation import GraphNormalisation, find_normalisation
from tests.graph.texts import cnn

HEAD = '<ir_version: 8, opset_import: ["" : 17]>\n'
TAIL = """
  conv1 = Conv <pads=[1,1,1,1]> (ready, w1)
  relu1 = Relu (conv1)
  mean = GlobalAveragePool (relu1)
  flat = Flatten (mean)
  logits = MatMul (flat, w3)
}
"""
NCHW = "cnn (float[N,3,8,8] image) => (float[N,4] logits)\n"
WEIGHTS = "float[5,3,3,3] w1, float[5,4] w3"


def _found(folder: Path, given: str, steps: str, signature: str = NCHW) -> GraphNormalisation | None:
    text = f"{HEAD}{signature}<{WEIGHTS}, {given}>\n{{\n{steps}{TAIL}"
    return find_normalisation(load_target(cnn(folder / "m.onnx", text)))


@pytest.mark.parametrize(
    ("given", "steps"),
    [
        ("float[1] s = {127.5}, float[1] o = {1.0}", "a = Div(image, s)  ready = Sub(a, o)"),
        ("float s = {0.00784313725}, float o = {-1.0}", "a = Mul(s, image)  ready = Add(a, o)"),
        ("float[3,1,1] s = {127.5, 127.5, 127.5}, float[1,3,1,1] o = {1, 1, 1}", "a = Div(image, s) ready = Sub(a, o)"),
        ("float[1] z = {0.0}", "s = Constant <value_float=127.5> ()  a = Sub(image, s)  ready = Div(a, s)"),
        ("float[1] s = {127.5}", "b = Identity(image)  a = Sub(b, s)  c = Cast<to=1>(a)  ready = Div(c, s)"),
        (
            "float[3] g = {2, 2, 2}, float[3] b = {0, 0, 0}, float[3] m = {127.5, 127.5, 127.5}, "
            "float[3] v = {65025, 65025, 65025}",
            "ready = BatchNormalization <epsilon=0.0> (image, g, b, m, v)",
        ),
    ],
)
def test_every_form_of_127_5_is_found(tmp_path: Path, given: str, steps: str) -> None:
    found = _found(tmp_path, given, steps)
    assert found is not None
    assert found.text == "The graph itself subtracts 127.5 and divides by 127.5: declare 0-255."


def test_colours_are_told_apart_through_a_transposition(tmp_path: Path) -> None:
    given = "float[3] m = {0.485, 0.456, 0.406}, float[3] s = {0.229, 0.224, 0.225}"
    steps = "a = Sub(image, m)  b = Div(a, s)  ready = Transpose<perm=[0,3,1,2]>(b)"
    found = _found(tmp_path, given, steps, "cnn (float[N,8,8,3] image) => (float[N,4] logits)\n")
    assert found is not None
    assert found.text == (
        "The graph itself subtracts [0.485, 0.456, 0.406] and divides by [0.229, 0.224, 0.225]: declare 0-1."
    )


def test_a_normalisation_of_what_is_normalised_declares_nothing(tmp_path: Path) -> None:
    found = _found(tmp_path, "float[1] s = {1.5}", "ready = Mul(image, s)")
    assert found is not None
    assert found.text == "The graph itself subtracts 0 and divides by 0.6667."
    assert found.contradiction(1 / 255, (0.485,) * 3, (0.229,) * 3) is None


@pytest.mark.parametrize(
    ("given", "steps"),
    [
        ("float[1] z = {0.0}", "ready = Identity(image)"),
        ("float[1] one = {1.0}", "ready = Mul(image, one)"),
        ("float[1] zero = {0.0}", "ready = Mul(image, zero)"),
        ("float[1] s = {3.0}", "ready = Div(s, image)"),
        ("float[1] s = {0.0}", "ready = Div(image, s)"),
        ("float[1,1,1,8] s = {1, 2, 3, 4, 5, 6, 7, 8}", "ready = Mul(image, s)"),
        ("float[1] z = {0.0}", "ready = Mul(image, image)"),
        ("float[1] two = {2.0}", "a = Mul(image, two)  b = Relu(image)  ready = Add(a, b)"),
    ],
)
def test_other_arithmetic_is_none(tmp_path: Path, given: str, steps: str) -> None:
    assert _found(tmp_path, given, steps) is None


def test_an_initialiser_that_users_can_replace_is_no_constant(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    _found(tmp_path, "float[1] s = {127.5}", "ready = Div(image, s)")
    model = onnx.load(path)
    model.graph.input.append(onnx.helper.make_tensor_value_info("s", onnx.TensorProto.FLOAT, [1]))
    onnx.save(model, path)
    assert find_normalisation(load_target(path)) is None


@pytest.mark.parametrize(
    ("scale", "mean", "std", "wrong"),
    [
        (1.0, (0.0,), (1.0,), False),
        (1 / 255, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), True),
        (1 / 255, (0.0,), (1.0,), True),
        (1 / 127.5, (1.0,), (1.0,), True),
    ],
)
def test_only_levels_to_255_fit_a_graph_that_takes_them(
    scale: float, mean: tuple[float, ...], std: tuple[float, ...], wrong: bool
) -> None:
    own = GraphNormalisation(mean=(127.5,), std=(127.5,), range="0-255")
    means, stds = np.broadcast_to(mean, 3), np.broadcast_to(std, 3)
    text = own.contradiction(scale, tuple(means.tolist()), tuple(stds.tolist()))
    assert (text is not None) == wrong
    if text is not None:
        assert "declare 0-255, but the declared preprocessing hands it" in text
        assert "prepared twice" in text


def test_rows_of_pixels_have_no_axis_of_channels(tmp_path: Path) -> None:
    """As Conv1D exports have them: (N, 64, 1), transposed where arithmetic may follow."""
    text = f"""{HEAD}
    rows (float[N,64,1] image) => (float[N,4] logits) <float[1] s, float[64,4] w>
    {{ a = Div (image, s)  b = Transpose <perm=[0,2,1]> (a)  c = Div (b, s)  f = Flatten (c)  logits = MatMul (f, w) }}
    """
    target = load_target(cnn(tmp_path / "m.onnx", text))
    found = find_normalisation(target)
    assert found is not None
    divisor = target.model.graph.initializers["s"].const_value
    assert divisor is not None
    assert found.std == pytest.approx(tuple(divisor.numpy()))
