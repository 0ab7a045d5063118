"""A model's layers listed, and a copy of it written that gives some of them out."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import onnx_ir as ir

from onnxmint.graph.bringing import with_model_here
from onnxmint.graph.layer import choose_layers
from onnxmint.graph.layers import list_layers
from onnxmint.graph.load import TargetModel, load_target
from onnxmint.graph.normalisation import find_normalisation
from onnxmint.graph.serial import serialize
from onnxmint.graph.surgery import expose as expose_graph
from onnxmint.graph.verify import verify_exposed
from onnxmint.results.layers import ExposedLayer, ExposedModel, LayerList, NormalisationFacts
from onnxmint.writing.files import atomic_write
from onnxmint.writing.inputs import Input, refuse_inputs, require_free


@with_model_here
def layers(model: str | Path, *, answer: str | None = None) -> LayerList:
    """List the layers of a model that can be exposed.

    Args:
        model: an ONNX file.
        answer: the output that holds the class scores; None finds it.

    Raises:
        ModelError: the file is no classifier, or cannot be run.
        UsageError: it has no such output.
    """
    target = load_target(model, answer=answer)
    image, said = target.input, target.answer
    return LayerList(
        model=str(target.path),
        sha256=target.sha256,
        opset=target.opset,
        input_name=image.name,
        input_shape=tuple(image.shape),
        input_dtype=image.dtype,
        input_layout=image.layout,
        answer=said.output,
        answer_tensor=said.tensor,
        answer_kind=said.kind,
        classes=said.classes,
        layers=list_layers(target),
        normalisation=_normalisation(target),
        notes=target.notes,
    )


@with_model_here
def expose(
    model: str | Path,
    output: str | Path,
    *,
    layers: Sequence[str] = ("auto",),
    cut: bool = False,
    pool: tuple[int, int] | None = None,
    dtype: Literal["float16", "float32"] | None = None,
    answer: str | None = None,
    overwrite: bool = False,
) -> ExposedModel:
    """Write a copy of a model that also gives out the activations of some layers, proved by running both.

    Args:
        model: an ONNX file.
        output: where the copy is written.
        layers: each a name, exact tensor name or index of those that `layers` lists, "auto", "penultimate", "logits".
        cut: keep only what the layers need; otherwise the original outputs stay.
        pool: average maps to this height and width.
        dtype: of the exposed values; None leaves them as they are.
        answer: the output that holds the class scores; None finds it.
        overwrite: replace a file that is there.

    Raises:
        ModelError: the file is no classifier, cannot be run, or the copy differs from it.
        UsageError: there is no such layer, or the output would overwrite the model, or a file unasked.
    """
    path, written = Path(model), Path(output)
    require_free(written, inputs=lambda: [Input(name="the model", path=path)], overwrite=overwrite)
    target = load_target(path, answer=answer)
    refuse_inputs(written, _weights(target))
    chosen = choose_layers(list_layers(target), layers)
    exposed = expose_graph(target, chosen, cut=cut, pool=pool, dtype=dtype)
    checks = verify_exposed(target, exposed, chosen, cut=cut, pool=pool, dtype=dtype)
    atomic_write(written, serialize(exposed), overwrite=overwrite)
    return ExposedModel(
        file=str(written),
        cut=cut,
        layers=tuple(ExposedLayer(name=layer.name, tensor=layer.tensor) for layer in chosen),
        outputs=tuple(value.name or "" for value in exposed.graph.outputs),
        checks=tuple(checks),
        notes=target.notes,
    )


def _weights(target: TargetModel) -> Iterator[Input]:
    """Yield the files beside a model that hold weights of it."""
    for graph in target.model.graphs():
        for value in graph.initializers.values():
            if isinstance(value.const_value, ir.ExternalTensor):
                yield Input(name="weights of the model", path=Path(value.const_value.path))


def _normalisation(target: TargetModel) -> NormalisationFacts | None:
    found = None if target.input.raw else find_normalisation(target)
    if found is None:
        return None
    return NormalisationFacts(mean=found.mean, std=found.std, range=found.range, text=found.text)
