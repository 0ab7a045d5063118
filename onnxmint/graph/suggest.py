"""Which of a model's layers promise most: what each is in the model, and in which order they are taken."""

import math
from collections.abc import Sequence
from typing import Literal

from onnxmint.graph.answers import AnswerKind
from onnxmint.graph.layer import Role

_DEEP = 0.2  # share of the multiply-accumulates, below which a map is hardly more than the image
_ROOM = 4  # positions: below 2 x 2 a map is a vector


def positions(shape: tuple[int, ...], *, channels_last: bool) -> int:
    """Return height x width of a map, the number of tokens, or 1 for a vector; `shape` is per image."""
    return math.prod(shape[:-1] if channels_last else shape[1:])


def roles(places: Sequence[int], penultimate: int | None, answer: AnswerKind | Literal[""]) -> list[Role]:
    """Return what each layer is: the end of a stage, the penultimate representation, the answer's kind, or "".

    Args:
        places: positions of each layer, from image to answer; the last is the answer.
        penultimate: index of what the last dense layer reads, None where it is not among the layers.
        answer: its kind, "" where the last is not the answer.
    """
    found: list[Role] = [
        "stage" if here >= _ROOM and here != after else "" for here, after in zip(places, [*places[1:], 1], strict=True)
    ]
    if penultimate is not None:
        found[penultimate] = "penultimate"
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
    behind = next((number for number, role in enumerate(names) if role == "penultimate"), max(count - 2, 0))
    ends = [number for number in reversed(range(count)) if names[number] == "stage"]
    order = dict.fromkeys([*([] if deep is None else [deep]), behind, count - 1, *ends, *reversed(range(count))])
    place = {number: rank for rank, number in enumerate(order, start=1)}
    return [place[number] for number in range(count)]
