"""The target made ready: loaded, hashed and listed once, with how pixels reach it and where it runs."""

import functools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from onnxmint.engine.session import Device, choose_device
from onnxmint.errors import UsageError
from onnxmint.graph.augmentations import Augmentation
from onnxmint.graph.beside import ReferenceGraph
from onnxmint.graph.instrument import GraphPreprocess
from onnxmint.graph.layers import Layer, list_layers
from onnxmint.graph.load import TargetModel, at_size, load_target
from onnxmint.graph.placebo import placebo_twin
from onnxmint.graph.views import VIEW_SETS, View
from onnxmint.preprocess.declaring import declared_spec, normalisation_warnings, row_warnings, settle
from onnxmint.preprocess.decoding import final_size
from onnxmint.preprocess.spec import PreprocessSpec
from onnxmint.results.facts import TargetFacts
from onnxmint.settings import DeviceChoice, EvidenceSettings

MIXES = (
    "takes one image at a time, or answers it otherwise beside others (as dynamic quantisation does), and so beside "
    "its own views"
)
"""Why some targets are shown no views."""
PLAIN = 2  # views that are the same for every target


@dataclass(frozen=True, kw_only=True)
class Target:
    """A classifier with the means to run it.

    Attributes:
        model: the classifier.
        spec: how images become its pixels, settled.
        device: where it runs.
        notes: what a reader has to know of its file and its preprocessing.
        twin: seed by which its weights were shuffled; None where it is the model itself.
        augmentation: how its training images were moved and mirrored, None where nobody said.
        beside: references that are shown the same images in the same graph, for modules that compare with them.
    """

    model: TargetModel
    spec: PreprocessSpec
    device: Device
    notes: tuple[str, ...] = ()
    twin: int | None = None
    augmentation: Augmentation | None = None
    beside: tuple[ReferenceGraph, ...] = ()

    @property
    def subject(self) -> str:
        """Return who is asked: the hash of the model, and the seed of its twin."""
        return self.model.sha256 if self.twin is None else f"{self.model.sha256} twin {self.twin}"

    def views(self, count: int) -> tuple[View, ...]:
        """Return the views of an image that it is shown, at most so many: of its augmentation where that is known.

        An image and its mirror image alone are what tells how sure a target is of a picture, whatever it was trained
        with.
        """
        if self.augmentation is None or count <= PLAIN:
            return VIEW_SETS[count] if count else ()
        pixels = graph_preprocess(self.spec, self.model)
        return self.augmentation.views(count, (pixels.height, pixels.width))

    def beside_of(self, references: tuple[ReferenceGraph, ...]) -> "Target":
        """Return the target with these references beside it; itself, its layers listed, where it has them."""
        return self if references == self.beside else replace(self, beside=references)

    @functools.cached_property
    def layers(self) -> tuple[Layer, ...]:
        """Return its layers from image to answer; they are listed once."""
        return list_layers(self.model)


def make_ready(model: str | Path, settings: EvidenceSettings) -> Target:
    """Load a target and settle its preprocessing and its device.

    Raises:
        OnnxmintError: one of its kinds, for files, options and devices that do not serve.
    """
    loaded = load_target(model, answer=settings.answer)
    target = ready_with(loaded, *declared_spec(settings.preprocess, loaded), settings.device)
    return augmented(target, settings)


def ready_with(loaded: TargetModel, declared: PreprocessSpec, notes: tuple[str, ...], device: DeviceChoice) -> Target:
    """Settle the preprocessing and the device of a target that is loaded.

    Args:
        loaded: the target.
        declared: how its images are prepared.
        notes: what a reader has to know of that.
        device: where it is to run.

    Raises:
        OnnxmintError: as `make_ready`.
    """
    spec = settle(declared, loaded)
    target = target_with(loaded, spec, choose_device(device))
    return replace(
        target,
        notes=(*loaded.notes, *notes, *row_warnings(declared, spec, loaded), *normalisation_warnings(spec, loaded)),
    )


def augmented(target: Target, settings: EvidenceSettings) -> Target:
    """Return a target with the augmentation of its training, where the settings say it.

    Raises:
        UsageError: there is no such augmentation.
    """
    said = settings.augmentation
    return target if said is None else replace(target, augmentation=Augmentation.of(said))


def target_with(model: TargetModel, spec: PreprocessSpec, device: Device) -> Target:
    """Join a classifier, its settled preprocessing and its device."""
    return Target(model=at_size(model, final_size(spec), spec.layout), spec=spec, device=device)


def twin_of(target: Target, seed: int) -> Target:
    """Return the placebo twin: the target with its weights shuffled, ready to run like it; its layers are the same."""
    shuffled = replace(target.model, model=placebo_twin(target.model.model, seed=seed))
    return replace(target, model=shuffled, twin=seed)


def require_one_view(target: Target, views: int) -> None:
    """Refuse to show several views of an image to a target that mixes the images of a batch.

    Raises:
        UsageError: saying what to do.
    """
    if views > 1 and target.model.input.mixes:
        raise UsageError(f"{target.model.path} {MIXES}: use --module phi, which takes one view")


def graph_preprocess(spec: PreprocessSpec, model: TargetModel) -> GraphPreprocess:
    """Return the part of the preprocessing that runs inside the graph (all after resizing and cropping).

    Raises:
        UsageError: the size is open.
    """
    size = final_size(spec)
    if size is None:
        raise UsageError("the preprocessing leaves the image size open; set size in a preprocessing file")
    return GraphPreprocess(
        height=size[0],
        width=size[1],
        channels=model.input.channels,
        channel_order=spec.channels,
        scale=spec.scale,
        mean=spec.mean,
        std=spec.std,
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
