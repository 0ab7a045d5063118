"""A model without its weights (`weightless`) tells in its metadata what was found out about the whole one."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from onnxmint.errors import ModelError
from onnxmint.graph.answers import Answer
from onnxmint.graph.inputs import ImageInput

PRODUCER = "onnxmint, without weights"
KEY = "onnxmint.observed"
_HEAD = 256  # bytes of a file in which its producer stands


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedModel:
    """What is told of a model whose weights are not.

    Attributes:
        sha256: of the whole model.
        input: where images go in.
        answer: where class scores come out.
        preprocess: JSON of how images were prepared.
        layers: names of the layers that were observed.
        views: how many of each image were shown.
        seed: of the placebo twin that was observed; None where none was.
        notes: what was found out about the file.
    """

    sha256: str
    input: ImageInput
    answer: Answer
    preprocess: str
    layers: tuple[str, ...]
    views: int
    seed: int | None
    notes: tuple[str, ...]


def is_without_weights(path: str | Path) -> bool:
    """Return whether a file is such a model, by its first bytes; what cannot be read is none."""
    try:
        with Path(path).open("rb") as file:
            return PRODUCER.encode() in file.read(_HEAD)
    except OSError:
        return False


def told_of(metadata: Mapping[str, str], path: Path) -> ObservedModel | None:
    """Return what is told of a model by its metadata, None of one that is whole.

    Raises:
        ModelError: it is damaged.
    """
    text = metadata.get(KEY)
    if text is None:
        return None
    try:
        return msgspec.json.decode(text, type=ObservedModel)
    except (msgspec.DecodeError, RecursionError) as problem:
        raise ModelError(f"{path}: what is told of the model is damaged ({problem}); ask for it again") from None
