"""How data flows through a graph: what depends on the image, what is still needed where, what it costs."""

from collections.abc import Iterator, Mapping

import numpy as np
import onnx_ir as ir

Shapes = Mapping[str, tuple[int, ...]]

_SHAPE_ARITHMETIC = {"Shape", "Size"}
_RESTATING = {"Cast", "DequantizeLinear", "Identity", "Transpose"}  # weights in other types or order


def inputs_of(node: ir.Node) -> Iterator[ir.Value]:
    """Yield everything a node reads, what graphs inside it capture included."""
    yield from (value for value in node.inputs if value is not None)
    for attribute in node.attributes.values():
        if attribute.type == ir.AttributeType.GRAPH:
            yield from _captured(attribute.as_graph(), node)
        elif attribute.type == ir.AttributeType.GRAPHS:
            for graph in attribute.as_graphs():
                yield from _captured(graph, node)


def _captured(graph: ir.Graph, outer: ir.Node) -> Iterator[ir.Value]:
    for node in ir.traversal.RecursiveGraphIterator(graph):
        for value in node.inputs:
            if value is not None and value.graph is outer.graph:
                yield value


def needed_for(targets: list[ir.Value]) -> set[ir.Value]:
    """Return all values that some values are computed from, themselves included."""
    found: set[ir.Value] = set()
    pending = list(targets)
    while pending:
        value = pending.pop()
        if value in found:
            continue
        found.add(value)
        node = value.producer()
        if node is not None:
            pending.extend(inputs_of(node))
    return found


def image_nodes(graph: ir.Graph, image: ir.Value, answer: ir.Value) -> tuple[list[ir.Node], set[ir.Value]]:
    """Return the nodes on the way from the image to the answer, in order, and the tensors that carry the image."""
    needed = needed_for([answer])
    carrying = {image}
    nodes = []
    for node in graph:
        if not any(value in needed for value in node.outputs):
            continue
        nodes.append(node)
        if node.op_type not in _SHAPE_ARITHMETIC and any(value in carrying for value in inputs_of(node)):
            carrying.update(node.outputs)
    return nodes, carrying


def bottlenecks(nodes: list[ir.Node], carrying: set[ir.Value], image: ir.Value, answer: ir.Value) -> list[ir.Value]:
    """Return the tensors through which everything flows: the only ones still needed after their node.

    A sweep over the nodes keeps count of the live tensors; wherever it is one, that tensor is a bottleneck.
    """
    last_use = {
        value: place
        for place, node in enumerate(nodes)
        if node.op_type not in _SHAPE_ARITHMETIC  # asking for a size needs none of the content
        for value in inputs_of(node)
        if value in carrying
    }
    last_use[answer] = len(nodes)
    live = {image}
    found = []
    for place, node in enumerate(nodes):
        live.update(value for value in node.outputs if last_use.get(value, -1) > place)
        live -= {value for value in live if last_use.get(value, -1) <= place}
        if len(live) == 1 and (only := next(iter(live))) is not image and only.producer() is node:
            found.append(only)
    return found


def is_constant(value: ir.Value) -> bool:
    """Say whether a value is a weight: an initialiser, a Constant, or computed from nothing else."""
    return all(entry.producer() is not None or entry.is_initializer() for entry in needed_for([value]))


def constant_shape(value: ir.Value) -> tuple[int, ...] | None:
    """Return the shape of a weight that at most was cast, dequantised, transposed or given a name; None for others."""
    turns: list[list[int]] = []
    while (tensor := ir.convenience.get_const_tensor(value)) is None:
        node = value.producer()
        if node is None or node.op_type not in _RESTATING or node.inputs[0] is None:
            return None
        if node.op_type == "Transpose":
            turns.append(list(node.attributes.get_ints("perm", [])))
        value = node.inputs[0]
    shape = tuple(tensor.shape.numpy())
    for perm in reversed(turns):
        shape = tuple(shape[axis] for axis in perm) if len(perm) == len(shape) else shape[::-1]
    return shape


def macs(node: ir.Node, shapes: Shapes) -> int:
    """Return the multiply-accumulates of one node for the run whose shapes are given; 0 for cheap operators."""
    shape = [shapes.get(value.name or "", ()) if value is not None else () for value in node.inputs]
    out = int(np.prod(shapes.get(node.outputs[0].name or "", ())))
    if node.op_type in {"Conv", "FusedConv", "ConvInteger", "QLinearConv"}:
        weight = shape[3] if node.op_type == "QLinearConv" else shape[1]
        return out * int(np.prod(weight[1:]))
    if node.op_type == "ConvTranspose":
        return int(np.prod(shape[0])) * int(np.prod(shape[1][1:]))
    if node.op_type in {"Attention", "MultiHeadAttention"} and len(shape) > 1 and len(shape[1]) > 2:  # noqa: PLR2004
        return 2 * out * shape[1][-2]  # weights of all places, and sums by them; projections are products of their own
    if node.op_type in {"MatMul", "MatMulInteger", "QLinearMatMul", "FusedMatMul"}:
        return out * (shape[0][-1] if shape[0] else 0)
    if node.op_type in {"Gemm", "FusedGemm", "QGemm"}:
        transposed = node.attributes.get_int("transA", 0)
        return out * (shape[0][0 if transposed else -1] if shape[0] else 0)
    return 0
