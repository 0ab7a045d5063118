"""Images in, activations out: a batch per worker, memory stays bounded, order is kept.

    source --read--> batches of encoded images --> [workers: decode, run] --> Batch, Batch, ...

Each worker takes a batch through decoding and inference, so that no core waits for a neighbour: not for decoders when
images are large, nor at the end of every operator as threads within one session do. Reading stays at most
`_BATCHES_AHEAD` batches a worker ahead of the consumer, whatever the number of images.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from collections.abc import Set as AbstractSet
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from onnxmint.engine.session import Device
from onnxmint.errors import ImagesError, ModelError
from onnxmint.graph.running import first_line, runtime_errors

_BATCHES_AHEAD = 2

Pixels = NDArray[np.uint8]
Decode = Callable[[bytes], Pixels]


class Encoded(Protocol):
    """One image as its source gives it: encoded bytes, or the reason why there are none."""

    @property
    def index(self) -> int:
        """Return its position in the source."""

    @property
    def path(self) -> str:
        """Return the name shown to the user."""

    @property
    def data(self) -> bytes | None:
        """Return the encoded image."""

    @property
    def error(self) -> str | None:
        """Return why there is no data."""


class Readable(Protocol):
    """A source of encoded images."""

    def read(self, wanted: AbstractSet[int] | None = None) -> Iterator[Any]:
        """Yield the wanted images (all of them for None) in index order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What the model said about some images.

    Attributes:
        index: (b,) int64, positions of the images in their source, ascending.
        pixels: (b, H, W, C) uint8, what went in.
        outputs: by output name, first axis b; NumPy arrays on the CPU, torch CUDA tensors on CUDA.
    """

    index: NDArray[np.int64]
    pixels: Pixels
    outputs: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedImage:
    """An image that gave no activation, and why."""

    index: int
    path: str
    reason: str


Skip = Callable[[SkippedImage], None]


class Runner:
    """An open session that turns uint8 pixels into named outputs on its device."""

    def __init__(self, session: Any, device: Device, outputs: tuple[str, ...]) -> None:
        """Keep the session; `outputs` are the names to compute."""
        self._session = session
        self._input = session.get_inputs()[0].name
        # A CUDA session has one compute stream: workers take turns on it and decode meanwhile.
        self._turn: AbstractContextManager[Any] = threading.Lock() if device.kind == "cuda" else nullcontext()
        self.device = device
        self.outputs = outputs

    def __call__(self, pixels: Pixels, extra: dict[str, NDArray[Any]] | None = None) -> dict[str, Any]:
        """Run the model on (b, H, W, C) uint8 pixels and, by name, on small further inputs.

        Raises:
            ModelError: onnxruntime failed while running (out of memory, an operator that refuses its input).
        """
        try:
            if self.device.kind == "cuda":
                with self._turn:
                    return self._run_bound(pixels, extra or {})
            values = self._session.run(list(self.outputs), {self._input: pixels, **(extra or {})})
        except runtime_errors() as problem:
            raise ModelError(
                f"the model fails on a batch of {len(pixels)}: {first_line(problem)}; try a smaller --batch-size"
            ) from None
        return dict(zip(self.outputs, values, strict=True))

    def _run_bound(self, pixels: Pixels, extra: dict[str, NDArray[Any]]) -> dict[str, Any]:
        """Run by IO binding: one upload of uint8 pixels, outputs stay on the GPU as torch tensors."""
        import torch

        images = torch.from_numpy(pixels).to("cuda", non_blocking=False).contiguous()
        # onnxruntime does not wait for torch's stream: the upload must be over before the run starts.
        torch.cuda.current_stream().synchronize()
        binding = self._session.io_binding()
        binding.bind_input(self._input, "cuda", 0, np.uint8, tuple(images.shape), images.data_ptr())
        for name, value in extra.items():
            binding.bind_cpu_input(name, value)
        for name in self.outputs:
            binding.bind_output(name, "cuda", 0)
        self._session.run_with_iobinding(binding)
        values = binding.get_outputs()
        return {name: torch.utils.dlpack.from_dlpack(value) for name, value in zip(self.outputs, values, strict=True)}


def stream(
    source: Readable,
    run: Callable[[Pixels, NDArray[np.int64]], dict[str, Any]],
    decode: Decode,
    *,
    wanted: AbstractSet[int] | None = None,
    batch_size: int = 16,
    workers: int = 2,
    skip: Skip,
) -> Iterator[Batch]:
    """Yield the model's outputs over a source, batch by batch, in the source's order.

    An image that cannot be read or decoded is passed to `skip` and left out; the run goes on. An error in a
    worker, a consumer that stops early and Ctrl-C all end the threads before this generator returns.

    Args:
        source: where the encoded images come from; read in the consumer's thread.
        run: the model: pixels and their indices to named outputs; called by several workers at once.
        decode: encoded bytes to (H, W, C) uint8; raises ImagesError with the reason.
        wanted: indices to read, None for all.
        batch_size: images in one run.
        workers: threads that decode and run.
        skip: told of every image left out, in the consumer's thread.
    """
    stop = threading.Event()
    waiting: deque[Future[_Done]] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="onnxmint-worker")
    try:
        for images in _in_batches(source.read(wanted), batch_size):
            waiting.append(pool.submit(_work, images, decode, run, stop))
            if len(waiting) > _BATCHES_AHEAD * workers:
                yield from _told(waiting.popleft().result(), skip)
        while waiting:
            yield from _told(waiting.popleft().result(), skip)
    finally:
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)


_Done = tuple[Batch | None, list[SkippedImage]]


def _in_batches(images: Iterable[Encoded], size: int) -> Iterator[list[Encoded]]:
    """Yield lists of `size` images, the last one shorter."""
    batch: list[Encoded] = []
    for image in images:
        batch.append(image)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _told(done: _Done, skip: Skip) -> Iterator[Batch]:
    """Yield a batch, unless nothing of it could be read, and tell of what was left out."""
    batch, skipped = done
    for image in skipped:
        skip(image)
    if batch is not None:
        yield batch


def _work(
    images: list[Encoded],
    decode: Decode,
    run: Callable[[Pixels, NDArray[np.int64]], dict[str, Any]],
    stop: threading.Event,
) -> _Done:
    """Decode some images and run the model on them; stop between two images when nobody wants the result any more."""
    index: list[int] = []
    pixels: list[Pixels] = []
    skipped: list[SkippedImage] = []
    for image in images:
        if stop.is_set():
            return None, []
        if image.data is None:
            skipped.append(SkippedImage(index=image.index, path=image.path, reason=image.error or "unreadable"))
            continue
        try:
            pixels.append(decode(image.data))
            index.append(image.index)
        except ImagesError as problem:
            skipped.append(SkippedImage(index=image.index, path=image.path, reason=str(problem)))
    if not index:
        return None, skipped
    stacked, places = np.stack(pixels), np.asarray(index, np.int64)
    return Batch(index=places, pixels=stacked, outputs=run(stacked, places)), skipped
