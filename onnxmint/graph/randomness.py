"""Operators by which a graph answers the same image otherwise each time, or was left in training mode."""

from collections.abc import Iterator, Sequence

import onnx_ir as ir

from onnxmint.graph.flow import needed_for

_NOISE = {
    *("RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli", "Multinomial"),
    *("BiasDropout", "BitmaskDropout", "BitmaskBiasDropout", "Sampling"),  # of onnxruntime
}
_SWITCHED = 12  # the first opset in which Dropout is told by an input whether it drops
_TRAINING_BY_ATTRIBUTE = 14  # the first opset in which BatchNormalization says so; before, by having more outputs


def suspects(model: ir.Model, values: Sequence[ir.Value]) -> list[ir.Node]:
    """Return the nodes that may make some values random: noise, and Dropout that is on, or may be."""
    opset = model.graph.opset_imports.get("", 0)
    return [node for node in _behind(model, values) if node.op_type in _NOISE or _drops(node, opset)]


def training_norms(model: ir.Model, values: Sequence[ir.Value]) -> list[ir.Node]:
    """Return the BatchNormalization nodes behind some values that take their statistics from the batch."""
    opset = model.graph.opset_imports.get("", 0)
    found = [node for node in _behind(model, values) if node.op_type == "BatchNormalization" and node.domain == ""]
    if opset >= _TRAINING_BY_ATTRIBUTE:
        return [node for node in found if node.attributes.get_int("training_mode", 0)]
    return [node for node in found if len(node.outputs) > 1]


def without_dropout(model: ir.Model) -> ir.Model:
    """Return a copy in which no Dropout drops anything."""
    copy = model.clone()
    opset = copy.graph.opset_imports.get("", 0)
    for node in ir.traversal.RecursiveGraphIterator(copy.graph):
        if _drops(node, opset):
            node.replace_input_with(2, None)
    return copy


def named(nodes: Sequence[ir.Node]) -> str:
    """Return what to call the first of some nodes, and how many more there are."""
    node = nodes[0]
    mode = "" if node.op_type in _NOISE else " in training mode"
    name = node.name or next((value.name for value in node.outputs if value.name), "")
    more = f" and {len(nodes) - 1} more" if len(nodes) > 1 else ""
    return f"{node.op_type}{mode} at {name!r}{more}"


def _drops(node: ir.Node, opset: int) -> bool:
    """Say whether a node is a Dropout that is told to drop, or may be told so while it runs."""
    if node.op_type != "Dropout" or node.domain != "" or opset < _SWITCHED or len(node.inputs) <= 2:  # noqa: PLR2004
        return False
    switch = node.inputs[2]
    if switch is None:
        return False
    constant = ir.convenience.get_const_tensor(switch)
    return constant is None or switch.is_graph_input() or bool(constant.numpy().any())


def _behind(model: ir.Model, values: Sequence[ir.Value]) -> Iterator[ir.Node]:
    """Yield the nodes that some values are computed by, in order, those of graphs inside them included."""
    needed = needed_for(list(values))
    for node in model.graph:
        if not any(value in needed for value in node.outputs):
            continue
        yield node
        for attribute in node.attributes.values():
            if attribute.type == ir.AttributeType.GRAPH:
                yield from ir.traversal.RecursiveGraphIterator(attribute.as_graph())
            elif attribute.type == ir.AttributeType.GRAPHS:
                for graph in attribute.as_graphs():
                    yield from ir.traversal.RecursiveGraphIterator(graph)
