"""A worker: built from a probe, it takes encoded images through decoding, the model and what is kept of its answer."""

import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxmint.engine.probe import Probe, Shown
from onnxmint.engine.session import open_session
from onnxmint.errors import ImagesError, ModelError
from onnxmint.graph.running import first_line, limited, patience, runtime_errors
from onnxmint.graph.views import LABEL
from onnxmint.images.chosen import Rows
from onnxmint.images.entries import EncodedImage
from onnxmint.preprocess.decoding import decode
from onnxmint.results.facts import Skipped

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """Some images of one batch, with their rows and, where they are known, their classes."""

    images: tuple[EncodedImage, ...]
    row: Rows
    label: Rows | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What came of one batch.

    Attributes:
        row: (b,) rows of the images that could be read.
        columns: (b, ...) by name; None when none could be.
        pixels: (b, H, W, C) uint8, what they were shown as; None when none could be read.
        skipped: the other images.
        odd: for each output of which the probe leaves out what is no number, (b,) where it holds NaN or infinity.
        paths: (b,) names of the images; none of those in memory.
    """

    row: Rows
    columns: Mapping[str, Any] | None
    pixels: Pixels | None
    skipped: tuple[Skipped, ...] = ()
    odd: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)
    paths: tuple[str, ...] = ()


class Worker:
    """An open session with all that a probe asks; several threads may call it."""

    def __init__(self, probe: Probe, *, threads: int = 1) -> None:
        """Open the model on the probe's device, with so many threads within an operator."""
        self._probe = probe
        self._session = open_session(probe.model, probe.device, threads=threads)
        self._input = self._session.get_inputs()[0].name
        # A CUDA session has one compute stream: workers take turns on it and decode meanwhile.
        self._turn: AbstractContextManager[Any] = threading.Lock() if probe.device.kind == "cuda" else nullcontext()

    @property
    def one_by_one(self) -> bool:
        """Return whether the graph takes one image at a time."""
        return bool(self._session.get_inputs()[0].shape[0] == 1)

    def width(self, column: str) -> int | None:
        """Return how many values of an image a column holds, None where the graph leaves that open."""
        output = dict(self._probe.columns)[column]
        shape = next(found.shape for found in self._session.get_outputs() if found.name == output)
        return shape[1] if len(shape) > 1 and isinstance(shape[1], int) else None

    def __call__(self, batch: Encoded, stop: threading.Event) -> Told:
        """Decode the images and show them to the model; stop between two when nobody wants the result any more."""
        place: list[int] = []
        pixels: list[Pixels] = []
        skipped: list[Skipped] = []
        for number, image in enumerate(batch.images):
            if stop.is_set():
                break
            if image.data is None:
                skipped.append(Skipped(path=image.path, reason=image.error or "unreadable"))
                continue
            try:
                pixels.append(decode(image.data, self._probe.spec))
                place.append(number)
            except ImagesError as problem:
                skipped.append(Skipped(path=image.path, reason=str(problem)))
        row = batch.row[place]
        if not place or stop.is_set():
            return Told(row=row[:0], columns=None, pixels=None, skipped=tuple(skipped))
        stacked = np.stack(pixels)
        label = None if batch.label is None else batch.label[place]
        outputs = self._outputs(stacked, label)
        return Told(
            row=row,
            columns=self._kept(Shown(pixels=stacked, outputs=outputs, labels=label)),
            pixels=stacked,
            skipped=tuple(skipped),
            odd={name: odd_rows(value) for name, value in outputs.items()} if self._probe.leaves_out_odd else {},
            paths=tuple(batch.images[number].path for number in place),
        )

    def show(self, pixels: Pixels, labels: Rows | None) -> Mapping[str, Any]:
        """Return the columns of (b, H, W, C) uint8 pixels.

        Raises:
            ModelError: onnxruntime failed (out of memory, an operator that refuses its input) or was late.
        """
        return self._kept(Shown(pixels=pixels, outputs=self._outputs(pixels, labels), labels=labels))

    def _kept(self, shown: Shown) -> Mapping[str, Any]:
        reduce = self._probe.reduce
        return shown.outputs if reduce is None else reduce(shown)

    def _outputs(self, pixels: Pixels, labels: Rows | None) -> Mapping[str, Any]:
        probe = self._probe
        told = {LABEL: labels} if probe.with_labels and labels is not None else {}
        outputs = [output for _, output in probe.columns]
        try:
            if probe.device.kind == "cuda":
                with self._turn:
                    values = self._run_bound(pixels, told, outputs)
            else:
                values = self._run(pixels, told, outputs)
        except runtime_errors() as problem:
            raise ModelError(
                f"the model fails on a batch of {len(pixels)}: {first_line(problem)}; try a smaller --batch-size"
            ) from None
        return {name: value for (name, _), value in zip(probe.columns, values, strict=True)}

    def _run(self, pixels: Pixels, told: Mapping[str, Rows], outputs: list[str]) -> list[Any]:
        feeds: dict[str, NDArray[Any]] = {self._input: pixels, **told}
        with self._limit(len(pixels)) as options:
            found: list[Any] = self._session.run(outputs, feeds, options)
        return found

    def _limit(self, batch: int) -> AbstractContextManager[Any]:
        """Return the options of a run that ends in time, None where the probe sets no limit."""
        seconds = self._probe.seconds
        return nullcontext() if seconds is None else limited(patience(seconds, batch), batch)

    def _run_bound(self, pixels: Pixels, told: Mapping[str, Rows], outputs: list[str]) -> list[Any]:
        """Run by IO binding: one upload of uint8 pixels, outputs stay on the GPU as torch tensors."""
        import torch

        images = torch.from_numpy(pixels).to("cuda", non_blocking=False).contiguous()
        # onnxruntime does not wait for torch's stream: the upload must be over before the run starts.
        torch.cuda.current_stream().synchronize()
        binding = self._session.io_binding()
        binding.bind_input(self._input, "cuda", 0, np.uint8, tuple(images.shape), images.data_ptr())
        for name, value in told.items():
            binding.bind_cpu_input(name, value)
        for name in outputs:
            binding.bind_output(name, "cuda", 0)
        with self._limit(len(pixels)) as options:
            self._session.run_with_iobinding(binding, options)
        return [torch.utils.dlpack.from_dlpack(value) for value in binding.get_outputs()]


def odd_rows(value: Any) -> NDArray[np.bool_]:
    """Return (b,) in which rows an output, NumPy's or torch's, holds NaN or infinity."""
    if isinstance(value, np.ndarray):
        return np.logical_not(np.isfinite(value.reshape(len(value), -1)).all(axis=1))
    return to_numpy(~value.isfinite().flatten(1).all(dim=1))


def to_numpy(value: Any) -> NDArray[Any]:
    """Return an output as a NumPy array on the host."""
    if isinstance(value, np.ndarray):
        return value
    found: NDArray[Any] = value.cpu().numpy()
    return found
