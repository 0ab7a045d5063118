"""A layer of a target that can be exposed, and the words by which a user asks for one."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from onnxmint.errors import UsageError
from onnxmint.graph.answers import AnswerKind

Float = Literal["float16", "float32", "float64"]
Kind = Literal["map", "tokens", "vector"]
Layout = Literal["NCHW", "NHWC", "NCT", "NTC", ""]
Role = Literal["stage", "penultimate", ""] | AnswerKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A tensor of the target that can be exposed.

    Attributes:
        index: position in the list, from 0.
        name: what people call it; unique in the list.
        tensor: exact name in the graph: its identity.
        op: operator that makes it.
        shape: per image, without the batch axis.
        dtype: "float32", "float16" or "float64"; of a quantised tensor what it is dequantised to.
        depth: share of the target's multiply-accumulates spent up to and including it, 0 to 1.
        macs: the same as a count, per image.
        bytes: size per image as the graph holds it.
        kind: "map" (three axes), "tokens" (two) or "vector" (one).
        layout: of a map, "NCHW" or "NHWC"; of tokens "NTC" or "NCT"; empty for vectors.
        role: "stage" (the last layer of its size), "penultimate" (what the last dense layer reads), what the answer
            is ("logits", "probabilities", ...) for the last, or empty.
        rank: 1 for the layer that "auto" takes, then the others by how much they promise.
        class_token: whether the first of its tokens is the one that the model answers from.
        quantised: names of scale and zero point where the graph holds whole numbers, None for others.
        suggested: whether it is that one.
    """

    index: int
    name: str
    tensor: str
    op: str
    shape: tuple[int, ...]
    dtype: Float
    depth: float
    macs: int
    bytes: int
    kind: Kind
    layout: Layout
    role: Role
    rank: int
    class_token: bool = False
    quantised: tuple[str, str] | None = None
    suggested: bool = False


def choose_layer(layers: Sequence[Layer], wanted: str) -> Layer:
    """Return the layer a user means: a human name, an exact tensor name or an index of the listed ones, or a word.

    The words: "auto" (the suggested one), "logits" (the last: what the target says), "penultimate" (what its last
    dense layer reads, else the layer before the last).

    Raises:
        UsageError: there is none; near names are given.
    """
    if wanted == "auto":
        return next(layer for layer in layers if layer.rank == 1)
    for layer in layers:
        if wanted in (layer.name, layer.tensor):
            return layer
    if wanted == "logits":
        return layers[-1]
    if wanted == "penultimate":
        return _penultimate(layers)
    if wanted.isdecimal() and int(wanted) < len(layers):
        return layers[int(wanted)]
    known = [name for layer in layers for name in (layer.name, layer.tensor)]
    near = list(dict.fromkeys(difflib.get_close_matches(wanted, known, n=3, cutoff=0.4)))
    hint = f"closest: {', '.join(map(repr, near))}" if near else f"there are 0 to {len(layers) - 1}"
    raise UsageError(f"no layer {wanted!r}; {hint}; see all that can be taken with: onnxmint layers MODEL")


def choose_layers(layers: Sequence[Layer], wanted: Sequence[str]) -> tuple[Layer, ...]:
    """Return the layers a user means, in the order of the names, each once.

    Raises:
        UsageError: one of them does not exist.
    """
    return tuple({layer.index: layer for layer in (choose_layer(layers, name) for name in wanted)}.values())


def _penultimate(layers: Sequence[Layer]) -> Layer:
    for layer in layers:
        if layer.role == "penultimate":
            return layer
    if len(layers) == 1:
        raise UsageError(
            f"no layer 'penultimate': {layers[0].name!r} is all that this model shows of an image (decision trees hold "
            "no layers)"
        )
    return layers[-2]
