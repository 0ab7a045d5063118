"""A model without its weights: what the other party of an audit gets, to whom answers are given and not the model.

Graph, names and shapes stay, every learned number is replaced; what this one answers itself means nothing.
"""

import json

import msgspec
import numpy as np
import onnx_ir as ir

from onnxmint.errors import ModelError
from onnxmint.graph.load import TargetModel
from onnxmint.graph.observed import KEY, PRODUCER, ObservedModel
from onnxmint.graph.placebo import is_weight
from onnxmint.graph.serial import serialize

_TRACE = "stack_trace"  # in which torch keeps lines of the code; other keys hold the names of layers
_LEVEL = 0.01  # above zero, as variances have to be


def without_weights(target: TargetModel, told: ObservedModel) -> bytes:
    """Return an ONNX file of the graph alone, with what is told in its metadata.

    Raises:
        ModelError: what was learned stands in attributes of its operators, as that of decision trees does.
    """
    model = target.model.clone()
    for graph in model.graphs():
        graph.doc_string = None
        graph.metadata_props.clear()
        for value in graph.initializers.values():
            value.metadata_props.clear()
            if value.const_value is not None and is_weight(value.const_value, value):
                value.const_value = _blank(value.const_value)
        for node in graph:
            _strip(node, target)
    model.metadata_props.clear()
    model.metadata_props[KEY] = json.dumps(msgspec.to_builtins(told), sort_keys=True)
    model.producer_name, model.producer_version, model.doc_string = PRODUCER, None, None
    return serialize(model)


def _strip(node: ir.Node, target: TargetModel) -> None:
    """Leave of a node what the graph needs: no learned number, no line of the code that made it."""
    if node.domain == "ai.onnx.ml":
        raise ModelError(
            f"{target.path}: what the model learned stands in its operator {node.op_type}, of which nothing can be "
            "left out; observations are made of networks only"
        )
    node.doc_string = None
    for key in [key for key in node.metadata_props if _TRACE in key]:
        del node.metadata_props[key]
    if node.op_type == "Constant" and node.domain == "" and "value" in node.attributes:
        tensor = node.attributes["value"].as_tensor()
        if is_weight(tensor, node.outputs[0]):
            node.attributes["value"] = ir.AttrTensor("value", _blank(tensor))


def _blank(tensor: ir.TensorProtocol) -> ir.TensorProtocol:
    shape = tensor.shape.numpy()
    return ir.tensor(np.full(shape, _LEVEL).astype(tensor.dtype.numpy()), dtype=tensor.dtype, name=tensor.name)
