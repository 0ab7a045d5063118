"""The twin has the target's shape and weights, and says something else."""

from pathlib import Path

import numpy as np
import onnx_ir as ir
import onnxruntime

from onnxmint.graph.load import load_target
from onnxmint.graph.placebo import placebo_twin
from onnxmint.graph.serial import serialize
from tests.graph.texts import cnn


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
