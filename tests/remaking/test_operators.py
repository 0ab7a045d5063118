"""Operators that are made anew compute what onnxruntime computes; those that are not say so."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onnxmint.errors import ModelError
from tests.conftest import ROOT
from tests.remaking.proving import apart, network_of, one

_RNG = np.random.default_rng(1)


def _f(*shape: int) -> np.ndarray:
    return _RNG.normal(size=shape).astype(np.float32)


def _i(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


CASES: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    *((kind, (), {}) for kind in (
        "Relu", "Sigmoid", "Tanh", "Erf", "Exp", "Abs", "Neg", "Floor", "Ceil", "Softplus", "Softsign", "HardSwish",
        "HardSigmoid", "Elu", "Selu", "Celu", "LeakyRelu", "GlobalAveragePool", "GlobalMaxPool", "Flatten", "Identity",
        "Softmax", "LogSoftmax", "Transpose",
    )),
    ("Gelu", (), {"opset": 20}),
    ("Gelu", (), {"opset": 20, "approximate": "tanh"}),
    ("Mish", (), {"opset": 18}),
    ("Softmax", (), {"opset": 11}),
    ("Softmax", (), {"axis": 1}),
    ("Flatten", (), {"axis": -1}),
    ("Add", (_f(4, 1, 1),), {}),
    ("Sub", (_f(6),), {}),
    ("Div", (np.abs(_f(6)) + 1,), {}),
    ("Mul", (_f(1, 4, 1, 1),), {}),
    ("Max", (_f(6), _f(1)), {}),
    ("Min", (_f(6),), {}),
    ("Mean", (_f(6), _f(1)), {}),
    ("Sum", (_f(6), _f(1)), {}),
    ("MatMul", (_f(6, 3),), {}),
    ("Gemm", (_f(3, 6), _f(3)), {"shape": (5, 6), "transB": 1, "alpha": 0.5, "beta": 2.0}),
    ("Gemm", (_f(5, 3),), {"shape": (5, 6), "transA": 1}),
    ("PRelu", (np.abs(_f(4, 1, 1)),), {}),
    ("Clip", (np.float32(-0.5), np.float32(0.5)), {}),
    ("Clip", (None, np.float32(0.5)), {}),
    ("Clip", (), {"opset": 7, "min": -0.5, "max": 0.5}),
    ("BatchNormalization", (_f(4), _f(4), _f(4), np.abs(_f(4)) + 1), {"epsilon": 1e-3}),
    ("LayerNormalization", (_f(6), _f(6)), {}),
    ("LayerNormalization", (_f(6, 6),), {"axis": 2}),
    ("InstanceNormalization", (_f(4), _f(4)), {}),
    ("GroupNormalization", (_f(4), _f(4)), {"num_groups": 2, "opset": 21}),
    ("Reshape", (_i(0, -1),), {}),
    ("Transpose", (), {"perm": [0, 2, 3, 1]}),
    ("Concat", (_f(2, 1, 6, 6),), {"axis": 1}),
    ("Split", (_i(1, 3),), {"axis": 1, "outputs": 2}),
    ("Split", (), {"axis": 1, "outputs": 2}),
    ("Slice", (_i(1), _i(3), _i(1)), {}),
    ("Slice", (_i(-1), _i(-100), _i(3), _i(-2)), {}),
    ("Slice", (), {"opset": 9, "starts": [0, 1], "ends": [9, 3], "axes": [2, 3]}),
    ("Gather", (np.int64(-1),), {"axis": 2}),
    ("Gather", (_i(0, 2).reshape(1, 2),), {"axis": 1}),
    ("Squeeze", (_i(1),), {"shape": (2, 1, 6)}),
    ("Unsqueeze", (_i(1, -1),), {}),
    ("Unsqueeze", (), {"opset": 11, "axes": [1]}),
    ("Expand", (_i(2, 2, 4, 6, 6),), {}),
    ("Pad", (_i(0, 0, 1, 2, 0, 0, 0, -1),), {}),
    ("Pad", (_i(0, 0, 1, 2, 0, 0, 2, 1),), {"mode": "reflect"}),
    ("Pad", (_i(1, 1), np.float32(3), _i(3)), {"opset": 18, "mode": "constant"}),
    ("Pad", (), {"opset": 9, "pads": [0, 0, 1, 0, 0, 1, 0, 0], "value": 2.0}),
    ("ReduceMean", (), {"axes": [2, 3]}),
    ("ReduceMean", (_i(-1),), {"opset": 18, "keepdims": 0}),
    ("ReduceMean", (), {}),
    ("ReduceSum", (_i(1),), {}),
    ("ReduceMax", (), {"axes": [1]}),
    ("ReduceL2", (), {"axes": [1]}),
    ("Pow", (np.float32(2),), {}),
    ("ConvTranspose", (_f(4, 3, 2, 2), _f(3)), {"strides": [2, 2]}),
    ("Cast", (), {"to": 10}),
    ("Dropout", (), {}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "further", "details"), CASES)
def test_an_operator_computes_what_onnxruntime_computes(
    kind: str, further: tuple[Any, ...], details: dict[str, Any]
) -> None:
    arrays = (None if value is None else np.asarray(value) for value in further)
    proto, image = one(kind, *arrays, **details)
    if kind == "Cast":  # of numbers in half precision
        proto.graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT16
        assert apart(proto, image) < 1e-3
        return
    assert apart(proto, image) < 1e-5


@settings(max_examples=12, deadline=None)
@given(
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    strides=st.tuples(st.integers(1, 2), st.integers(1, 3)),
    dilations=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    pads=st.tuples(*[st.integers(0, 1)] * 4),
    group=st.sampled_from([1, 2, 4]),
    rule=st.sampled_from(["NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"]),
)
def test_convolutions_of_all_kinds_compute_what_onnxruntime_computes(
    kernel: tuple[int, int],
    strides: tuple[int, int],
    dilations: tuple[int, int],
    pads: tuple[int, ...],
    group: int,
    rule: str,
) -> None:
    weight = np.random.default_rng(0).normal(size=(4, 4 // group, *kernel)).astype(np.float32)
    if rule.startswith("SAME"):
        dilations = (1, 1)  # onnxruntime has no others there
    details: dict[str, Any] = {"pads": pads} if rule == "NOTSET" else {"auto_pad": rule}
    proto, image = one("Conv", weight, strides=strides, dilations=dilations, group=group, **details)
    assert apart(proto, image) < 1e-5


@settings(max_examples=12, deadline=None)
@given(
    kind=st.sampled_from(["MaxPool", "AveragePool"]),
    kernel=st.tuples(st.integers(2, 3), st.integers(2, 3)),
    strides=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    pads=st.tuples(*[st.integers(0, 1)] * 4),
    ceil=st.integers(0, 1),
    inside=st.integers(0, 1),
    shape=st.tuples(st.just(2), st.just(3), st.integers(5, 8), st.integers(5, 8)),
)
def test_pools_of_all_kinds_compute_what_onnxruntime_computes(
    kind: str,
    kernel: tuple[int, int],
    strides: tuple[int, int],
    pads: tuple[int, ...],
    ceil: int,
    inside: int,
    shape: tuple[int, ...],
) -> None:
    details = {"count_include_pad": inside} if kind == "AveragePool" else {}
    proto, image = one(
        kind, shape=shape, opset=19, kernel_shape=kernel, strides=strides, pads=pads, ceil_mode=ceil, **details
    )
    assert apart(proto, image) < 1e-5


REFUSED = [
    (one("Hardmax"), "its operator Hardmax \\(node 'node'\\) cannot be; train references by hand"),
    (one("MaxPool", kernel_shape=[2, 2], outputs=1, storage_order=1), "MaxPool with indices"),
    (one("Pad", _i(0, 0, 1, 1, 0, 0, 1, 1), mode="wrap", opset=19), "Pad of mode wrap"),
    (one("Cast", to=9), None),
    (one("ConvTranspose", _f(4, 3, 2, 2), auto_pad="SAME_UPPER"), "ConvTranspose with an output shape"),
    (one("Reshape", _i(7, 7)), "Reshape \\(in PyTorch: shape '\\[7, 7\\]' is invalid"),
]


@pytest.mark.parametrize(("made", "message"), REFUSED)
def test_what_cannot_be_made_anew_is_named(made: tuple[onnx.ModelProto, np.ndarray], message: str | None) -> None:
    from tests.remaking.proving import by_torch

    proto, image = made
    if message is None:
        assert by_torch(network_of(proto), image).dtype == np.bool_
        return
    with pytest.raises(ModelError, match=message):
        by_torch(network_of(proto), image)


MODELS = ROOT / "tests" / "models"
PROVED = ["constants", "jax-cnn", "tf2onnx-nhwc", "torch-script-opset7"]
NOT = {  # by the first operator that stands against it
    "if-loop": "If", "int8-dynamic-cnn": "DynamicQuantizeLinear", "int8-dynamic-vit": "DynamicQuantizeLinear",
    "int8-qdq": "DequantizeLinear", "int8-qoperator-resnet": "QuantizeLinear", "int8-qoperator": "QuantizeLinear",
    "lightgbm": "ai.onnx.ml.TreeEnsembleClassifier", "ort-fused-resnet": "com.microsoft.FusedConv",
    "ort-fused-vit": "com.microsoft.BiasGelu", "sklearn-forest": "ai.onnx.ml.TreeEnsembleClassifier",
    "sklearn-mlp": "ai.onnx.ml.Scaler", "torch-script-control-flow": "Loop",
    "xgboost": "ai.onnx.ml.TreeEnsembleClassifier",
}  # fmt: skip
_OTHERS = ["float64", "opset28-ir14", "local-functions", "torch-dynamo-external"]  # not run here, or not as they stand


def _image_for(proto: onnx.ModelProto) -> np.ndarray:
    held = {tensor.name for tensor in proto.graph.initializer}
    kind = next(value for value in proto.graph.input if value.name not in held).type.tensor_type
    sizes = [size.dim_value for size in kind.shape.dim]
    last = bool(sizes) and sizes[-1] in (1, 3)  # where channels are
    free = [2, 32 if last else 3, 32, 32]
    shape = [size or other for size, other in zip(sizes or free, free, strict=False)]
    dtype = onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type)
    rng = np.random.default_rng(0)
    return (rng.integers(0, 256, shape) if dtype == np.uint8 else rng.random(shape)).astype(dtype)


@pytest.mark.parametrize("name", PROVED)
def test_models_of_many_exporters_are_made_anew(name: str) -> None:
    proto = onnx.load(MODELS / f"{name}.onnx")
    assert apart(proto, _image_for(proto)) < 1e-4


@pytest.mark.slow
def test_every_model_at_hand_is_made_anew_or_says_why_not() -> None:
    for path in sorted(MODELS.glob("*.onnx")):
        name = path.stem.removesuffix("-nozipmap").replace("sklearn-boosting", "sklearn-forest")
        if name in _OTHERS:
            continue
        proto = onnx.load(path)
        if name in NOT:
            with pytest.raises(ModelError, match=f"its operator {NOT[name]} "):
                network_of(proto)
        else:
            image = _image_for(proto)
            network = network_of(proto)
            assert apart(proto, image) < (5e-3 if network.halved else 1e-4), path.name


@pytest.mark.slow
def test_the_studys_targets_are_made_anew(shared: Path) -> None:
    for path in (
        shared / "models" / "cifar10-resnet20.onnx",
        ROOT / "tools" / "study" / "targets" / "gtsrb-paper.onnx",
    ):
        proto = onnx.load(path)
        assert apart(proto, _image_for(proto)) < 1e-4
