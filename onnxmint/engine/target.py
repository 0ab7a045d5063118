"""The target made ready to be read: what is shown of it, how pixels reach it, and where it runs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onnxmint.engine.local import Reader
from onnxmint.engine.session import Device, choose_device
from onnxmint.errors import ImagesError, UsageError
from onnxmint.graph.instrument import GraphPreprocess, Instrumented, instrument, settle_label
from onnxmint.graph.layers import Layer
from onnxmint.graph.load import TargetModel, at_size, load_target
from onnxmint.graph.serial import session_source
from onnxmint.graph.views import VIEW_SETS
from onnxmint.preprocess.declaring import declared_spec, normalisation_warnings, row_warnings, settle
from onnxmint.preprocess.decoding import final_size
from onnxmint.preprocess.spec import PreprocessSpec
from onnxmint.results.facts import TargetFacts
from onnxmint.settings import EvidenceSettings

MIXES = (
    "takes one image at a time, or answers it otherwise beside others (as dynamic quantisation does), and so beside "
    "its own views"
)
"""Why some targets are shown no views."""
POOL = (8, 8)  # larger activation maps are averaged to this before they leave the graph
_AT_ONCE = {"cpu": (16, 64), "cuda": (64, 512)}
"""By device: the most images in one run, and the most pictures when each image has several views.

On a CPU a small batch stays in the caches (tools/bench/scale.py); a GPU wants a large one.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A target with the means to run it."""

    target: TargetModel
    spec: PreprocessSpec
    device: Device
    notes: tuple[str, ...] = ()  # what a reader has to know of its preprocessing


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A prepared target and the graph that shows something of it."""

    prepared: Prepared
    graph: Instrumented
    views: int  # how many views of each image the target sees; 0 when only the image itself, without log-odds
    with_labels: bool  # whether the graph is told the labels

    def reader(self, batch_size: int | None) -> Reader:
        """Open the graph on its device, to give everything that it shows."""
        graph = self.graph
        outputs = (*graph.activations.values(), graph.answer, *([graph.odds] if graph.odds else []))
        with session_source(graph.model) as source:
            return Reader(
                source,
                outputs,
                spec=self.prepared.spec,
                device=self.prepared.device,
                batch_size=batch_for(batch_size, self.views, self.prepared),
            )


def prepare(model: str | Path, settings: EvidenceSettings) -> Prepared:
    """Load a target and settle its preprocessing and its device.

    Raises:
        OnnxmintError: one of its kinds, for files, options and devices that do not serve.
    """
    target = load_target(model, answer=settings.answer)
    declared, notes = declared_spec(settings.preprocess, target)
    spec = settle(declared, target)
    prepared = prepared_with(target, spec, choose_device(settings.device))
    return replace(
        prepared, notes=(*notes, *row_warnings(declared, spec, target), *normalisation_warnings(spec, target))
    )


def prepared_with(target: TargetModel, spec: PreprocessSpec, device: Device) -> Prepared:
    """Join a target, its settled preprocessing and its device."""
    return Prepared(target=at_size(target, final_size(spec), spec.layout), spec=spec, device=device)


def show(prepared: Prepared, layers: Sequence[Layer], *, views: int, labels: bool, joined: bool = False) -> Shown:
    """Build the graph that takes raw pixels and shows layers, answer and, with views, log-odds.

    Several views of an image go through the target as one batch, which one that mixes images would answer otherwise.

    Args:
        prepared: the target.
        layers: what to expose, pooled.
        views: one of VIEW_SETS, or 0 for none.
        labels: whether every image comes with a label; matters only with views.
        joined: give out several layers as one.

    Raises:
        ModelError: a fixed batch size cannot be made free.
        UsageError: several views, of a target that mixes the images of a batch.
    """
    require_one_view(prepared, views)
    pixels = graph_preprocess(prepared.spec, prepared.target)
    graph = instrument(
        prepared.target, layers, pixels, pool=POOL, views=VIEW_SETS[views] if views else (), joined=joined
    )
    with_labels = labels and views > 0
    if views:
        graph = settle_label(graph, given=with_labels)
    return Shown(prepared=prepared, graph=graph, views=views, with_labels=with_labels)


def require_one_view(prepared: Prepared, views: int) -> None:
    """Refuse to show several views of an image to a target that mixes the images of a batch.

    Raises:
        UsageError: saying what to do.
    """
    if views > 1 and prepared.target.input.mixes:
        raise UsageError(f"{prepared.target.path} {MIXES}: use --module phi, which takes one view")


def batch_for(batch_size: int | None, views: int, prepared: Prepared) -> int:
    """Return the images in one run: those asked for, else fewer the more views of each the target is shown.

    A target that mixes the images of a batch is shown one by one, whatever was asked for.
    """
    if prepared.target.input.mixes:
        return 1
    if batch_size is not None:
        return batch_size
    images, pictures = _AT_ONCE[prepared.device.kind]
    return max(1, min(images, pictures // max(1, views)))


def graph_preprocess(spec: PreprocessSpec, target: TargetModel) -> GraphPreprocess:
    """Return the part of the preprocessing that runs inside the graph (all after resizing and cropping)."""
    size = final_size(spec)
    if size is None:
        raise UsageError("the preprocessing leaves the image size open; set size in a preprocessing file")
    return GraphPreprocess(
        height=size[0],
        width=size[1],
        channels=target.input.channels,
        channel_order=spec.channels,
        scale=spec.scale,
        mean=spec.mean,
        std=spec.std,
    )


def check_labels(labels: NDArray[np.int64] | None, classes: int | None, place: str) -> None:
    """Refuse labels that the target has no output for.

    Raises:
        ImagesError: naming the label and the number of outputs.
    """
    if labels is None or classes is None or len(labels) == 0:
        return
    if labels.min() < 0 or labels.max() >= classes:
        odd = labels.max() if labels.max() >= classes else labels.min()
        raise ImagesError(
            f"{place} holds label {odd}, but the target has outputs 0 to {classes - 1}: renumber "
            "the labels, or use --no-labels"
        )


def target_warnings(target: TargetModel) -> Iterator[str]:
    """Yield what a reader has to know about a target."""
    answer = target.answer
    if answer.others:
        listed = ", ".join(map(repr, answer.others))
        yield (
            f"The model gives several answers: {answer.output!r}, of {answer.classes} classes, was taken; name another "
            f"({listed}) with --answer."
        )
    if target.input.mixes:
        fixed = "The model takes one image at a time, and its batch size cannot be made free"
        mixing = "What the model says of an image depends on the others in its batch, as dynamic quantisation does"
        yield (
            f"{mixing if target.input.batch is None else fixed}: it was shown one image at a time, which takes longer, "
            "and the auditor's file takes one at a time. Views of an image would be such others: only the image itself "
            "was shown (module phi, not views)."
        )


def target_facts(target: TargetModel, tensors: tuple[str, ...], device: Device) -> TargetFacts:
    """Return what a report says of the model and how it was run; `tensors` are those that were read."""
    return TargetFacts(
        path=str(target.path),
        sha256=target.sha256,
        input_name=target.input.name,
        input_shape=tuple("N" if size is None else size for size in target.input.shape),
        input_dtype=target.input.dtype,
        layers=tensors,
        device=device.kind,
        provider=device.provider,
        device_reason=device.reason,
    )
