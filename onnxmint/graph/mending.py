"""What some files say carelessly and runtimes read all the same: put right before anything else reads it."""

import heapq
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx

from onnxmint.errors import ModelError
from onnxmint.graph.guard import graphs_of, node_lists, walk

_STANDARD = "ai.onnx"  # the long name of the domain whose short name is ""
_ALLOWS_INITIALISERS = 4  # the first IR version in which initialisers need not be inputs
_TREES = ("ai.onnx.ml", "TreeEnsemble", 5)  # came with this version, in place of the operators before it
_IMPORTS = {"": 21, "ai.onnx.ml": 3, "com.microsoft": 1}  # where a file names no version: what all runtimes know


def read_texts(proto: onnx.ModelProto) -> tuple[str, ...]:
    """Make all texts of a file readable, and call the standard operators by one name, before anything looks at them.

    Returns:
        A sentence on what was put right.
    """
    odd = _decode(proto)
    _name_standard_domain(proto)
    return ("Some names in the file are no UTF-8: their bytes were written out.",) if odd else ()


def _decode(proto: onnx.ModelProto) -> bool:
    """Give texts that are no UTF-8, which runtimes never look at, letters for their bytes; say whether there were any.

    Equal bytes become equal texts, so that names still lead to what they led to.
    """
    found = False
    pending: list[Any] = [proto]
    while pending:
        message = pending.pop()
        for field, value in message.ListFields():
            if field.type == field.TYPE_MESSAGE:
                pending.extend([value] if hasattr(value, "ListFields") else value)
            elif field.type == field.TYPE_STRING and isinstance(value, bytes):
                setattr(message, field.name, _decoded(value))
                found = True
            elif field.type == field.TYPE_STRING and not isinstance(value, str):
                for place, text in enumerate(value):
                    if isinstance(text, bytes):
                        value[place] = _decoded(text)
                        found = True
    return found


def _decoded(text: bytes) -> str:
    return text.decode("utf-8", "backslashreplace")


def _name_standard_domain(proto: onnx.ModelProto) -> None:
    """Give the domain of the standard operators its short name everywhere; runtimes take both for one."""
    for holder in (proto, *proto.functions):
        named = [entry for entry in holder.opset_import if entry.domain in ("", _STANDARD)]
        named.sort(key=lambda entry: len(entry.domain))  # the short name counts where a file has both
        for entry in named[1:]:
            holder.opset_import.remove(entry)
    imports = (entry for holder in (proto, *proto.functions) for entry in holder.opset_import)
    for one in (*imports, *proto.functions, *_nodes(proto)):
        if one.domain == _STANDARD:
            one.domain = ""


def mend(proto: onnx.ModelProto, path: Path) -> tuple[str, ...]:
    """Put right, in a file that was looked at, what onnxruntime reads and the ONNX checker refuses.

    Args:
        proto: of the file; it is changed.
        path: of the file, for messages.

    Returns:
        A sentence on each thing that was put right.

    Raises:
        ModelError: it says two things, and onnxruntime takes now one, now the other.
    """
    proto.ClearField("training_info")  # graphs that only a trainer reads
    notes = []
    if _sort(proto.graph.node):  # graphs inside it, and functions, are not sorted by onnxruntime either
        notes.append("The nodes of the file are not in the order of their use: they were sorted.")
    for domain, version in _add_imports(proto).items():
        named = f"of domain {domain!r}" if domain else "of the standard"
        notes.append(f"The file does not say which version of the operators {named} it uses: {version} was taken.")
    if _align_functions(proto):
        notes.append(
            "Functions of the file use other versions of operators, which are the same in the graph's version."
        )
    if _drop_repeated(proto, path):
        notes.append("Some weights or metadata are in the file twice: the last of each name was taken.")
    if not proto.graph.name:
        proto.graph.name = "graph"
    inputs = {value.name for value in proto.graph.input}
    if proto.ir_version < _ALLOWS_INITIALISERS and any(one.name not in inputs for one in proto.graph.initializer):
        proto.ir_version = _ALLOWS_INITIALISERS
        notes.append(f"The file is no whole file of its IR version: it was read as of version {_ALLOWS_INITIALISERS}.")
    return tuple(notes)


def _nodes(proto: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    """Yield all nodes, those of functions and of inner graphs included."""
    for start in node_lists(proto):
        for nodes, _ in walk(start):
            yield from nodes


def _sort(nodes: Any) -> bool:
    """Sort the nodes of one graph, as near to their order as it goes; a circle is left as it is."""
    maker = {name: place for place, node in enumerate(nodes) for name in node.output if name}
    needs = [{maker[name] for name in _read_by(node) if name in maker} - {place} for place, node in enumerate(nodes)]
    if all(max(needed, default=-1) < place for place, needed in enumerate(needs)):
        return False
    users: list[list[int]] = [[] for _ in needs]
    for place, needed in enumerate(needs):
        for other in needed:
            users[other].append(place)
    waiting = [len(needed) for needed in needs]
    ready = [place for place, count in enumerate(waiting) if count == 0]
    order = []
    while ready:
        order.append(place := heapq.heappop(ready))
        for user in users[place]:
            waiting[user] -= 1
            if waiting[user] == 0:
                heapq.heappush(ready, user)
    if len(order) < len(needs):
        return False
    copies = [onnx.NodeProto.FromString(nodes[place].SerializeToString()) for place in order]
    del nodes[:]
    nodes.extend(copies)
    return True


def _read_by(node: onnx.NodeProto) -> Iterator[str]:
    """Yield the names that a node reads, those that graphs inside it may take from outside included."""
    yield from node.input
    for inner, _ in walk([node]):
        for one in inner:
            yield from one.input
    for attribute in node.attribute:
        for graph in graphs_of(attribute):
            yield from (value.name for value in graph.output)


def _add_imports(proto: onnx.ModelProto) -> dict[str, int]:
    """Let the file import the known domains that its graph uses; return those that were added.

    Functions are left alone: no runtime reads one that lacks an import.
    """
    if not proto.opset_import:
        return {}
    nodes = [node for inner, _ in walk(proto.graph.node) for node in inner]
    own = {(function.domain, function.name) for function in proto.functions}
    lacking = {node.domain for node in nodes if (node.domain, node.op_type) not in own}
    lacking -= {entry.domain for entry in proto.opset_import}
    added = {domain: version for domain, version in _IMPORTS.items() if domain in lacking}
    if _TREES[0] in added and any(node.op_type == _TREES[1] for node in nodes):
        added[_TREES[0]] = _TREES[2]
    proto.opset_import.extend(onnx.helper.make_opsetid(*entry) for entry in added.items())
    return added


def _align_functions(proto: onnx.ModelProto) -> bool:
    """Let functions import the versions of the graph they are written into where their operators are the same in both.

    Returns:
        Whether any was changed.
    """
    versions = {entry.domain: entry.version for entry in proto.opset_import}
    changed = False
    for function in proto.functions:
        nodes = [node for inner, _ in walk(function.node) for node in inner]
        for entry in function.opset_import:
            wanted = versions.get(entry.domain, entry.version)
            used = {node.op_type for node in nodes if node.domain == entry.domain}
            if wanted == entry.version or not all(_is_same(one, entry, wanted) for one in used):
                continue
            entry.version, changed = wanted, True
    return changed


def _is_same(operator: str, entry: onnx.OperatorSetIdProto, version: int) -> bool:
    """Say whether an operator has the same definition in two versions; those that nobody knows are taken so."""
    try:
        found = [onnx.defs.get_schema(operator, one, entry.domain) for one in (entry.version, version)]
    except onnx.defs.SchemaError:
        return True
    return bool(found[0].since_version == found[1].since_version)


def _drop_repeated(proto: onnx.ModelProto, path: Path) -> bool:
    """Keep one initialiser, and the last piece of metadata, of each name; say whether any was dropped."""
    weights = {tensor.name: tensor for tensor in proto.graph.initializer}
    for tensor in proto.graph.initializer:
        if tensor is not weights[tensor.name] and tensor != weights[tensor.name]:
            raise ModelError(f"{path}: weights {tensor.name!r} are there twice, and differ; the file is damaged")
    texts = {entry.key: entry for entry in proto.metadata_props}
    found = False
    for entries, kept in ((proto.graph.initializer, weights), (proto.metadata_props, texts)):
        if len(kept) < len(entries):
            copies = [type(entry).FromString(entry.SerializeToString()) for entry in kept.values()]
            del entries[:]
            entries.extend(copies)
            found = True
    return found
