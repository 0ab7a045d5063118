"""A model's features as one vector an image, and a new linear layer behind them: another classifier of its trunk."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import onnx_ir as ir

from onnxmint.graph.layer import Layer
from onnxmint.graph.load import TargetModel
from onnxmint.graph.parts import Writer, read_layer
from onnxmint.graph.readouts import as_module_input
from onnxmint.graph.surgery import declare, extract
from onnxmint.stats.estimates import FloatArray

LOGITS = "onnxmint_logits"
"""The output of a model with a new linear layer, where the model has nothing of this name."""
_MOST = 4096  # numbers of a map, which is averaged until it has no more
_SIDES = (4, 2, 1)  # cells along each side that it is averaged to


@dataclass(frozen=True, slots=True, kw_only=True)
class Trunk:
    """A model with its features as one vector.

    Attributes:
        model: the classifier; its graph holds one more tensor.
        layer: that tensor, (N, d) float32.
    """

    model: TargetModel
    layer: Layer


def deepest(layers: Sequence[Layer], penultimate: Layer) -> tuple[Layer, ...]:
    """Return what a model knows of an image at its end: the last map before its last dense layer, and what that reads.

    What is where tells more than the average over all places.
    """
    before = [layer for layer in layers if layer.index < penultimate.index and layer.kind == "map"]
    return (*before[-1:], penultimate)


def trunk_of(target: TargetModel, layers: Sequence[Layer]) -> Trunk:
    """Return a model with layers as one vector an image: maps averaged to a few cells, tokens over all of them."""
    model = target.model.clone()
    values = ir.convenience.create_value_mapping(model.graph, include_subgraphs=False)
    writer = Writer(model, taken=values)
    parts = [_flat(writer, read_layer(writer, values, layer), layer, target) for layer in layers]
    value = parts[0][0] if len(parts) == 1 else writer.op("Concat", [part for part, _ in parts], {"axis": 1})
    width = sum(size for _, size in parts)
    joined = replace(
        layers[-1],
        name=" + ".join(layer.name for layer in layers),
        tensor=writer.identity(value, "features").name or "",
        shape=(width,),
        dtype="float32",
        kind="vector",
        layout="",
        class_token=False,
        quantised=None,
    )
    return Trunk(model=replace(target, model=model), layer=joined)


def _flat(writer: Writer, value: ir.Value, layer: Layer, target: TargetModel) -> tuple[ir.Value, int]:
    """Return a layer as (N, d) float32, and d."""
    if target.squeezes:
        value = writer.reshape(value, layer.shape)
    value, shape = as_module_input(writer, value, layer, None)
    if len(shape) > 1:
        side = next((one for one in _SIDES if shape[0] * one * one <= _MOST), 1)
        size = (min(side, shape[1]), min(side, shape[2]))
        if size != shape[1:]:
            value, shape = writer.pool(value, shape, size), (shape[0], *size)
    width = math.prod(shape)
    return writer.op("Reshape", [value, writer.constant(np.array([-1, width], np.int64), "flat")]), width


def with_head(trunk: Trunk, weight: FloatArray, bias: FloatArray) -> ir.Model:
    """Return a model of the trunk and a linear layer, whose only output is (N, K) logits.

    Args:
        trunk: what the features come from.
        weight: (d, K).
        bias: (K,).
    """
    model = trunk.model.model.clone()
    values = ir.convenience.create_value_mapping(model.graph, include_subgraphs=False)
    writer = Writer(model, taken=values)
    factors = [
        writer.constant(np.asarray(array, np.float32), name) for array, name in ((weight, "head"), (bias, "bias"))
    ]
    logits = writer.op("Gemm", [values[trunk.layer.tensor], *factors], name=LOGITS)
    declare(logits, ir.DataType.FLOAT, ("N", len(bias)))
    made = extract(model, [logits])
    made.metadata_props.clear()  # what the file said of its classes and pixels is another model's now
    return made
