"""The proof that surgery changed nothing: exposed models held against the original, in onnxruntime."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx_ir as ir

from onnxmint.errors import ModelError
from onnxmint.graph.inputs import trial_image
from onnxmint.graph.layer import Layer
from onnxmint.graph.load import TargetModel
from onnxmint.graph.parts import averaging
from onnxmint.graph.randomness import named, suspects
from onnxmint.graph.running import budget_for, exposing, opened, run_once
from onnxmint.graph.serial import NEWEST_IR, structure
from onnxmint.graph.standard import new_objection
from onnxmint.graph.surgery import exposed_names
from onnxmint.graph.wire import Arrays

TOLERANCE = 1e-5  # with optimisation on: a tap forbids fusions around it
_REDUCED_TOLERANCE = 2e-3  # float16 holds three digits
_HALVES = (ir.DataType.FLOAT16, ir.DataType.BFLOAT16)


def verify_exposed(
    target: TargetModel,
    exposed: ir.Model,
    layers: Sequence[Layer],
    *,
    cut: bool,
    pool: tuple[int, int] | None = None,
    dtype: str | None = None,
) -> list[str]:
    """Check an exposed model; return what was checked, a line each.

    Args:
        target: the original.
        exposed: from `expose`, with the layers as its outputs, after the original ones when they were kept.
        layers: what was exposed.
        cut: as `expose` was told.
        pool: as `expose` was told.
        dtype: as `expose` was told.

    Raises:
        ModelError: the checker refuses it, or a value differs.
    """
    if (found := new_objection(structure(exposed), lambda: structure(target.model))) is not None:
        raise ModelError(f"the exposed model is not valid: {found}; report this")
    kept = [] if cut else [name for name in _outputs(target.model) if name not in target.erratic]
    feeds = {target.input.name: trial_image(target.input, 1, np.random.default_rng(0))}
    optimised = _REDUCED_TOLERANCE if _holds_halves(target.model) else TOLERANCE
    near = _REDUCED_TOLERANCE if dtype else optimised
    reduced = [pool is not None or dtype not in (None, layer.dtype) for layer in layers]
    for optimise in (False, True):
        exact = optimised if optimise else 0
        before = _original(target, layers, feeds, kept, optimise=optimise)
        after = run_once(exposed, feeds, _outputs(exposed), "the exposed model", optimise=optimise)
        pairs = [(name, before[name], exact) for name in kept if name in before]
        for layer, name, changed in zip(layers, exposed_names(exposed, layers), reduced, strict=True):
            value = _read(before, layer)
            _require_range(value, layer, dtype)
            pairs.append((name, _reduced(value, layer, pool), near) if changed else (name, value, exact))
        if (odd := _first_difference(pairs, after)) is not None:
            again = _original(target, layers, feeds, kept, optimise=optimise)
            raise ModelError(_blamed(odd, target, before, again))
    return _done(kept=bool(kept), reduced=any(reduced), near=near, optimised=optimised)


def _require_range(value: np.ndarray, layer: Layer, dtype: str | None) -> None:
    """Refuse float16 for a layer whose values it cannot hold."""
    most, holds = float(np.abs(value[np.isfinite(value)]).max(initial=0)), float(np.finfo(np.float16).max)
    if dtype == "float16" and most > holds:
        raise ModelError(
            f"values of layer {layer.name} reach {most:.3g}, and float16 holds up to {holds:.5g}: leave --dtype out"
        )


def _outputs(model: ir.Model) -> list[str]:
    return [value.name or "" for value in model.graph.outputs]


def _holds_halves(model: ir.Model) -> bool:
    """Say whether a model computes in three digits: what is fused around a layer is rounded elsewhere then."""
    tensors = (value for graph in model.graphs() for value in (*graph.inputs, *graph.initializers.values()))
    casts = (node.attributes.get("to") for graph in model.graphs() for node in graph if node.op_type == "Cast")
    kinds = {value.dtype for value in tensors} | {ir.DataType(to.as_int()) for to in casts if to is not None}
    return not kinds.isdisjoint(_HALVES)


def _done(*, kept: bool, reduced: bool, near: float, optimised: float) -> list[str]:
    """Return what was checked, a line each."""
    same = f"bit for bit as written, within {optimised:g} optimised"
    of_reduced = f"exposed values equal the original's, reduced by NumPy, within {near:g}"
    return [
        "valid for the ONNX checker",
        *([f"kept outputs equal the original's: {same}"] if kept else []),
        of_reduced if reduced else f"exposed values equal the original's: {same}",
    ]


def _original(
    target: TargetModel, layers: Sequence[Layer], feeds: Arrays, kept: list[str], *, optimise: bool
) -> Arrays:
    """Run the original: as it is for the outputs, with the layers exposed for their values."""
    names = [name for layer in layers for name in (layer.tensor, *(layer.quantised or ())) if name]
    found = run_once(exposing(target.model, names), feeds, list(dict.fromkeys(names)), target.path, optimise=optimise)
    if kept:
        budget = budget_for(target.model)
        with opened(_as_it_came(target, optimise=optimise), target.path, optimise=optimise, budget=budget) as trial:
            found |= trial.run(feeds, kept)
    return found


def _as_it_came(target: TargetModel, *, optimise: bool) -> Path | ir.Model:
    """Return the file itself; where its IR version may be too new for the runtime, what was read of it.

    A file whose Dropout is on until onnxruntime optimises it can be held against itself only then.
    """
    as_it_is = target.ir_version <= NEWEST_IR and (optimise or not target.calmed)
    return target.path if as_it_is else target.model


def _read(found: Arrays, layer: Layer) -> np.ndarray:
    """Return a layer's value, dequantised by hand where the graph holds whole numbers."""
    value = found[layer.tensor]
    if layer.quantised is None:
        return value
    scale, zero = layer.quantised
    whole = value.astype(np.int32) - (found[zero].astype(np.int32) if zero else 0)
    dequantised: np.ndarray = whole.astype(np.float32) * found[scale].astype(np.float32)
    return dequantised


def _reduced(value: np.ndarray, layer: Layer, pool: tuple[int, int] | None) -> np.ndarray:
    """Do in NumPy what the graph was told to do."""
    if pool is None:
        return value
    maps = value.astype(np.float64)
    maps = maps if layer.layout == "NCHW" else maps.transpose(0, 3, 1, 2)
    pooled: np.ndarray = averaging(maps.shape[2], pool[0]) @ maps @ averaging(maps.shape[3], pool[1]).T
    return pooled


def _first_difference(pairs: Sequence[tuple[str, np.ndarray, float]], after: Arrays) -> str | None:
    """Return in words how the first of some values (name, original, tolerance) differs, None when none does."""
    found = (_difference(value, after[name], tolerance) for name, value, tolerance in pairs)
    return next((words for words in found if words is not None), None)


def _difference(before: np.ndarray, after: np.ndarray, tolerance: float) -> str | None:
    """Return in words how two values differ, None when they do not; with a tolerance of 0 bit for bit."""
    numbers = before.dtype.kind == "f"
    if tolerance == 0 or not numbers:
        same = before.dtype == after.dtype and np.array_equal(before, after, equal_nan=numbers)
    else:
        scale = max(1.0, float(np.abs(before[np.isfinite(before)]).max(initial=0)))
        same = np.allclose(before, after, rtol=tolerance, atol=tolerance * scale, equal_nan=True)
    if same:
        return None
    if not numbers or before.shape != after.shape:
        return "differs from the original's"
    return f"differs from the original's by {np.nanmax(np.abs(before.astype(np.float64) - after)):.2g}"


def _blamed(odd: str, target: TargetModel, before: Arrays, again: Arrays) -> str:
    """Return why an exposed value differs: the original is another each time itself, or we made a mistake."""
    if all(_difference(value, again[name], 0) is None for name, value in before.items()):
        return f"an output of the exposed model {odd}; report this"
    nodes = suspects(target.model, list(target.model.graph.outputs))
    why = f" ({named(nodes)})" if nodes else ""
    return f"{target.path}: the model computes at random{why}: export it in evaluation mode"
