"""Pieces of graph that surgery adds: casts, pooling, transpositions; in operators that every opset from 7 on has."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from onnxmint.graph.layer import Layer

TYPES = {"float16": ir.DataType.FLOAT16, "float32": ir.DataType.FLOAT, "float64": ir.DataType.DOUBLE}


class Writer:
    """Adds nodes to a graph under names that are free: at its end, or before the node `before`."""

    def __init__(self, model: ir.Model, taken: Mapping[str, ir.Value]) -> None:
        """Write into `model`; `taken` holds the names in use."""
        self._graph = model.graph
        self.opset = model.graph.opset_imports[""]
        self._taken = set(taken) | {value.name for value in model.graph.inputs} | set(model.graph.initializers)
        for node in ir.traversal.RecursiveGraphIterator(model.graph):  # nodes have names too, and may have ours already
            self._taken |= {node.name, *(value.name for value in node.outputs)}
        self.before: ir.Node | None = None

    def free(self, name: str) -> str:
        """Return the name, with a number behind it when it is taken, and take it."""
        found, number = name, 1
        while found in self._taken:
            number += 1
            found = f"{name}_{number}"
        self._taken.add(found)
        return found

    def release(self, value: ir.Value) -> None:
        """Free the name of a value that leaves the graph."""
        if value.name:
            self._taken.discard(value.name)
            value.name = self.free(f"{value.name}_replaced")

    def op(
        self, kind: str, inputs: Sequence[ir.Value], attributes: Mapping[str, Any] | None = None, name: str = ""
    ) -> ir.Value:
        """Add a node with one output and return the output."""
        out = ir.Value(name=self.free(name or f"onnxmint_{kind.lower()}"))
        written = [ir.convenience.convert_attribute(key, value) for key, value in (attributes or {}).items()]
        node = ir.Node("", kind, list(inputs), written, outputs=[out], name=self.free(f"node_{out.name}"))
        if self.before is None:
            self._graph.append(node)
        else:
            self._graph.insert_before(self.before, [node])
        return out

    def constant(self, array: Any, name: str, *, prefix: str = "onnxmint_") -> ir.Value:
        """Add an initialiser."""
        name = self.free(f"{prefix}{name}")
        tensor = ir.tensor(np.asarray(array), name=name)
        value = ir.Value(
            name=name, type=ir.TensorType(tensor.dtype), shape=ir.Shape(np.shape(array)), const_value=tensor
        )
        self._graph.register_initializer(value)
        return value

    def cast(self, value: ir.Value, dtype: ir.DataType) -> ir.Value:
        """Cast a value; one that has the type already is returned as it is."""
        return value if value.dtype == dtype else self.op("Cast", [value], {"to": int(dtype)})

    def reshape(self, value: ir.Value, shape: tuple[int, ...]) -> ir.Value:
        """Give a value the shape (N, ...); `shape` is that of one image."""
        kind = value.type
        value = self.op("Reshape", [value, self.constant(np.array([-1, *shape], np.int64), "shape")])
        value.type = kind
        return value

    def identity(self, value: ir.Value, name: str) -> ir.Value:
        """Give a value a further name."""
        return self.op("Identity", [value], name=f"onnxmint_{name}")

    def pool(self, value: ir.Value, shape: tuple[int, ...], size: tuple[int, int]) -> ir.Value:
        """Average (N, C, H, W) to `size` as torch's adaptive average pooling does, by two constant matrices."""
        rows = averaging(shape[1], size[0])
        columns = averaging(shape[2], size[1]).T
        kind = value.dtype or ir.DataType.FLOAT
        dtype = kind.numpy()
        value = self.op("MatMul", [value, self.constant(np.ascontiguousarray(columns.astype(dtype)), "columns")])
        pooled = self.op("MatMul", [self.constant(rows.astype(dtype), "rows"), value], name="onnxmint_pooled")
        pooled.type = ir.TensorType(kind)
        return pooled


def averaging(length: int, cells: int) -> np.ndarray:
    """Return the (cells, length) matrix of adaptive averaging: cell i takes floor(i l / c) to ceil((i + 1) l / c)."""
    matrix = np.zeros((cells, length))
    for cell in range(cells):
        start, end = cell * length // cells, -(-(cell + 1) * length // cells)
        matrix[cell, start:end] = 1 / (end - start)
    return matrix


def read_layer(writer: Writer, values: Mapping[str, ir.Value], layer: Layer) -> ir.Value:
    """Return the value of a layer as floating-point numbers, its type known; quantised tensors are dequantised."""
    value = values[layer.tensor]
    if layer.quantised is not None:
        names = [name for name in layer.quantised if name]
        value = writer.op("DequantizeLinear", [value, *(values[name] for name in names)], name=f"{layer.tensor}_float")
    value.type = ir.TensorType(TYPES[layer.dtype])
    return value


def to_channels_first(writer: Writer, value: ir.Value, layer: Layer) -> tuple[ir.Value, tuple[int, ...]]:
    """Return a map as (N, C, H, W) with its shape per image."""
    if layer.layout == "NCHW":
        return value, layer.shape
    height, width, channels = layer.shape
    return writer.op("Transpose", [value], {"perm": [0, 3, 1, 2]}), (channels, height, width)


def pool_tokens(writer: Writer, value: ir.Value, layer: Layer) -> tuple[ir.Value, tuple[int, ...]]:
    """Return (N, C) of tokens averaged, or (N, 2 C): the class token, then the average of the others.

    A model with a class token answers from that one; in an average over all tokens it would nearly vanish.
    """
    count, channels = layer.shape
    if layer.layout == "NCT":
        count, channels = channels, count
        value = writer.op("Transpose", [value], {"perm": [0, 2, 1]})
    rows = np.full((1, count), 1 / count, np.float32)
    if layer.class_token:
        rows = np.stack([np.eye(count)[0], (1 - np.eye(count)[0]) / (count - 1)]).astype(np.float32)
    value = writer.op("MatMul", [writer.constant(rows, "tokens"), value], name="onnxmint_pooled")
    shape = (len(rows) * channels,)
    return writer.op("Reshape", [value, writer.constant(np.array([-1, *shape]), "pooled")]), shape
