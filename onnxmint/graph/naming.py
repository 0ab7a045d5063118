"""What people call a layer: from what each exporter leaves behind, never from the tensor's number."""

import ast
import re
from collections import Counter
from collections.abc import Sequence

import onnx_ir as ir

_WEIGHT_ENDINGS = re.compile(r"(\.weight|\.w_0|/ReadVariableOp(:0)?|/kernel(:0)?|\.kernel|_quantized)+$")
_TELLING = re.compile(r"[A-Za-z]{2}")
_RESTATING = {"QuantizeLinear", "DequantizeLinear", "Cast", "Identity"}  # called by what they restate
_FOLLOWING = {"Relu", "LeakyRelu", "Clip", "HardSwish", "Gelu", "Elu", "Add", "BatchNormalization", "Sigmoid", "Tanh"}
_FOLLOWING |= {"Swish", "PRelu", "Mul"}
_FAR = 4  # nodes between a weight and what it names


def human_names(values: Sequence[ir.Value]) -> list[str]:
    """Return one unique human name for each tensor, in order.

    Sources, best first: the module path that torch's exporter writes; the node's own path (TorchScript, tf2onnx);
    the name of the weight it uses, or that the layer whose activation it is uses; else the operator and a running
    number.
    """
    counts: Counter[str] = Counter()
    names = []
    for value in values:
        node = _maker(value)
        if node is None:
            names.append(value.name or "input")
            continue
        counts[node.op_type] += 1
        name = (
            _module_path(node)
            or _node_path(node)
            or _weight(node)
            or _weight_before(node)
            or f"{node.op_type.lower()}{counts[node.op_type]}"
        )
        names.append(name)
    return _unique(names)


def _maker(value: ir.Value) -> ir.Node | None:
    """Return the node that made a value, before it was only stated in another type."""
    node = value.producer()
    for _ in range(_FAR):
        if node is None or node.op_type not in _RESTATING or not node.inputs or node.inputs[0] is None:
            break
        node = node.inputs[0].producer() or node
    return node


def _unique(names: list[str]) -> list[str]:
    seen: Counter[str] = Counter()
    found = []
    for name in names:
        seen[name] += 1
        found.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
    return found


def _module_path(node: ir.Node) -> str | None:
    """Return the innermost torch module: `layer1.0.conv2` of ['', 'layer1', 'layer1.0', 'layer1.0.conv2', 'op']."""
    scopes = node.metadata_props.get("pkg.torch.onnx.name_scopes")
    if not scopes:
        return None
    try:
        path = ast.literal_eval(scopes)
    except (ValueError, SyntaxError, MemoryError, RecursionError):  # text of somebody else's making
        return None
    if not isinstance(path, list) or len(path) < 2:  # noqa: PLR2004 - root and operator at least
        return None
    module, operator = str(path[-2]), str(path[-1])
    return module or operator or None


def _node_path(node: ir.Node) -> str | None:
    """Return `stage.0.conv` of /stage/stage.0/conv/Conv, `conv_a` of sequential_1/conv_a/convolution."""
    parts = [part for part in (node.name or "").split("/") if part]
    if len(parts) < 2:  # noqa: PLR2004 - a path and an operator
        return None
    path = [part for number, part in enumerate(parts[:-1]) if not parts[number + 1].startswith(f"{part}.")]
    last = re.sub(r"^(StatefulPartitionedCall|model|sequential\w*)$", "", path[-1])
    name = ".".join([*path[:-1], last]).strip(".")
    return f"{name}.{parts[-1].lower()}" if re.search("[A-Za-z]", name) else None


def _weight(node: ir.Node) -> str | None:
    """Return `conv1` of a node that reads the weight `conv1.weight`."""
    for value in node.inputs[1:]:
        if value is not None and value.is_initializer() and value.name and not value.name.startswith("onnx::"):
            name = _WEIGHT_ENDINGS.sub("", value.name)
            if name != value.name and _TELLING.search(name):
                return name.replace("/", ".")
    return None


def _weight_before(node: ir.Node) -> str | None:
    """Return `conv1.relu` of an activation of the layer that reads the weight `conv1.weight`."""
    before = node
    for _ in range(_FAR):
        if before.op_type not in _FOLLOWING | _RESTATING or not before.inputs or before.inputs[0] is None:
            return None
        if any(value is not None and not value.is_initializer() for value in before.inputs[1:]):
            return None  # a sum of two layers
        maker = before.inputs[0].producer()
        if maker is None:
            return None
        name = _weight(maker)
        if name is not None:
            return f"{name}.{node.op_type.lower()}"
        before = maker
    return None
