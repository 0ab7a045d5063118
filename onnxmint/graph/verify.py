"""The proof that surgery changed nothing: exposed models held against the original, in onnxruntime."""

from collections.abc import Sequence

import numpy as np
import onnx
import onnx_ir as ir

from onnxmint.errors import ModelError
from onnxmint.graph.layers import Layer
from onnxmint.graph.load import TargetModel, serialize_as_is, trial_image
from onnxmint.graph.running import run_once
from onnxmint.graph.serial import serialize

TOLERANCE = 1e-5  # with optimisation on: a tap forbids fusions around it
_REDUCED_TOLERANCE = 2e-3  # float16 holds three digits


def verify_exposed(
    target: TargetModel, exposed: ir.Model, layers: Sequence[Layer], *, cut: bool, reduced: bool = False
) -> list[str]:
    """Check an exposed model; return what was checked, a line each.

    Args:
        target: the original.
        exposed: from `expose`, with the layers as its last outputs.
        layers: what was exposed.
        cut: whether the original outputs are gone.
        reduced: whether values were pooled or cast, so that they cannot equal the original's.

    Raises:
        ModelError: the checker refuses it, or a value differs.
    """
    data = serialize(exposed)
    try:
        onnx.checker.check_model(data, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as problem:
        raise ModelError(f"the exposed model is not valid: {str(problem).strip().splitlines()[0]}") from None
    done = ["valid for the ONNX checker"]
    feeds = {target.input.name: trial_image(target.input, 1, np.random.default_rng(0))}
    outputs = [value.name or "" for value in exposed.graph.outputs]
    kept = [] if cut else outputs[: len(outputs) - len(layers)]
    original = target.model.clone()
    values = ir.convenience.create_value_mapping(original.graph, include_subgraphs=False)
    known = {value.name for value in original.graph.outputs}
    original.graph.outputs.extend(values[layer.tensor] for layer in layers if layer.tensor not in known)
    pairs = list(zip(kept, kept, strict=True))
    if not reduced:
        pairs += [(layer.tensor, layer.tensor) for layer in layers]
    plain = serialize_as_is(target.model, target.path)
    for optimise in (False, True):
        after = run_once(data, feeds, outputs, "the exposed model", optimise=optimise)
        before = {}
        if pairs:
            before |= run_once(serialize(original), feeds, [name for name, _ in pairs], target.path, optimise=optimise)
        if kept:
            before |= run_once(plain, feeds, kept, target.path, optimise=optimise)
        for old, new in pairs:
            _compare(before[old], after[new], new, exact=not optimise)
    if kept:
        done.append(f"kept outputs equal the original's: bit for bit as written, within {TOLERANCE:g} optimised")
    if not reduced:
        done.append(f"exposed values equal the original's: bit for bit as written, within {TOLERANCE:g} optimised")
    else:
        done.append("exposed values are reduced (pooled or cast) inside the graph")
    return done


def _compare(before: np.ndarray, after: np.ndarray, name: str, *, exact: bool) -> None:
    same = np.array_equal(before, after, equal_nan=True) if exact else np.allclose(
        before, after, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True
    )  # fmt: skip
    if not same:
        worst = float(np.abs(before.astype(np.float64) - after.astype(np.float64)).max())
        raise ModelError(f"the exposed model's output {name!r} differs from the original's by {worst:.2g}; report this")
