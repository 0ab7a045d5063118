"""Reference models beside a target in one graph: what models say of an image that never saw it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import onnx
import onnx_ir as ir
from onnx import version_converter
from onnx_ir.passes import common as passes

from onnxmint.errors import ModelError
from onnxmint.graph.answers import Answer
from onnxmint.graph.instrument import Instrumented
from onnxmint.graph.parts import Writer
from onnxmint.graph.runtime import first_line
from onnxmint.graph.serial import serialize
from onnxmint.graph.surgery import declare
from onnxmint.graph.views import scaled_confidence

_PREFIX = "reference/"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceGraph:
    """A reference model, ready to be put beside a target.

    Attributes:
        model: input (N, H, W, C) uint8 as the target's, at the opset of the target.
        input: name of that input.
        output: name of its (N, classes) answer.
        answer: what that is.
        seconds: that an image took in the trial run.
    """

    model: ir.Model
    input: str
    output: str
    answer: Answer
    seconds: float


def reference_graph(found: Instrumented, answer: Answer, opset: int) -> ReferenceGraph:
    """Return a reference at the opset of a target.

    Args:
        found: the reference, without views.
        answer: of the reference.
        opset: of the target.

    Raises:
        ModelError: it cannot be written at this opset.
    """
    own = found.model.graph.opset_imports[""]
    model = found.model if own == opset else _converted(found.model, own, opset)
    return ReferenceGraph(
        model=model, input=found.input, output=found.answer, answer=answer, seconds=found.seconds
    )  # fmt: skip


def _converted(model: ir.Model, own: int, opset: int) -> ir.Model:
    if own > opset:
        raise ModelError(f"it was exported at opset {own}, the target at {opset}: export it at {opset} or less")
    try:
        proto = version_converter.convert_version(onnx.load_model_from_string(serialize(model)), opset)
    except (RuntimeError, ValueError) as problem:
        raise ModelError(
            f"it cannot be brought from opset {own} to the target's {opset}: {first_line(problem)}"
        ) from None
    return ir.from_proto(proto)


def with_references(found: Instrumented, references: Sequence[ReferenceGraph]) -> Instrumented:
    """Return a graph that shows the images themselves to references too.

    To its outputs come "hardness" (N,), the mean over the references of their log-odds of one class, and "relative"
    (N, V + 1), the target's log-odds in all views and behind them the hardness. The class is the target's: the label,
    or its top class where no labels are told; with labels the last two are given for its top class as well.

    Args:
        found: the target with views, its label settled; its model is changed.
        references: at its opset.

    Raises:
        ModelError: operators of another domain are wanted in two versions.
    """
    model = found.model
    values = ir.convenience.create_value_mapping(model.graph, include_subgraphs=False)
    pixels, said = values[found.input], values[found.answer]
    answers = [
        (_adopted(model, one, pixels, f"{_PREFIX}{number}/"), one.answer) for number, one in enumerate(references)
    ]
    writer = Writer(model, taken=values)
    unlabelled = writer.constant(np.array([-1]), "unlabelled")
    label = unlabelled if found.label is None else values[found.label]
    hardness = _hardness(writer, answers, said, label)
    flat = writer.op("Reshape", [hardness, writer.constant(np.array([-1]), "flat")], name="onnxmint_hardness")
    relative, free = writer.op("Concat", [values[found.odds or ""], hardness], {"axis": 1}), None
    if found.free is not None:
        of_top = _hardness(writer, answers, said, unlabelled)
        free = writer.op("Concat", [values[found.free], of_top], {"axis": 1})
    for value, shape in ((flat, ()), (relative, (found.views + 1,)), (free, (found.views + 1,))):
        if value is not None:
            declare(value, ir.DataType.FLOAT, ("N", *shape))
            model.graph.outputs.append(value)
    passes.NameFixPass()(model)
    return replace(
        found,
        hardness=flat.name,
        relative=relative.name,
        relative_free=None if free is None else free.name,
        seconds=found.seconds + sum(one.seconds for one in references),
    )


def _hardness(writer: Writer, answers: Sequence[tuple[ir.Value, Answer]], said: ir.Value, label: ir.Value) -> ir.Value:
    """Write (N, 1) the mean log-odds by references of the label, or of the target's top class where it is -1."""
    odds = [scaled_confidence(writer, value, said, label, answer=answer, count=1) for value, answer in answers]
    return odds[0] if len(odds) == 1 else writer.op("Mean", odds)


def _adopted(model: ir.Model, reference: ReferenceGraph, pixels: ir.Value, prefix: str) -> ir.Value:
    """Move a copy of a reference's nodes into a graph, behind the same pixels; return its answer."""
    part = reference.model.clone()
    _require_same_versions(model, part)
    graph = part.graph
    answer = next(value for value in graph.outputs if value.name == reference.output)
    (entry,) = (value for value in graph.inputs if value.name == reference.input)
    for inner in part.graphs():
        _rename(inner, prefix)
    ir.convenience.replace_all_uses_with(entry, pixels)
    graph.outputs.clear()
    for name in list(graph.initializers):
        model.graph.register_initializer(graph.initializers.pop(name))
    nodes = list(graph)
    graph.remove(nodes)
    model.graph.extend(nodes)
    return answer


def _require_same_versions(model: ir.Model, part: ir.Model) -> None:
    for domain, version in part.graph.opset_imports.items():
        own = model.graph.opset_imports.setdefault(domain, version)
        if own != version:
            raise ModelError(f"it needs version {version} of the operators of {domain!r}, the target {own}")


def _rename(graph: ir.Graph, prefix: str) -> None:
    """Put a prefix before the names of a graph's nodes and values."""
    for value in (*graph.inputs, *graph.initializers.values()):
        if value.name:
            value.name = f"{prefix}{value.name}"
    for node in graph:
        if node.name:
            node.name = f"{prefix}{node.name}"
        for value in node.outputs:
            if value.name:
                value.name = f"{prefix}{value.name}"
