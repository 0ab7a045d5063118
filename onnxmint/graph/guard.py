"""What is refused in an untrusted ONNX file before onnxruntime sees it.

A 1.6 kB file of nested functions passes the checker and hangs onnxruntime 1.32; a chain of 3,000 functions crashes
1.31.1; both are found here by counting (reference: shared/reference/onnx.md, section 5).
"""

from collections.abc import Iterator
from pathlib import Path

import onnx
from onnx import TensorProto

from onnxmint.errors import ModelError

_MAX_NODES = 1_000_000  # after expanding functions
_MAX_CHAIN = 100  # functions calling functions
_MAX_NESTING = 20  # graphs inside graphs

_STANDARD = "ai.onnx"  # the long name of the domain whose short name is ""

_Key = tuple[str, str]


def name_standard_domain(proto: onnx.ModelProto) -> bool:
    """Give the domain of the standard operators its short name everywhere, in place; runtimes take both for one.

    Returns:
        Whether it had its long name anywhere.
    """
    before = int(proto.ByteSize())
    for holder in (proto, *proto.functions):
        named = [entry for entry in holder.opset_import if entry.domain in ("", _STANDARD)]
        named.sort(key=lambda entry: len(entry.domain))  # the short name counts where a file has both
        for entry in named[1:]:
            holder.opset_import.remove(entry)
    starts = (proto.graph.node, *(function.node for function in proto.functions))
    nodes = (node for start in starts for inner, _ in _walk(start, 0) for node in inner)
    imports = (entry for holder in (proto, *proto.functions) for entry in holder.opset_import)
    for one in (*imports, *proto.functions, *nodes):
        if one.domain == _STANDARD:
            one.domain = ""
    return before != int(proto.ByteSize())


def check_proto(proto: onnx.ModelProto, path: Path) -> None:
    """Refuse a model that is hostile or cannot be handled.

    Raises:
        ModelError: saying what is wrong.
    """
    _check_functions(proto, path)
    for nodes, depth in _walk(proto.graph.node, 0):
        if depth > _MAX_NESTING:
            raise ModelError(f"{path}: graphs are nested more than {_MAX_NESTING} deep; this is no image classifier")
        if any(node.op_type == "EPContext" for node in nodes):
            raise ModelError(f"{path}: holds a compiled EPContext node; audit the model it was compiled from")
    if proto.graph.sparse_initializer:
        raise ModelError(f"{path}: holds sparse weights, which cannot be edited safely; save it with dense weights")
    for tensor in _tensors(proto):
        if any(size < 0 for size in tensor.dims):
            raise ModelError(f"{path}: tensor {tensor.name!r} has a negative dimension; the file is damaged")
        if tensor.data_location == TensorProto.EXTERNAL:
            _check_external(tensor, path)


def without_weights_outside(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy whose weights in other files, which `check_proto` has looked at, are empty: to check the rest."""
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    for tensor in _tensors(copy):
        if tensor.data_location == TensorProto.EXTERNAL:
            tensor.ClearField("data_location")
            tensor.ClearField("external_data")
            tensor.dims[:] = [0]
    return copy


def weight_files(proto: onnx.ModelProto, path: Path) -> list[Path]:
    """Return the files beside a model that hold weights of it, in a fixed order."""
    names = {
        entry.value
        for tensor in _tensors(proto)
        if tensor.data_location == TensorProto.EXTERNAL
        for entry in tensor.external_data
        if entry.key == "location"
    }
    return [path.parent / name for name in sorted(names)]


def _check_functions(proto: onnx.ModelProto, path: Path) -> None:
    """Count nodes after expansion and the length of call chains, without expanding anything."""
    calls = {(function.domain, function.name): _calls(function.node) for function in proto.functions}
    size: dict[_Key, int] = {}
    chain: dict[_Key, int] = {}
    for key in _callees_first(calls, path):
        size[key] = sum(size.get(call, 1) for call in calls[key])
        chain[key] = 1 + max((chain[call] for call in calls[key] if call in calls), default=0)
    total = sum(size.get(call, 1) for call in _calls(proto.graph.node))
    if total > _MAX_NODES:
        raise ModelError(
            f"{path}: would expand to {total:,} nodes (allowed {_MAX_NODES:,}); this is no image classifier"
        )
    if max(chain.values(), default=0) > _MAX_CHAIN:
        raise ModelError(f"{path}: functions call each other {max(chain.values())} deep (allowed {_MAX_CHAIN})")


def _calls(nodes: object) -> list[_Key]:
    """Return the operator of every node, those of inner graphs included."""
    return [(node.domain, node.op_type) for inner, _ in _walk(nodes, 0) for node in inner]


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


def _walk(nodes: object, depth: int) -> Iterator[tuple[list[onnx.NodeProto], int]]:
    """Yield the nodes of a graph and of all graphs inside it, with their depth."""
    pending = [(nodes, depth)]
    while pending:
        current, level = pending.pop()
        listed = list(current)  # type: ignore[call-overload]
        yield listed, level
        for node in listed:
            for attribute in node.attribute:
                inner = (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else []))
                pending.extend((graph.node, level + 1) for graph in inner)


def _tensors(proto: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    yield from proto.graph.initializer
    starts = [proto.graph.node, *(function.node for function in proto.functions)]
    for start in starts:
        for nodes, _ in _walk(start, 0):
            for node in nodes:
                for attribute in node.attribute:
                    if attribute.HasField("t"):
                        yield attribute.t
                    yield from attribute.tensors
                    for graph in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])):
                        yield from graph.initializer


def _check_external(tensor: onnx.TensorProto, path: Path) -> None:
    """Accept weights in a regular file below the model's folder (links resolved), long enough for what it declares."""
    facts = {entry.key: entry.value for entry in tensor.external_data}
    name = facts.get("location", "")
    # A model in a Hugging Face cache is a link into a folder of blobs, and so are its weights.
    homes = {path.parent.resolve(), path.resolve().parent}
    place = (path.parent / name).resolve()
    if not name or not any(place.is_relative_to(home) for home in homes):
        raise ModelError(f"{path}: weights {name!r} lie outside the model's folder; move them beside the model")
    if not place.is_file():
        raise ModelError(f"{path}: its weights are missing: no file {name!r} beside it; copy it there")
    numbers = [facts.get(key, "0") for key in ("offset", "length")]
    if not all(number.isdecimal() for number in numbers):
        raise ModelError(f"{path}: its weights {name!r} have offset and length {numbers}; the file is damaged")
    end = sum(map(int, numbers))
    if place.stat().st_size < end:
        raise ModelError(f"{path}: its weights {name!r} are cut short ({place.stat().st_size:,} bytes, {end:,} needed)")
