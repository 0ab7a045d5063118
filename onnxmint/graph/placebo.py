"""The placebo twin: the same graph with its weights shuffled, which knows nothing of any image."""

import numpy as np
import onnx_ir as ir

from onnxmint.graph.answers import FLOATS
from onnxmint.graph.trees import shuffle_attributes

_SMALLEST = 2  # a tensor of one value cannot be shuffled
_QUANTISED = {ir.DataType.INT8, ir.DataType.UINT8, ir.DataType.INT4, ir.DataType.UINT4, ir.DataType.INT16}
_RESIZING = {"Resize", "Upsample"}  # their numbers are sizes, not weights


def placebo_twin(model: ir.Model, *, seed: int = 0) -> ir.Model:
    """Return a copy whose weights are shuffled within each tensor.

    The twin has the target's layers, shapes and spread of weights, but nothing of what it learned: what still tells
    "members" from "non-members" through it is a difference between the images, not membership. Weights of whole
    numbers (quantised models) are shuffled too, but not their zero points; of decision trees the thresholds, and the
    leaves. Weights are drawn when they are read, so that those in files beside the model stay there until then.

    Args:
        model: a classifier; it stays as it is.
        seed: of the shuffles.
    """
    twin = model.clone()
    place = 0
    for graph in twin.graphs():
        for value in graph.initializers.values():
            place += 1
            if value.const_value is not None and is_weight(value.const_value, value):
                value.const_value = _shuffled(value.const_value, np.random.default_rng([seed, place]))
        for node in graph:
            place += 1
            rng = np.random.default_rng([seed, place])
            if node.op_type == "Constant" and node.domain == "" and "value" in node.attributes:
                tensor = node.attributes["value"].as_tensor()
                if is_weight(tensor, node.outputs[0]):
                    node.attributes["value"] = ir.AttrTensor("value", _shuffled(tensor, rng))
            elif node.domain == "ai.onnx.ml":
                shuffle_attributes(node, rng)
    return twin


def is_weight(tensor: ir.TensorProtocol, value: ir.Value) -> bool:
    """Say whether a tensor was learned: floats, or whole numbers of at least two axes (zero points have one)."""
    if tensor.size < _SMALLEST or any(node.op_type in _RESIZING for node in value.consumers()):
        return False
    return tensor.dtype in FLOATS or (tensor.dtype in _QUANTISED and len(tensor.shape) > 1)


def _shuffled(tensor: ir.TensorProtocol, rng: np.random.Generator) -> ir.TensorProtocol:
    def draw() -> ir.TensorProtocol:
        weights = tensor.numpy()
        order = np.random.default_rng(seeds).permutation(weights.size)
        return ir.tensor(weights.ravel()[order].reshape(weights.shape), dtype=tensor.dtype, name=tensor.name)

    seeds = rng.integers(2**63, size=2)
    return ir.LazyTensor(draw, dtype=tensor.dtype, shape=ir.Shape(tensor.shape.numpy()), name=tensor.name or "")
