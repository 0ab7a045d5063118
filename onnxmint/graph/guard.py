"""What is refused in an untrusted ONNX file before onnxruntime sees it.

A 1.6 kB file of nested functions passes the checker and hangs onnxruntime 1.32; a chain of 3,000 functions crashes
1.31.1; both are found here by counting (reference: shared/reference/onnx.md, section 5).
"""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
import onnx_ir as ir
from onnx import TensorProto

from onnxmint.errors import ModelError

_MAX_NODES = 15_000  # after expanding functions; to read, edit and run that many takes 10 s
_MAX_NAMED = 8_000_000  # names that expanding functions tries: for k calls of one, k of each name in it
_MAX_CHAIN = 100  # functions calling functions
_MAX_NESTING = 20  # graphs inside graphs
_MAX_VALUES = 200_000  # inputs, outputs, initialisers and declared shapes

_Key = tuple[str, str, str]


def check_proto(proto: onnx.ModelProto, path: Path) -> None:
    """Refuse a model that is hostile or cannot be handled; weights in other files are looked at by `find_weights`.

    Raises:
        ModelError: saying what is wrong.
    """
    _check_functions(proto, path)
    graphs = [proto.graph]
    for start in node_lists(proto):
        for nodes, depth in walk(start):
            if depth > _MAX_NESTING:
                raise ModelError(
                    f"{path}: graphs are nested more than {_MAX_NESTING} deep; this is no image classifier"
                )
            if any(node.op_type == "EPContext" for node in nodes):
                raise ModelError(f"{path}: holds a compiled EPContext node; audit the model it was compiled from")
            graphs += [graph for node in nodes for attribute in node.attribute for graph in graphs_of(attribute)]
    if any(graph.sparse_initializer for graph in graphs):
        raise ModelError(f"{path}: holds sparse weights, which cannot be edited safely; save it with dense weights")
    if (count := sum(map(_values, graphs))) > _MAX_VALUES:
        raise ModelError(f"{path}: declares {count:,} tensors (allowed {_MAX_VALUES:,}); this is no image classifier")
    for tensor in tensors_of(proto):
        _check_size(tensor, path)


def refuse_external_data(proto: onnx.ModelProto, path: Path) -> None:
    """Refuse weights in other files, in a file that has to be whole by itself.

    Raises:
        ModelError: naming one.
    """
    for tensor in tensors_of(proto):
        if tensor.data_location == TensorProto.EXTERNAL or tensor.external_data:
            raise ModelError(
                f"{path}: its weights {tensor.name!r} lie in another file; an auditor is one file: take the one that "
                "onnxmint train wrote"
            )


def nbytes(tensor: onnx.TensorProto, path: Path) -> int:
    """Return how many bytes a tensor's type and shape come to.

    Raises:
        ModelError: the type has no size.
    """
    try:
        bits = int(ir.DataType(tensor.data_type).bitwidth)
    except (ValueError, TypeError):
        raise ModelError(
            f"{path}: weights {tensor.name!r} are of type {tensor.data_type}, which has no size; the file is damaged"
        ) from None
    count: int = math.prod(tensor.dims)
    return -(-count * bits // 8)


def _check_size(tensor: onnx.TensorProto, path: Path) -> None:
    """Hold the bytes of a tensor in the file against its shape; runtimes refuse what differs, we may read it first."""
    if any(size < 0 for size in tensor.dims):
        raise ModelError(f"{path}: tensor {tensor.name!r} has a negative dimension; the file is damaged")
    if tensor.data_location == TensorProto.EXTERNAL or tensor.data_type == TensorProto.STRING:
        return
    if tensor.HasField("raw_data") and (expected := nbytes(tensor, path)) != len(tensor.raw_data):
        raise ModelError(
            f"{path}: tensor {tensor.name!r} of shape {list(tensor.dims)} holds {len(tensor.raw_data):,} bytes, not "
            f"{expected:,}; the file is damaged"
        )


def _values(graph: onnx.GraphProto) -> int:
    return sum(map(len, (graph.input, graph.output, graph.initializer, graph.value_info)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Size:
    """What a function is when those that it calls are written out."""

    nodes: int  # that remain
    copied: int  # on the way there
    chain: int  # functions calling functions


def _check_functions(proto: onnx.ModelProto, path: Path) -> None:
    """Count nodes after expansion and the length of call chains, without expanding anything."""
    calls = {(one.domain, one.name, one.overload): _calls(one.node) for one in proto.functions}
    sizes: dict[_Key, _Size] = {}
    for key in _callees_first(calls, path):
        sizes[key] = _expanded(calls[key], sizes)
    whole = _expanded(_calls(proto.graph.node), sizes)
    if whole.nodes > _MAX_NODES:
        raise ModelError(
            f"{path}: would expand to {whole.nodes:,} nodes (allowed {_MAX_NODES:,}); this is no image classifier"
        )
    if whole.copied > _MAX_NODES:
        raise ModelError(
            f"{path}: to write its functions out {whole.copied:,} nodes are copied (allowed {_MAX_NODES:,}); export it "
            "without functions"
        )
    if whole.chain - 1 > _MAX_CHAIN:
        raise ModelError(f"{path}: functions call each other {whole.chain - 1} deep (allowed {_MAX_CHAIN})")
    times = Counter(_calls(proto.graph.node))
    for key in reversed(sizes):
        for call, count in Counter(calls[key]).items():
            times[call] += times[key] * count
    if sum(times[key] ** 2 * len(calls[key]) for key in sizes) > _MAX_NAMED:
        key = max(sizes, key=lambda one: times[one])
        raise ModelError(
            f"{path}: calls function {key[1]!r} {times[key]:,} times; export it with the function written out"
        )


def _expanded(calls: Sequence[_Key], sizes: dict[_Key, _Size]) -> _Size:
    """Return the size of nodes of which some call functions."""
    inner = [sizes[call] for call in calls if call in sizes]
    own = len(calls) - len(inner)
    return _Size(
        nodes=own + sum(size.nodes for size in inner),
        copied=len(calls) + sum(size.copied for size in inner),
        chain=1 + max((size.chain for size in inner), default=0),
    )


def _calls(nodes: Any) -> list[_Key]:
    """Return the operator of every node, those of inner graphs included."""
    return [(node.domain, node.op_type, node.overload) for inner, _ in walk(nodes) for node in inner]


def _callees_first(calls: dict[_Key, list[_Key]], path: Path) -> Iterator[_Key]:
    """Yield functions after those they call, with a stack of our own: a chain may be longer than Python's."""
    done: set[_Key] = set()
    for start in calls:
        stack, under_way = [start], set[_Key]()
        while stack:
            key = stack[-1]
            waiting = [call for call in dict.fromkeys(calls[key]) if call in calls and call not in done]
            if key in done or not waiting:
                stack.pop()
                under_way.discard(key)
                if key not in done:
                    done.add(key)
                    yield key
                continue
            under_way.add(key)
            if under_way.intersection(waiting):
                raise ModelError(f"{path}: function {key[1]!r} calls itself; ONNX does not allow that")
            stack.extend(waiting)


def node_lists(proto: onnx.ModelProto) -> list[Any]:
    """Return the nodes of the main graph and of every function, each in their container."""
    return [proto.graph.node, *(function.node for function in proto.functions)]


def walk(nodes: Any) -> Iterator[tuple[list[onnx.NodeProto], int]]:
    """Yield the nodes of a graph and of all graphs inside it, with their depth."""
    pending = [(nodes, 0)]
    while pending:
        current, level = pending.pop()
        listed = list(current)
        yield listed, level
        for node in listed:
            for attribute in node.attribute:
                pending.extend((graph.node, level + 1) for graph in graphs_of(attribute))


def graphs_of(attribute: onnx.AttributeProto) -> list[onnx.GraphProto]:
    """Return the graphs that an attribute holds."""
    return [*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])]


def tensors_of(proto: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """Yield every tensor that a file holds: initialisers, those in attributes, and the parts of sparse ones."""
    yield from _initialisers(proto.graph)
    held = [attribute for function in proto.functions for attribute in function.attribute_proto]
    held += [one for start in node_lists(proto) for nodes, _ in walk(start) for node in nodes for one in node.attribute]
    for attribute in held:
        if attribute.HasField("t"):
            yield attribute.t
        yield from attribute.tensors
        sparse = [
            *attribute.sparse_tensors,
            *([attribute.sparse_tensor] if attribute.HasField("sparse_tensor") else []),
        ]
        for one in sparse:
            yield from (one.values, one.indices)
        for graph in graphs_of(attribute):
            yield from _initialisers(graph)


def _initialisers(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
