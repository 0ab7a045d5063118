"""What a target says of an image: which output holds the class scores, and the logits that they come from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from onnxmint.errors import ModelError, UsageError
from onnxmint.graph.flow import is_constant, needed_for

AnswerKind = Literal["logits", "probabilities", "log-probabilities", "sigmoid"]
FLOATS = (ir.DataType.FLOAT, ir.DataType.FLOAT16, ir.DataType.DOUBLE)
_PASSING = {"Identity", "Cast", "Dropout", "Squeeze", "Unsqueeze", "Flatten", "Reshape"}
_PASSING |= {"QuantizeLinear", "DequantizeLinear"}
_SOFTMAX = {"Softmax", "LogSoftmax"}
_PICKING = {"ArgMax": 0, "TopK": 0, "ZipMap": 0, "ArrayFeatureExtractor": 1, "LabelEncoder": 0}
_LABELLING = {"TreeEnsembleClassifier", "LinearClassifier", "SVMClassifier"}  # the first output is the label
_ROUNDED = 0.02  # how far from 1 probabilities may add up when they were quantised
_EXACT = 2e-3
_MOST_CLASSES = 250_000  # the largest public image classifiers know 203,094
_SQUASHING = {"HardSigmoid", "QLinearSigmoid", "Sigmoid", "Reciprocal"}  # 0 to 1 for each label by itself
_DIVIDED = {
    *_SQUASHING,
    "Softmax",
    "Div",
    "Clip",
    "TreeEnsembleRegressor",
}  # a single column of these, 0 to 1, is a probability
_INTEGER = {"MatMulInteger", "ConvInteger"}
_UNBOUNDED = {  # what these make may be 0 to 1 on a trial, and is more on other images
    *("Gemm", "FusedGemm", "MatMul", "FusedMatMul", "Einsum", "Add", "Sum", "Sub", "Conv", "FusedConv", "ReduceSum"),
    *("Relu", "LeakyRelu", "Elu", "Softplus", "BatchNormalization", "LayerNormalization", "QGemm", "QLinearMatMul"),
    *("QLinearAdd", "QLinearConv", "LinearClassifier", "LinearRegressor", *_INTEGER),
}
_CHOOSING = {  # their numbers mean what those that they choose from, or average over places, mean
    *("Slice", "Gather", "Split", "Concat", "Transpose", "ReduceMean", "ReduceMax", "AveragePool", "MaxPool"),
    *("GlobalAveragePool", "GlobalMaxPool", "QLinearAveragePool", "QLinearGlobalAveragePool"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The tensor that holds what the target says of an image.

    Attributes:
        tensor: its name.
        kind: "logits", "probabilities", "log-probabilities", or "sigmoid": logits of labels that do not exclude each
            other, each with its own probability 1 / (1 + exp(-z)).
        classes: how many classes, or labels, are told apart.
        output: the output of the file behind which it was found.
        rank: axes of the tensor, batch included; all but the batch's and the classes' are of size 1. 0 where a single
            image has no axis of its own, or loses it.
        single: the tensor has one column for two classes: the logit (probability) of the second.
        squashed: of kind "sigmoid", the tensor holds the probabilities; the logits have to be made of them.
        others: outputs that could have been the answer as well.
    """

    tensor: str
    kind: AnswerKind
    classes: int
    output: str
    rank: int = 2
    single: bool = False
    squashed: bool = False
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A tensor that may be the answer.

    Attributes:
        output: of the file.
        value: what to read: logits behind a softmax or sigmoid, the output itself, or what labels were picked from.
        op: "Softmax", "Sigmoid" or another operator that says what the values are; "" when only they themselves, and
            what made them, can.
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
    return Candidate(output=output.name or "", value=anchor, op="", label=label)


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
        ModelError: none of them is images by classes, or it cannot be told what the numbers mean.
    """
    read = {one: values[one.value.name or ""] for one in found if (one.value.name or "") in values}
    fitting = {one: said for one, said in read.items() if _is_scores(said)}
    alone = {one: said.reshape(1, -1) for one, said in read.items() if batch == 1 and _is_row(said)}
    squeezed = bool(alone) and not (fitting and all(len(said) == 1 for said in fitting.values()))
    fitting = alone if squeezed else fitting
    if not fitting:
        raise ModelError(f"{path} gives no class scores (images by classes) to audit; its outputs: {outputs}")
    if any(len(said) != batch for said in fitting.values()):
        return None
    needed = {candidate: needed_for([candidate.value]) for candidate in fitting}
    ends = [one for one in fitting if not any(one.value in needed[o] for o in fitting if o.value is not one.value)]
    best = min(ends, key=lambda one: (fitting[one].size == batch, _kind_of(one) is None, one.label, -len(needed[one])))
    rivals = [one for one in ends if one.value is not best.value and _columns(fitting[one]) == _columns(fitting[best])]
    answer = _described(best, fitting[best], path)
    others = tuple(dict.fromkeys(one.output for one in rivals))
    return replace(answer, rank=0 if squeezed else answer.rank, others=others)


def _columns(said: NDArray[Any]) -> int:
    """Return 1 for a single column, 2 for more."""
    return 1 if said.size == len(said) else 2


def _is_scores(said: NDArray[Any]) -> bool:
    """Say whether values are (N, C), further axes of size 1 not counted."""
    least = 2
    return said.dtype.kind == "f" and said.ndim >= least and said.size == said.shape[0] * max(said.shape[1:]) > 0


def _is_row(said: NDArray[Any]) -> bool:
    """Say whether values are (C,) of a single image, axes of size 1 not counted."""
    return said.dtype.kind == "f" and said.size == max(said.shape, default=1) > 0


def _kind_of(candidate: Candidate) -> AnswerKind | None:
    """Return what an operator says of the values, None for one that says nothing."""
    if candidate.op == "Sigmoid":
        return "sigmoid"
    return "logits" if candidate.op in {*_SOFTMAX, "Log", "Exp"} else None


def _described(candidate: Candidate, said: NDArray[Any], path: Path) -> Answer:
    if said.size > len(said) * _MOST_CLASSES:
        raise ModelError(
            f"{path}: its output {candidate.output!r} tells {said.size // len(said):,} classes apart, and at most "
            f"{_MOST_CLASSES:,} can be audited; name another output with --answer"
        )
    rows = said.reshape(len(said), -1).astype(np.float64)
    single = rows.shape[1] == 1
    known = _kind_of(candidate)
    kind: AnswerKind = known or _judged(rows, candidate, path)
    return Answer(
        tensor=candidate.value.name or "",
        kind="logits" if single and kind == "sigmoid" else kind,
        classes=2 if single else rows.shape[1],
        output=candidate.output,
        rank=said.ndim,
        single=single,
        squashed=not known and kind == "sigmoid",
    )


def _judged(rows: NDArray[np.float64], candidate: Candidate, path: Path) -> AnswerKind:
    """Judge the numbers of a trial run when no operator says what they are.

    Raises:
        ModelError: they are probabilities of something, and it is unknown of what.
    """
    maker, rounded = _maker(candidate.value)
    op = "" if maker is None else maker.op_type
    shares = rows.min() >= 0 and rows.max() <= 1
    if rows.shape[1] == 1:
        return "probabilities" if shares and (rounded or op in _DIVIDED) else "logits"
    tolerance = _ROUNDED if rounded else _EXACT
    if rows.min() >= 0 and np.abs(rows.sum(axis=1) - 1).max() < tolerance:
        return "probabilities"
    if rows.max() <= 0 and np.abs(np.exp(rows).sum(axis=1) - 1).max() < tolerance:
        return "log-probabilities"
    if not shares or maker is None:
        return "logits"
    if _squashes(maker):
        return "sigmoid"
    if op in _UNBOUNDED or _rescales(maker):
        return "logits"
    raise ModelError(
        f"{path}: its output {candidate.output!r} holds numbers from 0 to 1 that do not add up to 1, made by {op}: it "
        "cannot be told what they are probabilities of; name another output with --answer, or export the logits"
    )


def _maker(value: ir.Value) -> tuple[ir.Node | None, bool]:
    """Return the operator that made a value, behind what passes numbers on, and whether it was quantised in between."""
    node, rounded = value.producer(), False
    while node is not None and node.op_type in _PASSING | _CHOOSING and node.inputs[0] is not None:
        rounded = rounded or node.op_type == "DequantizeLinear"
        node = node.inputs[0].producer()
    return node, rounded


def _squashes(node: ir.Node) -> bool:
    """Say whether an operator gives each label a probability of its own: a sigmoid, or 1 divided by something."""
    if node.op_type == "Div":
        return node.inputs[0] is not None and is_constant(node.inputs[0])
    return node.op_type in _SQUASHING or node.attributes.get_string("post_transform", "NONE") == "LOGISTIC"


def _rescales(node: ir.Node) -> bool:
    """Say whether an operator multiplies the whole numbers of a quantised product by their scale."""
    if node.op_type != "Mul":
        return False
    behind = [_maker(value)[0] for value in node.inputs if value is not None]
    return any(maker is not None and maker.op_type in _INTEGER for maker in behind)
