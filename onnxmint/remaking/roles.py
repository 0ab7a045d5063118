"""Which numbers of a graph were learned, and what each is for: only these are learned anew, and all of them."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import onnx_ir as ir

from onnxmint.graph.answers import FLOATS
from onnxmint.graph.flow import constant_shape, image_nodes
from onnxmint.remaking.calls import refusal

Role = Literal["weight", "bias", "scale", "mean", "variance", "slope", "table"]

_RESTATING = {"Cast", "Identity", "Transpose", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Expand"}
_PLACES: dict[str, tuple[tuple[int, Role], ...]] = {
    "Conv": ((1, "weight"), (2, "bias")),
    "ConvTranspose": ((1, "weight"), (2, "bias")),
    "Gemm": ((1, "weight"), (2, "bias")),
    "MatMul": ((0, "weight"), (1, "weight")),
    "BatchNormalization": ((1, "scale"), (2, "bias"), (3, "mean"), (4, "variance")),
    "LayerNormalization": ((1, "scale"), (2, "bias")),
    "InstanceNormalization": ((1, "scale"), (2, "bias")),
    "GroupNormalization": ((1, "scale"), (2, "bias")),
    "PRelu": ((1, "slope"),),
}
_BEHIND: dict[str, Role] = {  # what these read beside a tensor that was made of the image and of weights
    "Add": "bias",
    "Sub": "bias",
    "Mul": "scale",
    "Div": "scale",
    "Concat": "table",
    "Gather": "table",
}
_PRODUCTS = {"Conv", "ConvTranspose", "Gemm", "MatMul"}
_FIXED = {"Resize", "Upsample", "Clip", "Pad"}  # their numbers are sizes and bounds
_MASK = 1e4  # what is added to attention to hide a place is larger, and was not learned
_FEWEST = 2  # numbers, below which a tensor is a constant of a formula


@dataclass(frozen=True, slots=True, kw_only=True)
class Weight:
    """A tensor that was learned.

    Attributes:
        name: of the initialiser, or of the output of the Constant, that holds it.
        role: what it is for.
        fan_in: of weights, how many numbers each output is made of.
    """

    name: str
    role: Role
    fan_in: int = 1


def find_learned(graph: ir.Graph, image: ir.Value, answer: ir.Value) -> dict[str, Weight]:
    """Return what was learned of a graph, by name.

    What stands before the first product with weights prepares the image and stays; behind it every tensor of numbers
    has to have a role, for one that stayed would tell what the target learned.

    Raises:
        ModelError: a tensor has no role.
    """
    nodes, carrying = image_nodes(graph, image, answer)
    found: dict[str, Weight] = {}
    behind: set[ir.Value] = set()
    made: dict[ir.Value, frozenset[str]] = {}
    for node in nodes:
        touched = any(value in behind for value in node.inputs if value is not None)
        for role, value, holder in _read(node, touched=touched):
            tensor = ir.convenience.get_const_tensor(holder)
            if tensor is not None and holder.name and holder.name not in found:
                found[holder.name] = Weight(name=holder.name, role=role, fan_in=_fan_in(node, role, value, tensor))
        of = frozenset[str]().union(*(_made_of(value, made) for value in node.inputs if value is not None))
        if not any(value in carrying for value in node.outputs):
            made.update(dict.fromkeys(node.outputs, of))
        elif touched or node.op_type in _PRODUCTS:
            if node.op_type not in _FIXED and of - found.keys():
                raise refusal(node.op_type, node.name or "", f" with numbers of its own ({min(of - found.keys())!r})")
            behind.update(node.outputs)
    return found


def _made_of(value: ir.Value, made: Mapping[ir.Value, frozenset[str]]) -> frozenset[str]:
    """Return the names of what may have been learned and a value that does not depend on the image is made of."""
    if value in made:
        return made[value]
    tensor = ir.convenience.get_const_tensor(value)
    if tensor is None or tensor.dtype not in FLOATS or not _was_learned(value):
        return frozenset()
    return frozenset({value.name or ""})


def _read(node: ir.Node, *, touched: bool) -> Iterator[tuple[Role, ir.Value, ir.Value]]:
    """Yield what a node reads of what was learned: role, value as it reads it, and value that holds it."""
    places = _PLACES.get(node.op_type, ())
    if not places and touched and node.op_type in _BEHIND:
        places = tuple((place, _BEHIND[node.op_type]) for place in range(len(node.inputs)))
    if node.op_type == "Gather":  # of a table only the first input, whoever asks
        places = ((0, "table"),)
    for place, role in places:
        value = node.inputs[place] if place < len(node.inputs) else None
        holder = None if value is None else _holder(value)
        if value is None or holder is None:
            continue
        if node.op_type in _PLACES or _was_learned(holder):
            yield role, value, holder


def _holder(value: ir.Value) -> ir.Value | None:
    """Return the initialiser or Constant of floating-point numbers behind a value, None where there is none."""
    while (tensor := ir.convenience.get_const_tensor(value)) is None:
        node = value.producer()
        if node is None or node.op_type not in _RESTATING or not node.inputs or node.inputs[0] is None:
            return None
        value = node.inputs[0]
    return value if tensor.dtype in FLOATS else None


def _was_learned(holder: ir.Value) -> bool:
    """Say whether numbers can have been learned: several, not all the same, none of them a mask."""
    tensor = ir.convenience.get_const_tensor(holder)
    if tensor is None or tensor.size < _FEWEST:
        return False
    values = tensor.numpy().astype(np.float64)
    return bool(np.ptp(values) > 0 and np.isfinite(values).all() and np.abs(values).max() < _MASK)


def _fan_in(node: ir.Node, role: Role, value: ir.Value, tensor: ir.TensorProtocol) -> int:
    if role != "weight":
        return 1
    shape = constant_shape(value) or tuple(tensor.shape.numpy())
    if node.op_type == "Gemm":
        return int(shape[-1] if node.attributes.get_int("transB", 0) else shape[0])
    if node.op_type == "MatMul":
        return int(shape[-1] if value is node.inputs[0] else shape[-2 if len(shape) > 1 else 0])
    if node.op_type == "ConvTranspose":
        return max(1, math.prod(shape) // max(1, shape[1]))
    return max(1, math.prod(shape[1:]))


def require_known(kinds: Mapping[str, object], nodes: Sequence[ir.Node]) -> None:
    """Refuse a graph with an operator that is not known.

    Raises:
        ModelError: naming the first.
    """
    for node in nodes:
        inner = any(one.type in (ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS) for one in node.attributes.values())
        if node.domain != "" or inner or node.op_type not in kinds:
            kind = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
            name = node.name or (node.outputs[0].name if node.outputs else "") or ""
            raise refusal(kind, name)
