"""The one-file auditor: prepared target, MINT module and calibration in one graph."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
from numpy.typing import NDArray
from onnx_ir.passes import common as passes

from onnxmint.errors import ModelError
from onnxmint.graph.auditor_outputs import ANSWER, FREE, FREE_LEVEL, HARDNESS, LEVEL, P_VALUE, SCORE, SCORES
from onnxmint.graph.instrument import Instrumented
from onnxmint.graph.parts import Writer
from onnxmint.graph.running import opened
from onnxmint.graph.serial import clamp_ir_version, serialize
from onnxmint.graph.standard import new_objection
from onnxmint.graph.surgery import declare

_PREFIX = "mint/"
_AXES = {SCORE: 1, P_VALUE: 1, ANSWER: 2, SCORES: 2, LEVEL: 1, FREE: 2, FREE_LEVEL: 1, HARDNESS: 1}  # of outputs
_SOMETIMES = (SCORES, LEVEL, FREE, FREE_LEVEL, HARDNESS)  # cross-fitted; several views; labels; references


def append_module(
    instrumented: Instrumented,
    module: bytes,
    *,
    activation: str,
    known: Sequence[NDArray[np.float32]],
    metadata: Mapping[str, str],
) -> ir.Model:
    """Return the auditor: raw pixels in; "score" (N,), "p_value" (N,) and "answer" (N, classes) out, all float32.

    With more than one network (cross-fitting) "scores" (N, K) are given too, and "score" is their mean. Where the
    target sees several views, "level" (N,) is its mean log-odds over them; where labels are told, "free" (N, K) are the
    scores that the model's own top class would have got, and "free_level" (N,) its mean log-odds. Where references are
    beside the target, "hardness" (N,) is their mean log-odds.

    Args:
        instrumented: the prepared target.
        module: serialised ONNX module, input "activation", output "score", at the target's opset.
        activation: name of its output that the module reads.
        known: for each network (n_k,) scores of known non-members that it did not learn from; the p-value of scores s
            is (1 + #{c >= s}) / (n + 1), each compared under its own network.
        metadata: key and text pairs kept in the file.

    Raises:
        ModelError: the opsets differ, or the result is not a valid model.
    """
    model = instrumented.model.clone()
    head = _read_module(module, model.graph.opset_imports.get(""))
    values = ir.convenience.create_value_mapping(model.graph, include_subgraphs=False)
    given = _adopt(model, head, values[activation], _PREFIX)
    free, unlabelled = None, _without_labels(instrumented, activation)
    if unlabelled is not None:
        again = _read_module(module, model.graph.opset_imports.get(""))
        free = _adopt(model, again, values[unlabelled], f"{_PREFIX}free/")
    model.graph.outputs.clear()
    for name, value in _outputs(model, instrumented, given, free, known).items():
        last = {ANSWER: (instrumented.classes,), SCORES: (len(known),), FREE: (len(known),)}.get(name, ())
        declare(value, ir.DataType.FLOAT, ("N", *last))
        model.graph.outputs.append(value)
    return _finished(model, instrumented.model, metadata)


def _without_labels(instrumented: Instrumented, activation: str) -> str | None:
    """Return what the module would read were no labels told, None where it reads none."""
    return {instrumented.odds: instrumented.free, instrumented.relative: instrumented.relative_free}.get(activation)


def _outputs(
    model: ir.Model,
    instrumented: Instrumented,
    given: ir.Value,
    free: ir.Value | None,
    known: Sequence[NDArray[np.float32]],
) -> dict[str, ir.Value]:
    """Write what an auditor gives out, behind the module's score and, where there is one, the score free of labels."""
    values = ir.convenience.create_value_mapping(model.graph, include_subgraphs=False)
    writer = Writer(model, taken=values)
    outputs = {
        SCORE: writer.op("Identity", [given], name=SCORE) if len(known) == 1 else _mean(writer, given, len(known)),
        P_VALUE: _p_value(writer, given, known),
        ANSWER: writer.op("Identity", [values[instrumented.answer]], name=ANSWER),
        **({SCORES: writer.op("Identity", [given], name=SCORES)} if len(known) > 1 else {}),
    }
    if instrumented.odds is not None and instrumented.views > 1:
        outputs[LEVEL] = _level(writer, values[instrumented.odds], instrumented.views, LEVEL)
        if instrumented.free is not None:
            outputs[FREE_LEVEL] = _level(writer, values[instrumented.free], instrumented.views, FREE_LEVEL)
    if instrumented.hardness is not None:
        outputs[HARDNESS] = writer.op("Identity", [values[instrumented.hardness]], name=HARDNESS)
    if free is not None:
        flat = writer.constant(np.array([-1, len(known)]), "beside")
        outputs[FREE] = writer.op("Reshape", [free, flat], name=FREE)
    return outputs


def _read_module(module: bytes, wanted: int | None) -> ir.Model:
    """Return the module's graph, whose opset must be the target's."""
    head = ir.from_proto(onnx.load_model_from_string(module))
    passes.RemoveInitializersFromInputsPass()(head)  # torch lists weights as inputs below opset 9
    found = head.graph.opset_imports.get("")
    if found != wanted:
        raise ModelError(f"the module was exported at opset {found}, the target has {wanted}; they cannot be merged")
    return head


def _finished(model: ir.Model, origin: ir.Model, metadata: Mapping[str, str]) -> ir.Model:
    """Return the whole with its metadata and valid names, when the ONNX checker has no more against it than before."""
    model.metadata_props.update(metadata)
    passes.NameFixPass()(model)
    clamp_ir_version(model)
    if (found := new_objection(serialize(model), lambda: serialize(origin))) is not None:
        raise ModelError(f"target and module do not merge into a valid model: {found}; report this with the model")
    return model


def try_auditor(proto: onnx.ModelProto, model: bytes, path: Path, *, size: tuple[int, int, int], folds: int) -> float:
    """Run the graph of an auditor's file on blank images and hold what it gives against what an auditor gives.

    Args:
        proto: of the file; it may have no weights outside (`refuse_external_data`).
        model: the content of the file.
        path: of the file.
        size: height, width and channels of the images that it says it takes.
        folds: networks that it says it has.

    Returns:
        The seconds that an image took; see `patience`.

    Raises:
        ModelError: it cannot be run within the limits of trial runs, or it is no auditor.
    """
    own = {tensor.name for tensor in proto.graph.initializer}
    inputs = [value for value in proto.graph.input if value.name not in own]
    kinds = [value.type.tensor_type.elem_type for value in inputs]
    if kinds not in ([onnx.TensorProto.UINT8], [onnx.TensorProto.UINT8, onnx.TensorProto.INT64]):
        raise ModelError(f"{path}: it does not take pixels, and perhaps labels, as an auditor does; train it again")
    first = inputs[0].type.tensor_type.shape.dim[:1]
    count = 1 if first and first[0].dim_value == 1 else 2
    blank: list[NDArray[Any]] = [np.zeros((count, *size), np.uint8), np.zeros(count, np.int64)]
    with opened(model, path, optimise=True) as trial:
        names = [name for name in _AXES if name in trial.types]
        given = trial.run({value.name: array for value, array in zip(inputs, blank, strict=False)}, names)
    for name, axes in _AXES.items():
        if name not in given and name in _SOMETIMES:
            continue
        shape = given[name].shape if name in given and given[name].dtype.kind == "f" else ()
        wanted = (count, *((folds,) if name in (SCORES, FREE) else shape[1:2])[: axes - 1])
        if shape != wanted or len(shape) != axes:
            raise ModelError(
                f"{path}: its output {name!r} has shape {list(shape)} for {count} images, and an auditor's has {axes} "
                f"axes, the images first{f', then {folds}' if name in ('scores', 'free') else ''}; train it again"
            )
    return trial.seconds / count


def _adopt(model: ir.Model, head: ir.Model, activation: ir.Value, prefix: str) -> ir.Value:
    """Move the module's nodes behind the activation, under prefixed names; return its score."""
    graph, module = model.graph, head.graph
    (entry,), (score,) = module.inputs, module.outputs
    for node in ir.traversal.RecursiveGraphIterator(module):
        node.name = f"{prefix}{node.name}"
        for value in node.outputs:
            if value.name:
                value.name = f"{prefix}{value.name}"
    ir.convenience.replace_all_uses_with(entry, activation)
    module.outputs.clear()
    for name in list(module.initializers):
        value = module.initializers.pop(name)
        value.name = f"{prefix}{name}"
        graph.register_initializer(value)
    nodes = list(module)
    module.remove(nodes)
    graph.extend(nodes)
    for key, function in head.functions.items():
        if key in model.functions and prefix == _PREFIX:
            raise ModelError(f"target and module both define a function {key}; report this with the model")
        model.functions[key] = function
    for domain, version in module.opset_imports.items():
        graph.opset_imports.setdefault(domain, version)
    return score


def _level(writer: Writer, odds: ir.Value, views: int, name: str) -> ir.Value:
    """Write the mean over the views of (N, V)."""
    weights = writer.constant(np.full((views, 1), 1 / views, np.float32), "weights")
    flat = writer.constant(np.array([-1]), "flat")
    return writer.op("Reshape", [writer.op("MatMul", [odds, weights]), flat], name=name)


def _mean(writer: Writer, scores: ir.Value, count: int) -> ir.Value:
    """Write the mean over the columns of (N, K)."""
    weights = writer.constant(np.full((count, 1), 1 / count, np.float32), "weights")
    flat = writer.constant(np.array([-1]), "flat")
    return writer.op("Reshape", [writer.op("MatMul", [scores, weights]), flat], name=SCORE)


def _p_value(writer: Writer, scores: ir.Value, known: Sequence[NDArray[np.float32]]) -> ir.Value:
    """Write the conformal p-value by comparing with all known scores and adding up by products of matrices."""
    count = sum(len(part) for part in known)
    below = writer.constant(np.zeros(1, np.float32), "none")
    for number, part in enumerate(known):
        score = scores
        if len(known) > 1:
            score = writer.op("Gather", [scores, writer.constant(np.int64(number), "network")], {"axis": 1})
        below = writer.op("Add", [below, _below(writer, score, part)])
    above = writer.op("Sub", [writer.constant(np.float32(count + 1), "all"), below])
    return writer.op("Div", [above, writer.constant(np.float32(count + 1), "all")], name=P_VALUE)


def _below(writer: Writer, score: ir.Value, known: NDArray[np.float32]) -> ir.Value:
    """Write how many known scores are below each of (N,) scores."""
    row = writer.constant(np.sort(known).astype(np.float32)[None, :], "known")
    column = writer.op("Reshape", [score, writer.constant(np.array([-1, 1]), "column")])
    below = writer.op("Cast", [writer.op("Less", [row, column])], {"to": int(ir.DataType.FLOAT)})
    number = writer.op("MatMul", [below, writer.constant(np.ones((len(known), 1), np.float32), "ones")])
    return writer.op("Reshape", [number, writer.constant(np.array([-1]), "flat")])
