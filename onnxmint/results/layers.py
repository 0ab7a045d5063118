"""What there is to know of a model's layers, and of a copy of it that gives some of them out."""

from dataclasses import dataclass
from typing import Literal

from onnxmint.errors import ModelError
from onnxmint.graph.answers import AnswerKind
from onnxmint.graph.layer import Layer
from onnxmint.results.json import Document


@dataclass(frozen=True, slots=True, kw_only=True)
class NormalisationFacts:
    """How a graph normalises its image itself."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    range: Literal["0-255", "0-1"] | None  # the pixels that fit; None when the numbers do not tell
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerList:
    """The layers of a model that can be exposed.

    Attributes:
        model: path of the file.
        sha256: of it.
        opset: of its standard operators.
        input_name, input_shape, input_dtype, input_layout: where images go in; an open size is its name, or None.
        answer: output of its class scores.
        answer_tensor: tensor that they are read from.
        answer_kind: what they are.
        classes: how many.
        layers: from image to answer.
        normalisation: how the graph normalises its image itself, None where it does not.
        notes: what was put right in the file, or read in one of several ways.
    """

    model: str
    sha256: str
    opset: int
    input_name: str
    input_shape: tuple[int | str | None, ...]
    input_dtype: str
    input_layout: str
    answer: str
    answer_tensor: str
    answer_kind: AnswerKind
    classes: int
    layers: tuple[Layer, ...]
    normalisation: NormalisationFacts | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExposedLayer:
    """A layer that a copy of a model gives out."""

    name: str
    tensor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExposedModel:
    """A copy of a model that gives out layers.

    Attributes:
        file: where it was written.
        cut: whether all that the layers do not need is gone.
        layers: that it gives out.
        outputs: all of its outputs.
        checks: what was proved of it by running both, in words.
        notes: as in `LayerList`.
    """

    file: str
    cut: bool
    layers: tuple[ExposedLayer, ...]
    outputs: tuple[str, ...]
    checks: tuple[str, ...]
    notes: tuple[str, ...] = ()


LAYERS = Document(kind=LayerList, schema="onnxmint.layers/1", mend="run onnxmint layers again", error=ModelError)
EXPOSED = Document(
    kind=ExposedModel, schema="onnxmint.exposed/1", mend="run onnxmint expose-layer again", error=ModelError
)
