"""Exposing layers: tap a graph at them, or cut it at them.

Work happens on copies; the target that came in is never changed. Cut graphs hold nothing that their outputs do not
need. onnx-ir's `extract` is used with the guards of shared/reference/onnx.md, section 1.3.
"""

from collections.abc import Mapping, Sequence

import onnx_ir as ir
from onnx_ir.passes import common as passes

from onnxmint.errors import ModelError, UsageError
from onnxmint.graph import flow
from onnxmint.graph.free_batch import with_dynamic_batch
from onnxmint.graph.layer import Layer
from onnxmint.graph.load import TargetModel
from onnxmint.graph.parts import TYPES, Writer, read_layer, to_channels_first

_LAYER = "onnxmint.layer"  # where an output of ours keeps the tensor that it was made from; copies remember it too


def expose(
    target: TargetModel,
    layers: Sequence[Layer],
    *,
    cut: bool,
    pool: tuple[int, int] | None = None,
    dtype: str | None = None,
) -> ir.Model:
    """Return a copy of the target that gives out some layers.

    Args:
        target: the model.
        layers: what to expose.
        cut: keep only what the layers need; otherwise the original outputs stay, and the layers follow them.
        pool: average maps to this height and width, exactly as torch's adaptive average pooling does.
        dtype: "float16" to cast the exposed values; None leaves them as they are.

    Raises:
        UsageError: a layer that is not a map cannot be pooled, or is smaller than what was asked for.
        ModelError: a fixed batch size cannot be made free.
    """
    model = with_dynamic_batch(target.model.clone(), target.input, target.path)
    graph = model.graph
    values = ir.convenience.create_value_mapping(graph, include_subgraphs=False)
    writer, batch = Writer(model, taken=values), _batch_name(model, target)
    exposed = []
    for layer in layers:
        value, shape = _read(writer, values, layer, pool, dtype)
        declare(value, TYPES[dtype or layer.dtype], (batch, *shape))
        value.meta[_LAYER] = layer.tensor
        exposed.append(value)
    if cut:
        return extract(model, exposed)
    known = {value.name for value in graph.outputs}
    graph.outputs.extend(value for value in exposed if value.name not in known)
    model.ir_version = max(model.ir_version, 4)  # the exposed values were declared in the newer way
    return model


def _read(
    writer: Writer, values: Mapping[str, ir.Value], layer: Layer, pool: tuple[int, int] | None, dtype: str | None
) -> tuple[ir.Value, tuple[int, ...]]:
    """Return the value of a layer, pooled and cast as asked for, under a name of its own, and its shape per image."""
    value, shape = read_layer(writer, values, layer), layer.shape
    if pool is not None:
        value, shape = _pooled(writer, value, layer, pool)
    if dtype is not None and dtype != layer.dtype:
        value = writer.cast(value, TYPES[dtype])
    if pool is not None or value.dtype != TYPES[layer.dtype]:
        value.name = writer.free(f"{layer.tensor}_reduced")
    return value, shape


def exposed_names(exposed: ir.Model, layers: Sequence[Layer]) -> list[str]:
    """Return the output that holds each layer in a model from `expose`: the last ones, or outputs kept."""
    names = {value.meta.get(_LAYER): value.name or "" for value in exposed.graph.outputs}
    return [names[layer.tensor] for layer in layers]


def extract(model: ir.Model, outputs: Sequence[ir.Value]) -> ir.Model:
    """Return a model of only what some values need: nodes, initialisers, inputs, functions.

    Raises:
        ModelError: the graph cannot be cut there.
    """
    graph = model.graph
    needed = flow.needed_for(list(outputs))
    # extract keeps every input that is named, used or not, and the runtime would then ask for it.
    inputs = [value for value in graph.inputs if value in needed and not value.is_initializer()]
    try:
        part = ir.convenience.extract(graph, inputs, list(outputs))
    except (ValueError, RuntimeError) as problem:
        raise ModelError(f"the graph cannot be cut at {outputs[0].name!r}: {problem}") from None
    _put_in_order(part, list(graph.initializers))
    whole = ir.Model(
        part,
        ir_version=max(model.ir_version, 4),  # before 4, initialisers had to be inputs too
        producer_name=model.producer_name,
        functions=list(model.functions.values()),
        metadata_props=dict(model.metadata_props),
    )
    passes.RemoveUnusedFunctionsPass()(whole)
    return whole


def _put_in_order(part: ir.Graph, names: Sequence[str]) -> None:
    """Give initialisers the order of the file they came from: onnx-ir keeps them in a set, and bytes would differ."""
    kept = {name: part.initializers.pop(name) for name in list(part.initializers)}
    for name in names:
        if name in kept:
            part.register_initializer(kept[name])


def _pooled(writer: Writer, value: ir.Value, layer: Layer, pool: tuple[int, int]) -> tuple[ir.Value, tuple[int, ...]]:
    if layer.kind != "map":
        raise UsageError(f"--pool needs a map; layer {layer.name!r} has shape {list(layer.shape)} per image")
    value, shape = to_channels_first(writer, value, layer)
    if pool[0] > shape[1] or pool[1] > shape[2]:
        raise UsageError(f"--pool {pool[0]}x{pool[1]} is larger than layer {layer.name!r} ({shape[1]}x{shape[2]})")
    return writer.pool(value, shape, pool), (shape[0], *pool)


def declare(value: ir.Value, dtype: ir.DataType, shape: tuple[int | str, ...]) -> None:
    """Set type and shape of an output; the checker refuses a file without them."""
    value.type = ir.TensorType(dtype)
    value.shape = ir.Shape(shape)


def _batch_name(model: ir.Model, target: TargetModel) -> str | int:
    """Return the name of the free batch dimension; of one that could not be freed its size, 1."""
    if target.input.batch is not None and target.input.mixes:
        return target.input.batch
    image = next(value for value in model.graph.inputs if value.name == target.input.name)
    size = image.shape[0] if image.shape is not None else None
    return str(size.value) if isinstance(size, ir.SymbolicDim) and size.value else "N"
