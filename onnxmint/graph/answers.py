"""What a target says of an image: which output holds the class scores, and the logits that they come from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from onnxmint.errors import ModelError, UsageError
from onnxmint.graph.flow import is_constant, needed_for

FLOATS = (ir.DataType.FLOAT, ir.DataType.FLOAT16, ir.DataType.DOUBLE)
_PASSING = {"Identity", "Cast", "Dropout", "Squeeze", "Unsqueeze", "Flatten", "Reshape"}
_PASSING |= {"QuantizeLinear", "DequantizeLinear"}
_SOFTMAX = {"Softmax", "LogSoftmax"}
_PICKING = {"ArgMax": 0, "TopK": 0, "ZipMap": 0, "ArrayFeatureExtractor": 1, "LabelEncoder": 0}
_LABELLING = {"TreeEnsembleClassifier", "LinearClassifier", "SVMClassifier"}  # the first output is the label
_ROUNDED = 0.02  # how far from 1 probabilities may add up when they were quantised
_EXACT = 2e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The tensor that holds what the target says of an image.

    Attributes:
        tensor: its name.
        kind: "logits", "probabilities", "log-probabilities", or "sigmoid": logits of labels that do not exclude each
            other, each with its own probability 1 / (1 + exp(-z)).
        classes: how many classes, or labels, are told apart.
        output: the output of the file behind which it was found.
        rank: axes of the tensor, batch included; all but the batch's and the classes' are of size 1.
        single: the tensor has one column for two classes: the logit (probability) of the second.
    """

    tensor: str
    kind: str
    classes: int
    output: str
    rank: int = 2
    single: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A tensor that may be the answer.

    Attributes:
        output: of the file.
        value: what to read: logits behind a softmax or sigmoid, the output itself, or what labels were picked from.
        op: "Softmax", "Sigmoid" or another operator that says what the values are; "" when only the values can.
        label: the output itself is a label, picked from the values.
    """

    output: str
    value: ir.Value
    op: str
    label: bool = False


def candidates(model: ir.Model, path: Path, wanted: str | None) -> list[Candidate]:
    """Return what may hold class scores, one for each output that can be followed to a tensor of numbers.

    Args:
        model: the graph.
        path: where it came from.
        wanted: the output that the user named; None looks at all.

    Raises:
        UsageError: there is no such output.
    """
    outputs = [value for value in model.graph.outputs if wanted in (None, value.name)]
    if not outputs:
        known = ", ".join(repr(value.name) for value in model.graph.outputs)
        raise UsageError(f"{path.name} has no output {wanted!r}; its outputs: {known}")
    return [found for value in outputs if (found := _behind(value)) is not None and found.value.name]


def _behind(output: ir.Value) -> Candidate | None:
    """Follow an output back to what it was made from."""
    anchor = output if output.dtype in FLOATS else None
    value: ir.Value | None = output
    label = False
    while value is not None and (node := value.producer()) is not None:
        before = _behind_softmax(node)
        if before is not None:
            return Candidate(output=output.name or "", value=before, op=node.op_type, label=label)
        if node.op_type in _PICKING:
            label = label or node.op_type != "ZipMap"
            value = anchor = node.inputs[_PICKING[node.op_type]]
        elif node.op_type in _LABELLING and value is node.outputs[0]:
            value, anchor, label = node.outputs[1], node.outputs[1], True
        elif node.op_type == "Gather" and node.inputs[0] is not None and is_constant(node.inputs[0]):
            value = anchor = node.inputs[1]  # names of classes, taken by number
        elif node.op_type in _PASSING:
            value = node.inputs[0]
        else:
            break
    if anchor is None:
        return None
    made = anchor.producer()
    return Candidate(output=output.name or "", value=anchor, op="" if made is None else made.op_type, label=label)


def _behind_softmax(node: ir.Node) -> ir.Value | None:
    """Return what a softmax or sigmoid reads, also through the logarithm of a softmax; None for other operators."""
    if node.domain != "":
        return None
    if node.op_type in _SOFTMAX or node.op_type == "Sigmoid":
        return node.inputs[0]
    if node.op_type in {"Log", "Exp"} and node.inputs[0] is not None:
        inner = node.inputs[0].producer()
        if inner is not None and inner.op_type in _SOFTMAX:
            return inner.inputs[0]
    return None


def choose_answer(
    found: Sequence[Candidate], values: Mapping[str, NDArray[Any]], batch: int, path: Path, outputs: str
) -> Answer | None:
    """Return the class scores among candidates, None when all depend on the size of the batch in another way.

    Preferred are tensors of several classes over a single column, then those behind a softmax or sigmoid, then those
    that more of the graph leads to (auxiliary heads leave it early), then the first. Features from which other
    candidates are computed are no answer.

    Args:
        found: from `candidates`.
        values: by tensor name, of a trial run.
        batch: images in that run.
        path: where the model came from.
        outputs: its outputs, for the message.

    Raises:
        ModelError: none of them is images by classes.
    """
    read = {candidate: values.get(candidate.value.name or "") for candidate in found}
    fitting = {candidate: said for candidate, said in read.items() if said is not None and _is_scores(said)}
    if not fitting:
        raise ModelError(f"{path} gives no class scores (images by classes) to audit; its outputs: {outputs}")
    if any(len(said) != batch for said in fitting.values()):
        return None
    needed = {candidate: needed_for([candidate.value]) for candidate in fitting}
    ends = [one for one in fitting if not any(one.value in needed[o] for o in fitting if o.value is not one.value)]
    best = min(ends, key=lambda one: (fitting[one].size == batch, _kind_of(one) == "", one.label, -len(needed[one])))
    return _described(best, fitting[best])


def _is_scores(said: NDArray[Any]) -> bool:
    """Say whether values are (N, C), further axes of size 1 not counted."""
    least = 2
    return said.dtype.kind == "f" and said.ndim >= least and said.size == said.shape[0] * max(said.shape[1:]) > 0


def _kind_of(candidate: Candidate) -> str:
    return {"Softmax": "logits", "LogSoftmax": "logits", "Log": "logits", "Exp": "logits", "Sigmoid": "sigmoid"}.get(
        candidate.op, ""
    )


def _described(candidate: Candidate, said: NDArray[Any]) -> Answer:
    rows = said.reshape(len(said), -1).astype(np.float64)
    single = rows.shape[1] == 1
    kind = _kind_of(candidate) or _judged(rows, candidate.op)
    return Answer(
        tensor=candidate.value.name or "",
        kind="logits" if single and kind == "sigmoid" else kind,
        classes=2 if single else rows.shape[1],
        output=candidate.output,
        rank=said.ndim,
        single=single,
    )


def _judged(rows: NDArray[np.float64], op: str) -> str:
    """Judge the numbers of a trial run when no operator says what they are."""
    if rows.shape[1] == 1:
        divided = op in {"Div", "Reciprocal", "Clip", "DequantizeLinear", "TreeEnsembleRegressor"}
        return "probabilities" if divided and rows.min() >= 0 and rows.max() <= 1 else "logits"
    tolerance = _ROUNDED if op == "DequantizeLinear" else _EXACT
    if rows.min() >= 0 and np.abs(rows.sum(axis=1) - 1).max() < tolerance:
        return "probabilities"
    if rows.max() <= 0 and np.abs(np.exp(rows).sum(axis=1) - 1).max() < tolerance:
        return "log-probabilities"
    return "logits"
