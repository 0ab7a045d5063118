"""Sessions by IO binding: pixels lie on the device already, or are uploaded from pinned memory beside a run.

On a CPU "the device" is memory of the same kind, so that every line here runs without one.
"""

import json
import queue
import threading
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from onnxmint.engine.probe import Probe
from onnxmint.engine.session import open_session

_AHEAD = 2  # batches that a stream has uploaded and not yet run


class Bound:
    """One session, its inputs and outputs bound to the device."""

    def __init__(self, probe: Probe, *, threads: int = 1, profile: Path | None = None) -> None:
        """Open the probe's model; with `profile` what ran where is written into that folder."""
        self.kind = probe.device.kind
        self._outputs = [output for _, output in probe.columns]
        self._session = open_session(probe.model, probe.device, threads=threads) if profile is None else None
        if profile is not None:
            self._session = _profiled(probe, profile)
        self._input = self._session.get_inputs()[0].name

    def upload(self, pixels: np.ndarray) -> Any:
        """Return pixels on the device: a torch tensor there, on a CPU an array; the copy is over."""
        if self.kind == "cpu":
            return np.array(pixels)
        import torch

        stream = torch.cuda.Stream()
        with torch.cuda.stream(stream):
            there = torch.from_numpy(pixels).pin_memory().to("cuda", non_blocking=True)
        stream.synchronize()  # onnxruntime does not wait for torch's streams
        return there

    def run(self, shown: Any) -> Any:
        """Run on pixels that are on the device, and return the first output, which stays there."""
        binding = self._session.io_binding()
        pointer = shown.ctypes.data if isinstance(shown, np.ndarray) else shown.data_ptr()
        binding.bind_input(self._input, self.kind, 0, np.uint8, tuple(shown.shape), pointer)
        for name in self._outputs:
            binding.bind_output(name, self.kind, 0)
        self._session.run_with_iobinding(binding)
        return binding.get_outputs()[0]

    def providers_of(self, pixels: np.ndarray) -> dict[str, int]:
        """Run once and return how many operators ran on each provider, by onnxruntime's own profile."""
        self.run(self.upload(pixels)).numpy()
        file = Path(self._session.end_profiling())
        events = json.loads(file.read_text())
        file.unlink()
        ran = (event.get("args", {}).get("provider") for event in events if event.get("cat") == "Node")
        return dict(Counter(name for name in ran if name))


def _profiled(probe: Probe, folder: Path) -> Any:
    """Open a session that writes its profile; the package's own sessions never do."""
    import onnxruntime as ort

    from onnxmint.engine.session import _CUDA_OPTIONS, CPU, CUDA

    options = ort.SessionOptions()
    options.enable_profiling = True
    options.profile_file_prefix = str(folder / "profile")
    options.log_severity_level = 4
    providers: list[Any] = [(CUDA, _CUDA_OPTIONS), CPU] if probe.device.kind == "cuda" else [CPU]
    source = probe.model if isinstance(probe.model, bytes) else str(probe.model)
    return ort.InferenceSession(source, options, providers=providers, enable_fallback=0)


class _Stream:
    """Shows some batches to one session, and uploads the next ones meanwhile."""

    def __init__(self, bound: Bound, batches: Sequence[np.ndarray], mine: Sequence[int]) -> None:
        self._bound, self._batches, self._mine = bound, batches, mine
        self._waiting: queue.Queue[tuple[int, Any] | None] = queue.Queue(maxsize=_AHEAD)
        self._stopped = threading.Event()

    def __call__(self, found: list[np.ndarray]) -> None:
        feeding = threading.Thread(target=self._upload)
        feeding.start()
        try:
            while (one := self._waiting.get()) is not None:
                found[one[0]] = self._bound.run(one[1]).numpy()
        finally:
            self._stopped.set()
            while feeding.is_alive():
                with suppress(queue.Empty):
                    self._waiting.get(timeout=0.01)
            feeding.join()

    def _upload(self) -> None:
        try:
            for number in self._mine:
                if self._stopped.is_set():
                    return
                self._waiting.put((number, self._bound.upload(self._batches[number])))
        finally:
            self._waiting.put(None)


def in_two_streams(pair: Sequence[Bound], batches: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Show batches to two sessions in turn, each fed by an uploader of its own; return the answers in order."""
    found: list[np.ndarray] = [np.empty(0)] * len(batches)
    streams = [_Stream(bound, batches, range(number, len(batches), len(pair))) for number, bound in enumerate(pair)]
    with ThreadPoolExecutor(len(pair)) as pool:
        for done in [pool.submit(stream, found) for stream in streams]:
            done.result()
    return found
