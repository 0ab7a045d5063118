"""A graph as PyTorch computes it, held against onnxruntime."""

from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime as ort
import torch
from numpy.typing import NDArray

from onnxmint.graph.serial import set_map_types_aside
from onnxmint.remaking.calls import as_tensor
from onnxmint.remaking.network import Network

Array = NDArray[Any]


def network_of(proto: onnx.ModelProto) -> Network:
    """Return a graph of one input and one output as a network."""
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    set_map_types_aside(copy)
    model = ir.from_proto(copy)
    graph = model.graph
    image = next(value for value in graph.inputs if not value.is_initializer())
    return Network(graph, image.name or "", graph.outputs[0].name or "", graph.opset_imports.get("", 17))


def by_torch(network: Network, image: Array) -> Array:
    """Return what a network says."""
    network.eval()
    with torch.inference_mode():
        found: Array = network(as_tensor(image)).numpy()
    return found


def by_onnxruntime(proto: onnx.ModelProto, image: Array) -> Array:
    """Return what onnxruntime says, of the graph as it stands."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    found: Array = session.run(None, {session.get_inputs()[0].name: image})[0]
    return found


def apart(proto: onnx.ModelProto, image: Array) -> float:
    """Return by how much they differ, of the largest number where that is above 1."""
    told, found = by_onnxruntime(proto, image), by_torch(network_of(proto), image)
    assert told.shape == found.shape
    return float(np.abs(told - found).max() / max(1.0, np.abs(told).max()))


def one(
    kind: str, *further: Array | None, shape: tuple[int, ...] = (2, 4, 6, 6), opset: int = 17, **attributes: Any
) -> tuple[onnx.ModelProto, Array]:
    """Return a graph of one operator, which reads the image and further constants, and an image."""
    names = ["image", *("" if value is None else f"c{place}" for place, value in enumerate(further))]
    constants = [
        onnx.numpy_helper.from_array(value, f"c{place}") for place, value in enumerate(further) if value is not None
    ]
    outputs = ["y", *(f"y{number}" for number in range(1, attributes.pop("outputs", 1)))]
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node(kind, names, outputs, name="node", **attributes)],
        "one",
        [onnx.helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, shape)],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)],
        constants,
    )
    proto = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)], ir_version=8)
    return proto, np.random.default_rng(0).normal(size=shape).astype(np.float32)
