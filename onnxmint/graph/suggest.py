"""Which of a model's layers to take: roles, ranks, and the words by which a user asks for them."""

import difflib
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from onnxmint.errors import UsageError

if TYPE_CHECKING:
    from onnxmint.graph.layers import Layer

PENULTIMATE, STAGE = "penultimate", "stage"
_DEEP = 0.2  # share of the multiply-accumulates, below which a map is hardly more than the image
_ROOM = 4  # positions: below 2 x 2 a map is a vector


def positions(shape: tuple[int, ...], *, channels_last: bool) -> int:
    """Return height x width of a map, the number of tokens, or 1 for a vector; `shape` is per image."""
    return math.prod(shape[:-1] if channels_last else shape[1:])


def roles(places: Sequence[int], penultimate: int | None, answer: str) -> list[str]:
    """Return what each layer is: the end of a stage, the penultimate representation, the answer's kind, or "".

    Args:
        places: positions of each layer, from image to answer; the last is the answer.
        penultimate: index of what the last dense layer reads, None where it is not among the layers.
        answer: its kind.
    """
    found = [
        STAGE if here >= _ROOM and here != after else "" for here, after in zip(places, [*places[1:], 1], strict=True)
    ]
    if penultimate is not None:
        found[penultimate] = PENULTIMATE
    found[-1] = answer
    return found


def ranks(places: Sequence[int], names: Sequence[str], depths: Sequence[float]) -> list[int]:
    """Return the rank of each layer, 1 for the one that `auto` takes.

    First the deepest layer with room in it (a map or tokens: all that the model knows of the image, before it is
    averaged), unless little has been computed up to it; then the penultimate representation, the answer, the ends of
    earlier stages and the rest, deepest first.
    """
    count = len(places)
    deep = next((number for number in reversed(range(count - 1)) if places[number] >= _ROOM), None)
    deep = None if deep is None or depths[deep] < _DEEP else deep
    behind = next((number for number, role in enumerate(names) if role == PENULTIMATE), max(count - 2, 0))
    ends = [number for number in reversed(range(count)) if names[number] == STAGE]
    order = dict.fromkeys([*([] if deep is None else [deep]), behind, count - 1, *ends, *reversed(range(count))])
    place = {number: rank for rank, number in enumerate(order, start=1)}
    return [place[number] for number in range(count)]


def choose_layer(layers: "Sequence[Layer]", wanted: str) -> "Layer":
    """Return the layer a user means: a human name, an exact tensor name or an index of the listed ones, or a word.

    The words: "auto" (the suggested one), "logits" (the last: what the target says), "penultimate" (what its last
    dense layer reads, else the layer before the last).

    Raises:
        UsageError: there is none; near names are given.
    """
    if wanted == "auto":
        return next(layer for layer in layers if layer.suggested)
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


def choose_layers(layers: "Sequence[Layer]", wanted: Sequence[str]) -> "tuple[Layer, ...]":
    """Return the layers a user means, in the order of the names, each once.

    Raises:
        UsageError: one of them does not exist.
    """
    return tuple({layer.index: layer for layer in (choose_layer(layers, name) for name in wanted)}.values())


def _penultimate(layers: "Sequence[Layer]") -> "Layer":
    for layer in layers:
        if layer.role == PENULTIMATE:
            return layer
    if len(layers) == 1:
        raise UsageError(
            f"no layer 'penultimate': {layers[0].name!r} is all that this model shows of an image (decision trees hold "
            "no layers)"
        )
    return layers[-2]
