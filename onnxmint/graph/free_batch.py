"""A fixed batch size made free, and the proof that images still do not mix."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from onnxmint.errors import ModelError
from onnxmint.graph.flow import inputs_of
from onnxmint.graph.inputs import ImageInput, fits_trial, trial_image
from onnxmint.graph.isolation import Budget, TrialTimeout
from onnxmint.graph.running import budget_for, opened
from onnxmint.graph.wire import Arrays

_TRIAL = 3
_TOLERANCE = 1e-4


def with_dynamic_batch(
    model: ir.Model,
    image: ImageInput,
    path: Path,
    *,
    budget: Budget | None = None,
    ignored: Collection[str] = (),
    proven: bool = False,
) -> ir.Model:
    """Return the model with a free batch dimension "N"; one that takes one image, and mixes several, as it is.

    Shapes inside the graph are dropped, and Reshape constants that start with the old batch size start with -1 or 0.
    A batch of three images must then give what three runs give.

    Args:
        model: a copy that may be changed.
        image: its image input, with the fixed batch size.
        path: where it came from, for messages.
        budget: what the trial runs may take; None for one of their own.
        ignored: outputs that are not compared.
        proven: another copy of this model was freed and tried before, so this one is not tried.

    Raises:
        ModelError: the graph does not allow it, and why.
    """
    old = image.batch
    if old is None or image.mixes:
        return model
    if proven:
        _free(model, old, image.name)
        return model
    before = model.clone()
    names = [value.name or "" for value in model.graph.outputs if value.name not in ignored]
    _free(model, old, image.name)
    budget = budget or budget_for(model)
    images = _several(image, old)
    try:
        with opened(model, path, budget=budget) as trial:
            together = trial.run({image.name: images}, names)
    except TrialTimeout:
        raise
    except ModelError as problem:
        raise ModelError(f"{path} has a fixed batch size of {old} that cannot be freed: {problem}") from None
    odd = _first_odd(before, image, images, together, (path, budget))
    if odd is not None:
        raise ModelError(
            f"{path} has a fixed batch size of {old} and mixes or reorders images when it is freed (output {odd!r}); "
            "export it with a dynamic batch dimension"
        )
    return model


def _first_odd(
    before: ir.Model, image: ImageInput, images: NDArray[Any], together: Arrays, trials: tuple[Path, Budget]
) -> str | None:
    """Return an output of all images that is another when the graph as it was is shown batches of the old size."""
    path, budget = trials
    old = image.batch or 1
    with opened(before, path, budget=budget) as trial:
        for start in range(0, len(images), old):
            alone = trial.run({image.name: _padded(images[start : start + old], old)}, list(together))
            for name, whole in together.items():
                if not _fits(whole, alone[name], images, start):
                    return name
    return None


def _several(image: ImageInput, old: int) -> NDArray[Any]:
    """Return images for the freed graph: three batches of the old size, or, of a large one, half of one.

    Raises:
        ModelError: a single one is too large to be tried beside others.
    """
    rng = np.random.default_rng(0)
    one = trial_image(image, old, rng)
    if fits_trial(image, _TRIAL * old):
        return np.concatenate([one, *(trial_image(image, old, rng) for _ in range(_TRIAL - 1))])
    if old > 1:
        return one[: old // 2]
    raise ModelError("an image is too large to be tried beside others")


def _padded(part: NDArray[Any], old: int) -> NDArray[Any]:
    """Return images as a batch of the old size."""
    missing = np.zeros((old - len(part), *part.shape[1:]), part.dtype)
    return np.concatenate([part, missing]) if len(missing) else part


def _fits(whole: NDArray[Any], alone: NDArray[Any], images: NDArray[Any], start: int) -> bool:
    """Say whether an output of all images holds, from `start` on, what an output of some of them holds."""
    if whole.ndim == 0:
        return True  # one number for all images is of none of them
    if len(whole) != len(images):
        return _same(whole, alone)
    return _same(whole[start : start + len(alone)], alone[: len(images) - start] if alone.ndim else alone)


def _same(part: NDArray[Any], alone: NDArray[Any]) -> bool:
    if part.dtype.kind != "f":
        return np.array_equal(part, alone)
    return part.shape == alone.shape and np.allclose(part, alone, atol=_TOLERANCE, rtol=_TOLERANCE)


def can_be_freed(
    model: ir.Model, image: ImageInput, path: Path, *, budget: Budget | None = None, ignored: Collection[str] = ()
) -> bool:
    """Say whether `with_dynamic_batch` succeeds."""
    try:
        with_dynamic_batch(model.clone(), image, path, budget=budget, ignored=ignored)
    except TrialTimeout:
        raise
    except ModelError:
        return False
    return True


def _free(model: ir.Model, old: int, image: str) -> None:
    graph = model.graph
    ends = set(graph.outputs)
    carrying = {value for value in graph.inputs if value.name == image}
    for node in graph:
        for value in node.outputs:
            value.shape = value.shape if value in ends else None
        if not any(value in carrying for value in inputs_of(node)):
            continue  # weights may be reshaped to start with the same number
        carrying.update(node.outputs)
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
