"""A fixed batch size made free, and the proof that images still do not mix."""

from pathlib import Path

import numpy as np
import onnx_ir as ir

from onnxmint.errors import ModelError
from onnxmint.graph.load import ImageInput, trial_image
from onnxmint.graph.running import run_once
from onnxmint.graph.serial import serialize

_TRIAL = 3
_TOLERANCE = 1e-4


def with_dynamic_batch(model: ir.Model, image: ImageInput, path: Path) -> ir.Model:
    """Return the model with a free batch dimension "N".

    Shapes inside the graph are dropped, and Reshape constants that start with the old batch size start with -1 or 0.
    A batch of three images must then give what three runs give.

    Args:
        model: a copy that may be changed.
        image: its image input, with the fixed batch size.
        path: where it came from, for messages.

    Raises:
        ModelError: the graph does not allow it, and why.
    """
    old = image.batch
    if old is None:
        return model
    before = serialize(model)
    names = [
        value.name or "" for value in model.graph.outputs if value.dtype in (ir.DataType.FLOAT, ir.DataType.FLOAT16)
    ]
    _free(model, old)
    images = trial_image(image, old, np.random.default_rng(0))
    many = np.concatenate([images, images[:, :, ::-1], images[..., ::-1]])[: _TRIAL * old]
    try:
        together = run_once(serialize(model), {image.name: many}, names, path)
    except ModelError as problem:
        raise ModelError(f"{path} has a fixed batch size of {old} that cannot be freed: {problem}") from None
    for start in range(0, len(many), old):
        alone = run_once(before, {image.name: many[start : start + old]}, names, path)
        for name in names:
            part = together[name][start : start + old] if len(together[name]) == len(many) else together[name]
            if part.shape != alone[name].shape or not np.allclose(part, alone[name], atol=_TOLERANCE, rtol=_TOLERANCE):
                raise ModelError(
                    f"{path} has a fixed batch size of {old} and mixes or reorders images when it is freed (output "
                    f"{name!r}); export it with a dynamic batch dimension"
                )
    return model


def _free(model: ir.Model, old: int) -> None:
    graph = model.graph
    ends = set(graph.outputs)
    for node in graph:
        for value in node.outputs:
            value.shape = value.shape if value in ends else None
        if node.op_type == "Reshape" and node.domain == "":
            _free_reshape(graph, node, old)
    for value in (*graph.inputs, *graph.outputs):
        if value.is_initializer() or value.shape is None or len(value.shape) == 0:
            continue
        value.shape = ir.Shape(["N", *list(value.shape)[1:]])


def _free_reshape(graph: ir.Graph, node: ir.Node, old: int) -> None:
    """Let a Reshape to a constant shape that starts with the old batch size keep whatever batch comes."""
    wanted = node.inputs[1]
    constant = None if wanted is None else ir.convenience.get_const_tensor(wanted)
    if wanted is None or constant is None:
        return
    shape = constant.numpy().astype(np.int64).copy()
    if len(shape) == 0 or shape[0] != old:
        return
    shape[0] = 0 if -1 in shape[1:] else -1
    name = f"{wanted.name}_any_batch"
    if name not in graph.initializers:
        value = ir.Value(name=name, const_value=ir.tensor(shape, name=name), type=ir.TensorType(ir.DataType.INT64))
        value.shape = ir.Shape([len(shape)])
        graph.register_initializer(value)
    node.replace_input_with(1, graph.initializers[name])
