"""Images in, activations out: reading and decoding run beside inference, memory stays bounded, order is kept.

    source --read--> [decoder threads] --> batches of uint8 pixels --> session --> Batch, Batch, ...

One feeder thread reads the source and hands encoded images to a pool of decoders; it is never more than
`_BATCHES_AHEAD` batches ahead of inference, whatever the number of images.
"""

import contextlib
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from onnxmint.errors import ImagesError, ModelError
from onnxmint.graph.running import first_line, runtime_errors
from onnxmint.runtime.session import Device

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
        self.device = device
        self.outputs = outputs

    def __call__(self, pixels: Pixels, extra: dict[str, NDArray[Any]] | None = None) -> dict[str, Any]:
        """Run the model on (b, H, W, C) uint8 pixels and, by name, on small further inputs.

        Raises:
            ModelError: onnxruntime failed while running (out of memory, an operator that refuses its input).
        """
        try:
            if self.device.kind == "cuda":
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
    batch_size: int = 64,
    decoders: int = 2,
    skip: Skip,
) -> Iterator[Batch]:
    """Yield the model's outputs over a source, batch by batch, in the source's order.

    An image that cannot be read or decoded is passed to `skip` and left out; the run goes on. An error in a
    worker, a consumer that stops early and Ctrl-C all end the threads before this generator returns.

    Args:
        source: where the encoded images come from.
        run: the model: pixels and their indices to named outputs.
        decode: encoded bytes to (H, W, C) uint8; raises ImagesError with the reason.
        wanted: indices to read, None for all.
        batch_size: images in one run.
        decoders: decoding threads.
        skip: told of every image left out.
    """
    feeder = _Feeder(source, decode, wanted, batch_size, decoders)
    try:
        for index, pixels, skipped in feeder.batches():
            for image in skipped:
                skip(image)
            if len(index):
                yield Batch(index=index, pixels=pixels, outputs=run(pixels, index))
    finally:
        feeder.close()


_Prepared = tuple[NDArray[np.int64], Pixels, list[SkippedImage]]


class _Feeder:
    """Reads and decodes ahead of inference in its own thread."""

    def __init__(
        self, source: Readable, decode: Decode, wanted: AbstractSet[int] | None, batch_size: int, decoders: int
    ) -> None:
        self._source, self._decode, self._wanted, self._batch_size = source, decode, wanted, batch_size
        self._pool = ThreadPoolExecutor(decoders, thread_name_prefix="onnxmint-decode")
        self._ready: queue.Queue[_Prepared | BaseException | None] = queue.Queue(maxsize=_BATCHES_AHEAD)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._feed, name="onnxmint-feed", daemon=True)
        self._thread.start()

    def batches(self) -> Iterator[_Prepared]:
        while True:
            prepared = self._ready.get()
            if prepared is None:
                return
            if isinstance(prepared, BaseException):
                raise prepared
            yield prepared

    def close(self) -> None:
        self._stop.set()
        with contextlib.suppress(queue.Empty):
            while True:
                self._ready.get_nowait()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._thread.join()

    def _feed(self) -> None:
        try:
            self._read_and_decode()
            self._hand_over(None)
        except BaseException as problem:  # noqa: BLE001 - carried to the consumer, which raises it
            self._hand_over(problem)

    def _read_and_decode(self) -> None:
        waiting: deque[tuple[Encoded, Future[Pixels] | None]] = deque()
        done: list[tuple[Encoded, Future[Pixels] | None]] = []
        for image in self._source.read(self._wanted):
            if self._stop.is_set():
                return
            future = None if image.data is None else self._pool.submit(self._decode, image.data)
            waiting.append((image, future))
            if len(waiting) >= 2 * self._batch_size:
                done.append(waiting.popleft())
                if len(done) == self._batch_size:
                    self._hand_over(_assemble(done))
                    done = []
        done.extend(waiting)
        for start in range(0, len(done), self._batch_size):
            self._hand_over(_assemble(done[start : start + self._batch_size]))

    def _hand_over(self, item: _Prepared | BaseException | None) -> None:
        while not self._stop.is_set():
            with contextlib.suppress(queue.Full):
                self._ready.put(item, timeout=0.1)
                return


def _assemble(images: list[tuple[Encoded, "Future[Pixels] | None"]]) -> _Prepared:
    """Wait for the decoders and stack what they made; note what failed."""
    index: list[int] = []
    pixels: list[Pixels] = []
    skipped: list[SkippedImage] = []
    for image, future in images:
        if future is None:
            skipped.append(SkippedImage(index=image.index, path=image.path, reason=image.error or "unreadable"))
            continue
        try:
            pixels.append(future.result())
            index.append(image.index)
        except ImagesError as problem:
            skipped.append(SkippedImage(index=image.index, path=image.path, reason=str(problem)))
    stacked = np.stack(pixels) if pixels else np.empty((0, 0, 0, 0), np.uint8)
    return np.asarray(index, np.int64), stacked, skipped
