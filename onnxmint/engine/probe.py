"""What is asked of a model, as plain data: a worker of any engine, in any process, is built from a `Probe`."""

import contextlib
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from onnxmint.engine.session import Device
from onnxmint.engine.target import PLAIN, Target, graph_preprocess, require_one_view
from onnxmint.graph.beside import with_references
from onnxmint.graph.instrument import Instrumented, instrument, settle_label
from onnxmint.graph.layers import Layer
from onnxmint.graph.serial import session_source
from onnxmint.preprocess.spec import PreprocessSpec
from onnxmint.settings import DeviceKind

POOL = (8, 8)  # larger activation maps are averaged to this before they leave the graph
_AT_ONCE = {"cpu": (16, 64), "cuda": (64, 512)}
"""By device: the most images in one run, and the most pictures when each image has several views.

On a CPU a small batch stays in the caches (tools/bench/scale.py); a GPU wants a large one.
"""

ANSWER, ODDS, FREE, ACTIVATION = "answer", "odds", "free", "activation"
"""Columns of an exposed target: class scores, log-odds in every view, those without labels, layers read as one."""
RELATIVE, RELATIVE_FREE, HARDNESS = "relative", "relative free", "hardness"
"""With references beside the target: its log-odds and last theirs, the same without labels, theirs alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a model said of one batch.

    Attributes:
        pixels: (b, H, W, C) uint8, what went in.
        outputs: by column, first axis b; NumPy arrays, or torch tensors on the GPU.
        labels: (b,) int64 classes of the images, None when unknown.
    """

    pixels: NDArray[np.uint8]
    outputs: Mapping[str, Any]
    labels: NDArray[np.int64] | None


class Reduce(Protocol):
    """Makes the columns that are kept of what a model said: scores of activations, signals of answers.

    A module-level function or a frozen value, so that it travels with its probe.
    """

    def __call__(self, shown: Shown, /) -> Mapping[str, Any]:
        """Return (b, ...) columns by name."""


@dataclass(frozen=True, slots=True, kw_only=True, weakref_slot=True)
class Probe:
    """What is asked of one model.

    Attributes:
        model: the serialised graph, or the file of one whose weights are too large to be held; raw pixels in.
        columns: name of each column, and the output of the graph that it is.
        spec: how images become pixels.
        device: where the model runs.
        batch_size: images in one run.
        with_labels: whether the graph is told the labels.
        reduce: what is kept of the columns; None keeps them as they are.
        stored: names of columns that fitting reads, with their shape per image: kept where there is room.
        leaves_out_odd: skip the few images of which an output holds NaN or infinity.
        seconds: that an image took in a trial run, of which a batch may take a multiple; None sets no limit.
        subject: who is asked, by the hash of the model; what was observed of a model is told by it.
        views: how many of each image it is shown; 0 when only the image itself.
        reads: (tensor, what it is) of tensors that are other columns for whoever observed.
    """

    model: bytes | Path
    columns: tuple[tuple[str, str], ...]
    spec: PreprocessSpec
    device: Device
    batch_size: int
    with_labels: bool = False
    reduce: Reduce | None = None
    stored: tuple[tuple[str, tuple[int, ...]], ...] = ()
    leaves_out_odd: bool = False
    seconds: float | None = None
    subject: str = ""
    views: int = 0
    reads: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposed:
    """A target and the graph that shows something of it.

    Attributes:
        target: the target.
        graph: takes raw pixels.
        views: how many views of each image the target sees; 0 when only the image itself, without log-odds.
        with_labels: whether the graph is told the labels.
    """

    target: Target
    graph: Instrumented
    views: int
    with_labels: bool

    @property
    def augmentation(self) -> str | None:
        """Return what the views were drawn from, None where they are those of every target."""
        said = self.target.augmentation
        return None if said is None or self.views <= PLAIN else said.words

    @property
    def columns(self) -> dict[str, str]:
        """Return the outputs of the graph by column: the answer, each layer by its name, and with views the odds."""
        found = {**self.graph.activations, ANSWER: self.graph.answer}
        graph = self.graph
        others = {
            ODDS: graph.odds,
            FREE: graph.free,
            RELATIVE: graph.relative,
            RELATIVE_FREE: graph.relative_free,
            HARDNESS: graph.hardness,
        }
        return found | {name: output for name, output in others.items() if output}

    def probe(
        self,
        *,
        batch_size: int | None,
        columns: Mapping[str, str] | None = None,
        reduce: Reduce | None = None,
        stored: Mapping[str, tuple[int, ...]] | None = None,
        leaves_out_odd: bool = False,
    ) -> Probe:
        """Return a probe of the graph.

        Args:
            batch_size: images in one run; None takes what suits device and views.
            columns: outputs by column; None takes all that the graph shows.
            reduce: what is kept of them.
            stored: columns that fitting reads, and their shapes per image.
            leaves_out_odd: skip the few images of which an output holds NaN or infinity.
        """
        held = contextlib.ExitStack()
        made = Probe(
            model=held.enter_context(session_source(self.graph.model)),
            columns=tuple((self.columns if columns is None else columns).items()),
            spec=self.target.spec,
            device=self.target.device,
            batch_size=batch_for(batch_size, self.views, self.target),
            with_labels=self.with_labels,
            reduce=reduce,
            stored=tuple((stored or {}).items()),
            leaves_out_odd=leaves_out_odd,
            seconds=self.graph.seconds or None,
            subject=self.target.subject,
            views=self.views,
            reads=tuple((output, column) for column, output in self.columns.items()),
        )
        weakref.finalize(made, held.close)  # a large model lies in a file until nobody asks of it any more
        return made


def expose(
    target: Target,
    layers: Sequence[Layer],
    *,
    views: int,
    labels: bool,
    joined: bool = False,
    beside: Sequence[Layer] = (),
    seconds: float | None = None,
) -> Exposed:
    """Build the graph that takes raw pixels and shows layers, answer and, with views, log-odds.

    Several views of an image go through the target as one batch, which one that mixes images would answer otherwise.

    Args:
        target: the target.
        layers: what to expose, pooled.
        views: how many at most, a size of VIEW_SETS, or 0 for none.
        labels: whether every image comes with a label; matters only with views.
        joined: give out several layers as one.
        beside: what to expose too, under its own name.
        seconds: see `instrument`.

    Raises:
        ModelError: a fixed batch size cannot be made free.
        UsageError: several views, of a target that mixes the images of a batch.
    """
    require_one_view(target, views)
    pixels = graph_preprocess(target.spec, target.model)
    shown = target.views(views)
    graph = instrument(
        target.model, layers, pixels, pool=POOL, views=shown, joined=joined, beside=beside, seconds=seconds
    )
    with_labels = labels and views > 0
    if views:
        graph = settle_label(graph, given=with_labels)
    if views and target.beside:
        graph = with_references(graph, target.beside)
    return Exposed(target=target, graph=graph, views=len(shown), with_labels=with_labels)


def batch_for(batch_size: int | None, views: int, target: Target) -> int:
    """Return the images in one run: those asked for, else fewer the more views of each the target is shown.

    A target that mixes the images of a batch is shown one by one, whatever was asked for.
    """
    if target.model.input.mixes:
        return 1
    return at_once(target.device.kind, views) if batch_size is None else batch_size


def at_once(kind: DeviceKind, views: int) -> int:
    """Return the images in one run that suit a kind of device, fewer the more views there are of each."""
    images, pictures = _AT_ONCE[kind]
    return max(1, min(images, pictures // max(1, views)))
