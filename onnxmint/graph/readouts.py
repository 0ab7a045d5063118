"""What leaves a graph for a module to read: layers in the form that modules take, and the answer as rows."""

import numpy as np
import onnx_ir as ir

from onnxmint.graph.answers import Answer
from onnxmint.graph.layer import Layer
from onnxmint.graph.parts import Writer, pool_tokens, to_channels_first

_LAST = np.float32(2**-24)  # from 1 to the number before it

Readout = tuple[ir.Value, tuple[int, ...]]
"""A value (N, ...) and its shape per image."""


def as_module_input(writer: Writer, value: ir.Value, layer: Layer, pool: tuple[int, int] | None) -> Readout:
    """Return a layer as float32: maps channels first and pooled when large, tokens pooled, vectors as they are."""
    shape = layer.shape
    value = writer.cast(value, ir.DataType.FLOAT)
    if layer.kind == "map":
        value, shape = to_channels_first(writer, value, layer)
        if pool is not None and (shape[1] > pool[0] or shape[2] > pool[1]):
            size = (min(pool[0], shape[1]), min(pool[1], shape[2]))
            value, shape = writer.pool(value, shape, size), (shape[0], *size)
    if layer.kind == "tokens":
        value, shape = pool_tokens(writer, value, layer)
    return value, shape


def side_by_side(writer: Writer, parts: list[Readout]) -> Readout:
    """Return layers side by side: along their channels where all are maps of one size, else averaged to vectors."""
    sizes = {shape[1:] for _, shape in parts}
    if len(sizes) > 1:
        parts = [_averaged(writer, value, shape) for value, shape in parts]
    channels = sum(shape[0] for _, shape in parts)
    return writer.op("Concat", [value for value, _ in parts], {"axis": 1}), (channels, *parts[0][1][1:])


def _averaged(writer: Writer, value: ir.Value, shape: tuple[int, ...]) -> Readout:
    """Return (N, C) of (N, C, H, W) or (N, C)."""
    if len(shape) == 1:
        return value, shape
    mean = writer.op("GlobalAveragePool", [value])
    return writer.op("Reshape", [mean, writer.constant(np.array([-1, shape[0]]), "averaged")]), shape[:1]


def answer_rows(writer: Writer, value: ir.Value, answer: Answer) -> ir.Value:
    """Return the answer as float32 (N, classes): of a single column z, the logits (0, z), or of p, (1 - p, p).

    Probabilities of labels become their log-odds; of one that float32 rounds to 1, those of the last number before 1.
    """
    value = writer.cast(value, ir.DataType.FLOAT)
    if answer.rank != 2:  # noqa: PLR2004 - batch and classes
        columns = 1 if answer.single else answer.classes
        value = writer.op("Reshape", [value, writer.constant(np.array([-1, columns]), "rows")])
    if answer.squashed:
        rest = writer.op("Sub", [writer.constant(np.float32(1), "one"), value])
        sides = [(value, writer.constant(np.float32(1e-30), "smallest")), (rest, writer.constant(_LAST, "last"))]
        logs = [writer.op("Log", [writer.op("Add", list(side))]) for side in sides]
        return writer.op("Sub", logs)
    if not answer.single:
        return value
    if answer.kind == "logits":
        return writer.op("MatMul", [value, writer.constant(np.array([[0, 1]], np.float32), "second")])
    both = writer.op("MatMul", [value, writer.constant(np.array([[-1, 1]], np.float32), "both")])
    return writer.op("Add", [both, writer.constant(np.array([1, 0], np.float32), "rest")])
