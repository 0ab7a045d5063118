"""A graph with other numbers in the place of what it learned: same inputs, outputs, operators and metadata."""

from collections.abc import Mapping

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray


def refilled(model: ir.Model, values: Mapping[str, NDArray[np.floating]]) -> ir.Model:
    """Return a copy with new numbers, in the types of the old ones.

    Args:
        model: a graph; it stays as it is.
        values: by the name of the initialiser, or of the output of the Constant, that holds them.

    Raises:
        ValueError: there is no such tensor in the graph.
    """
    copy = model.clone()
    left = set(values)
    for name, value in copy.graph.initializers.items():
        if name in values and value.const_value is not None:
            value.const_value = _like(value.const_value, values[name])
            left.discard(name)
    for node in copy.graph:
        if node.op_type == "Constant" and node.domain == "" and (name := node.outputs[0].name or "") in left:
            old = ir.convenience.get_const_tensor(node.outputs[0])
            if old is not None:
                new = _like(old, values[name])
                node.attributes.clear()
                node.attributes["value"] = ir.AttrTensor("value", new)
                node.outputs[0].const_value = None
                left.discard(name)
    if left:
        raise ValueError(f"no tensor {min(left)!r} in the graph")
    return copy


def _like(old: ir.TensorProtocol, new: NDArray[np.floating]) -> ir.TensorProtocol:
    shape = tuple(old.shape.numpy())
    return ir.tensor(np.asarray(new).reshape(shape).astype(old.dtype.numpy()), dtype=old.dtype, name=old.name)
