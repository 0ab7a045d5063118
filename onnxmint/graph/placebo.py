"""The placebo twin: the same graph with its weights shuffled, which knows nothing of any image."""

import numpy as np
import onnx_ir as ir

from onnxmint.graph.answers import FLOATS

_SMALLEST = 2  # a tensor of one value cannot be shuffled


def placebo_twin(model: ir.Model, *, seed: int = 0) -> ir.Model:
    """Return a copy whose floating-point weights are shuffled within each tensor.

    The twin has the target's layers, shapes and spread of weights, but nothing of what it learned: what still tells
    "members" from "non-members" through it is a difference between the images, not membership.

    Args:
        model: a classifier; it stays as it is.
        seed: of the shuffles.
    """
    twin = model.clone()
    rng = np.random.default_rng(seed)
    for graph in twin.graphs():
        for value in graph.initializers.values():
            if value.const_value is not None:
                value.const_value = _shuffled(value.const_value, rng)
        for node in graph:
            if node.op_type == "Constant" and node.domain == "" and "value" in node.attributes:
                weights = _shuffled(node.attributes["value"].as_tensor(), rng)
                node.attributes["value"] = ir.AttrTensor("value", weights)
    return twin


def _shuffled(tensor: ir.TensorProtocol, rng: np.random.Generator) -> ir.TensorProtocol:
    if tensor.dtype not in FLOATS or tensor.size < _SMALLEST:
        return tensor
    weights = tensor.numpy()
    return ir.tensor(rng.permutation(weights.ravel()).reshape(weights.shape), name=tensor.name)
