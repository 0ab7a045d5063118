"""The part of a graph that stands behind some of its tensors, as a model of its own."""

from collections.abc import Sequence
from pathlib import Path

import onnx
from onnx import helper

from onnxmint.errors import ModelError


def behind(model: bytes | Path, tensors: Sequence[str], outputs: Sequence[str]) -> tuple[bytes, tuple[str, ...]]:
    """Return what float32 outputs need once some float32 tensors are given, and which of these it takes.

    Args:
        model: a serialised graph, or its file.
        tensors: names of tensors that may be given.
        outputs: wanted.

    Raises:
        ModelError: more than these tensors is needed.
    """
    proto = onnx.load_model_from_string(model) if isinstance(model, bytes) else onnx.load(str(model))
    graph = proto.graph
    makers = {name: number for number, node in enumerate(graph.node) for name in node.output if name}
    constants = {tensor.name: tensor for tensor in graph.initializer}
    nodes, taken, weights, left = set[int](), set[str](), set[str](), list(outputs)
    while left:
        name = left.pop()
        if name in constants:
            weights.add(name)
        elif name in tensors and name in makers:
            taken.add(name)
        elif name not in makers:
            raise ModelError(f"the auditor needs {name!r}, which was not observed; train it on these observations")
        elif makers[name] not in nodes:
            nodes.add(makers[name])
            left += [one for one in graph.node[makers[name]].input if one]
    inputs = tuple(name for name in tensors if name in taken)
    kind = onnx.TensorProto.FLOAT
    part = helper.make_graph(
        [graph.node[number] for number in sorted(nodes)],
        "onnxmint",
        [helper.make_tensor_value_info(name, kind, None) for name in inputs],
        [helper.make_tensor_value_info(name, kind, None) for name in outputs],
        [constants[name] for name in sorted(weights)],
    )
    made = helper.make_model(part, opset_imports=proto.opset_import, functions=list(proto.functions))
    made.ir_version = proto.ir_version
    found: bytes = made.SerializeToString()
    return found, inputs
