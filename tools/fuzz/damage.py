"""Edits of ONNX files without any care: broken references, absurd numbers, lying places of weights, flipped bytes."""

import random
from collections.abc import Callable

import numpy as np
import onnx
from onnx import TensorProto, helper

_BIG = (0, 1, -1, 2, 3, 7, 255, 2**31 - 1, 2**31, -(2**31), 2**62, -(2**62), 10**6, 10**9)
_OPS = (
    "Relu", "Add", "Mul", "Identity", "Reshape", "Transpose", "Flatten", "Squeeze", "Softmax", "Dropout", "Concat",
    "Gather",
    "Shape", "ConstantOfShape", "Expand", "Tile", "ReduceMean", "Cast", "If", "Loop", "Conv", "MatMul", "Gemm",
    "ArgMax", "TopK",
    "Split", "Slice", "Pad", "Resize", "BatchNormalization", "NonZero", "SequenceConstruct", "Range", "Bernoulli",
    "Optional",
)  # fmt: skip
_PLACES = (
    "../secret.bin", "/dev/zero", "/etc/passwd", "w.bin", "no.bin", "", ".", "..", "w\0.bin", "w" * 300, "m.onnx",
    "sub/../w.bin",
    "*/_ORT_MEM_ADDR_/*", "~/x", "link.bin",
)  # fmt: skip
_NUMBERS = ("0", "-4", "4", "99999999999", "1" * 5000, " 0", "٤", "0x10", "")


def nodes_of(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    """Return the nodes of the graph, of functions, and of graphs within."""
    found = [*model.graph.node, *(node for one in model.functions for node in one.node)]
    return found + [node for one in found for a in one.attribute if a.HasField("g") for node in a.g.node]


def _names(model: onnx.ModelProto) -> list[str]:
    made = [out for node in nodes_of(model) for out in node.output]
    return [*made, *(value.name for value in (*model.graph.input, *model.graph.initializer)), "", "nowhere"]


def _remove_node(model: onnx.ModelProto, rng: random.Random) -> None:
    if len(model.graph.node) > 1:
        model.graph.node.remove(rng.choice(model.graph.node))


def _another_op(model: onnx.ModelProto, rng: random.Random) -> None:
    rng.choice(nodes_of(model)).op_type = rng.choice(_OPS)


def _rewire(model: onnx.ModelProto, rng: random.Random) -> None:
    node, names = rng.choice(nodes_of(model)), _names(model)
    slots = rng.choice([node.input, node.output])
    if slots and rng.random() < 0.8:
        slots[rng.randrange(len(slots))] = rng.choice(names)
    else:
        slots.append(rng.choice(names))


def _attribute(model: onnx.ModelProto, rng: random.Random) -> None:
    found = [(node, one) for node in nodes_of(model) for one in node.attribute]
    if not found:
        return
    node, one = rng.choice(found)
    if rng.random() < 0.3:
        node.attribute.remove(one)
    elif one.ints:
        one.ints[rng.randrange(len(one.ints))] = rng.choice(_BIG)
    else:
        one.i, one.f = rng.choice(_BIG), float(rng.choice(_BIG))


def _weight(model: onnx.ModelProto, rng: random.Random) -> None:
    if not model.graph.initializer:
        return
    one = rng.choice(model.graph.initializer)
    how = rng.randrange(5)
    if how == 0 and one.dims:
        one.dims[rng.randrange(len(one.dims))] = rng.choice(_BIG)
    elif how == 1:
        one.data_type = rng.choice([1, 2, 3, 6, 7, 8, 9, 10, 11, 16, 22, 23, 0, 99])
    elif how == 2:
        model.graph.initializer.remove(one)
    elif how == 3 and one.data_type == TensorProto.INT64 and one.raw_data:
        numbers = np.frombuffer(one.raw_data, np.int64).copy()
        numbers[rng.randrange(len(numbers))] = rng.choice(_BIG)
        one.raw_data = numbers.tobytes()
    else:
        one.raw_data = one.raw_data[: rng.randrange(len(one.raw_data) + 1)]


def _outside(model: onnx.ModelProto, rng: random.Random) -> None:
    """Say that a weight lies in another file."""
    if not model.graph.initializer:
        return
    one = rng.choice(model.graph.initializer)
    one.ClearField("raw_data")
    one.data_location = TensorProto.EXTERNAL
    for _ in range(rng.choice([1, 1, 2])):
        one.external_data.add(key="location", value=rng.choice(_PLACES))
    for key in ("offset", "length", "checksum", "basepath"):
        if rng.random() < 0.3:
            one.external_data.add(key=key, value=rng.choice(_NUMBERS))


def _interface(model: onnx.ModelProto, rng: random.Random) -> None:
    value = rng.choice([*model.graph.input, *model.graph.output])
    tensor = value.type.tensor_type
    how = rng.randrange(5)
    if how == 0 and tensor.shape.dim:
        rng.choice(tensor.shape.dim).dim_value = rng.choice(_BIG)
    elif how == 1:
        tensor.elem_type = rng.randrange(24)
    elif how == 2:
        value.type.ClearField("value")
    elif how == 3:
        model.graph.input.add().CopyFrom(model.graph.input[0])
    else:
        made = helper.make_tensor_value_info(
            rng.choice(_names(model)), rng.choice([1, 7]), rng.choice([None, ["N", 4], [1]])
        )
        model.graph.output.add().CopyFrom(made)


def _versions(model: onnx.ModelProto, rng: random.Random) -> None:
    if rng.random() < 0.5:
        model.ir_version = rng.choice([0, 1, 3, 4, 7, 8, 10, 13, 14, 99])
    elif model.opset_import:
        one = rng.choice(model.opset_import)
        one.version = rng.choice([0, -1, 1, 5, 6, 7, 8, 9, 12, 13, 18, 21, 27, 99, 2**40])
        one.domain = rng.choice([one.domain, one.domain, "ai.onnx", "ai.onnx.ml", "own"])


def _order(model: onnx.ModelProto, rng: random.Random) -> None:
    made = [onnx.NodeProto.FromString(node.SerializeToString()) for node in model.graph.node]
    if rng.random() < 0.5:
        made.append(rng.choice(made))
    else:
        rng.shuffle(made)
    del model.graph.node[:]
    model.graph.node.extend(made)


def _domain(model: onnx.ModelProto, rng: random.Random) -> None:
    rng.choice(nodes_of(model)).domain = rng.choice(["", "ai.onnx", "ai.onnx.ml", "com.microsoft", "own"])


DAMAGE: tuple[Callable[[onnx.ModelProto, random.Random], None], ...] = (
    _remove_node, _another_op, _rewire, _rewire, _attribute, _attribute, _weight, _weight, _weight, _outside,
    _interface,
    _interface, _versions, _order, _domain,
)  # fmt: skip


def flipped(data: bytes, rng: random.Random) -> bytes:
    """Return bytes with some of them changed, perhaps cut or with a piece twice."""
    made = bytearray(data or b"\0")
    for _ in range(rng.randrange(1, 30)):
        made[rng.randrange(len(made))] = rng.choice([0, 255, 127, 128, rng.randrange(256)])
    how = rng.random()
    if how < 0.2:
        del made[rng.randrange(len(made)) :]
    elif how < 0.3:
        start = rng.randrange(len(made))
        made[start:start] = made[start : start + rng.randrange(200)]
    return bytes(made)
