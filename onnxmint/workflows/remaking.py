"""A way to references: the target's own graph, trained anew from fresh numbers on halves of the images."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from onnxmint.engine.observations import Engine
from onnxmint.engine.probe import ANSWER, Exposed, Shown, expose
from onnxmint.engine.target import MIXES, Target
from onnxmint.errors import ImagesError, ModelError, UsageError
from onnxmint.graph.refilling import refilled
from onnxmint.images.chosen import Decoded, Images
from onnxmint.preprocess.decoding import final_size
from onnxmint.remaking import learning
from onnxmint.remaking.learning import Learned, Lesson
from onnxmint.results.facts import Skipped
from onnxmint.settings import ReferenceSettings
from onnxmint.workflows.labelled import Labelled

_PIXELS = "pixels"
_MOST_BYTES = 16 << 30  # of pixels, which are held in memory while a network learns from them
_PROVED = 16  # images on which networks are held against onnxruntime
_CLOSE = 1e-3  # of the largest answer, between a trained network and its file; float16 files are apart by more
_CLOSE_HALF = 5e-2


@dataclass(frozen=True, slots=True, kw_only=True)
class School:
    """What every reference of a target needs for its training.

    Attributes:
        exposed: the target's graph behind raw pixels.
        lesson: the images and how they are learned from.
        row: (k,) int64, which of the given images these are.
        right: share of these that the target is right on.
        skipped: the others.
        half: the graph holds numbers of half precision.
        normalised: convolutions are normalised while learning.
    """

    exposed: Exposed
    lesson: Lesson
    row: NDArray[np.int64]
    right: float
    skipped: tuple[Skipped, ...]
    half: bool
    normalised: bool


def require_remade(target: Target) -> Exposed:
    """Return the target's graph behind raw pixels, if it can be made anew.

    Raises:
        ModelError: it cannot; which operator stands against it.
        UsageError: it takes one image at a time.
    """
    if target.model.input.mixes:
        raise UsageError(f"{target.model.path} {MIXES}; it cannot be trained anew: give --features OTHER.onnx")
    exposed = expose(target, [], views=0, labels=False)
    learning.remade(exposed.graph)
    return exposed


def school_of(exposed: Exposed, images: Labelled, settings: ReferenceSettings, engine: Engine) -> School:
    """Show all images to the target, keep them as it saw them, and prove that its graph was made anew.

    Raises:
        ImagesError: they take too much memory, or too few can be shown.
        ModelError: the network answers otherwise than the target.
    """
    target = exposed.target
    _require_room(target, len(images.names))
    device = learning.training_device(settings.device)
    probe = exposed.probe(batch_size=settings.batch_size, reduce=_seen, leaves_out_odd=True)
    seen = images.observed(probe, engine, f"by {target.model.path.name}")
    pixels, said = seen.columns[_PIXELS], seen.columns[ANSWER]
    network = learning.remade(exposed.graph)
    learning.require_equal(network, pixels[:_PROVED], said[:_PROVED], target.model.path)
    return School(
        exposed=exposed,
        lesson=Lesson(
            pixels=pixels,
            labels=images.labels[seen.row],
            kind=target.model.answer.kind,
            augmentation=target.augmentation,
            epochs=settings.epochs,
            device=device,
        ),
        row=seen.row,
        right=float((said.argmax(axis=1) == images.labels[seen.row]).mean()),
        skipped=seen.skipped,
        half=network.halved,
        normalised=learning.loses_normalisation(network),
    )


def _seen(shown: Shown) -> Mapping[str, Any]:
    """Keep the pixels of a batch, and what was said of them."""
    return {_PIXELS: shown.pixels, ANSWER: shown.outputs[ANSWER]}


def _require_room(target: Target, count: int) -> None:
    height, width = final_size(target.spec) or (1, 1)
    size = count * height * width * target.model.input.channels
    if size > _MOST_BYTES:
        raise ImagesError(
            f"{count:,} images of {height} x {width} pixels take {size / 1e9:.0f} GB of memory while a network learns "
            f"from them, and {_MOST_BYTES / 1e9:.0f} GB are allowed: give fewer, such as ?rows=0:50000 of a table"
        )


def halves(count: int, images: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Yield the rows that each of `count` references learns from; every image is in half of them.

    A single reference learns from all. Of an odd number some images are in one more than others, at random.
    """
    if count == 1:
        yield np.arange(images)
        return
    rng = np.random.default_rng(seed)
    order = np.argsort(rng.random((count, images)), axis=0)
    most = np.full(images, count // 2) + (rng.integers(0, 2, images) if count % 2 else 0)
    for number in range(count):
        yield np.flatnonzero(order[number] < most)


def trained(school: School, rows: NDArray[np.int64], number: int, name: str, seed: int, engine: Engine) -> Learned:
    """Train one reference.

    Args:
        school: what it needs.
        rows: of the lesson, which it learns from.
        number: of the reference, from 0.
        name: what the progress is called.
        seed: of all references.
        engine: whose stage is told of the progress.

    Raises:
        ModelError: it comes to nothing.
    """
    own = int(np.random.default_rng([seed, number]).integers(2**31))
    with engine.stage(name, school.lesson.epochs * len(rows)) as advance:
        return learning.learn_anew(school.exposed.graph, school.lesson, rows, seed=own, advance=advance)


def written(school: School, learned: Learned, engine: Engine) -> ir.Model:
    """Return a copy of the target's own graph with what a reference learned, proved by running it.

    Raises:
        ModelError: the graph answers otherwise than the network that learned.
    """
    target = school.exposed.target
    model = refilled(target.model.model, learned.values)
    twin = replace(target, model=replace(target.model, model=model, sha256=""))
    pixels = school.lesson.pixels[:_PROVED]
    probe = expose(twin, [], views=0, labels=False, seconds=school.exposed.graph.seconds).probe(batch_size=None)
    shown = Decoded(pixels=pixels, row=np.arange(len(pixels)), label=None)
    said = engine.observe(probe, Images(parts=(shown,), count=len(pixels)), name="the reference").columns[ANSWER]
    network = learned.said[: len(pixels)]
    far = float(np.abs(said - network).max() / max(1.0, np.abs(network).max()))
    if not far <= (_CLOSE_HALF if school.half else _CLOSE):
        raise ModelError(
            f"{target.model.path}: with what was learned its graph answers otherwise than the network that learned it "
            f"(apart by {far:.2g} of the largest): train references by hand, as examples/train_references.py does"
        )
    return model
