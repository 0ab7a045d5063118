"""Where the sessions that images are streamed through are made, and where it is decided, honestly, on which device.

Asking onnxruntime for CUDA where CUDA cannot load prints an error and silently runs on the CPU
(onnxruntime issue 23372), and its list of available providers tells what was built, not what works. So the
device is probed with a session of one node before it is chosen, and each session is asked what it got.
"""

import contextlib
import functools
import importlib.util
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onnxmint.cores import usable_cores
from onnxmint.errors import DeviceError, ModelError
from onnxmint.graph.runtime import LARGEST_FOLDED, first_line, installed_runtime, runtime_errors, several_runtimes
from onnxmint.settings import DeviceKind

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"
_MOST_WORKERS = 8
_SILENT = 4  # severity from which on onnxruntime writes to stderr by itself: fatal
_CUDA_OPTIONS = {
    "cudnn_conv_algo_search": "HEURISTIC",  # EXHAUSTIVE re-tunes on each shape and varies by 1e-6 between runs
    "use_tf32": "0",  # so that CPU and CUDA agree to 1e-5
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A device that was tried and works.

    Attributes:
        kind: which.
        provider: onnxruntime's name for it.
        reason: one sentence on why it was taken.
    """

    kind: DeviceKind
    provider: str
    reason: str


def choose_device(wanted: str) -> Device:
    """Return the device to run on.

    Args:
        wanted: "cpu", "cuda", or "auto" (CUDA when it works, else the CPU).

    Raises:
        DeviceError: onnxruntime cannot be used, or "cuda" was asked for and cannot be had; why, and how to mend it.
    """
    installed_runtime()
    several = several_runtimes()
    taken = "" if several is None else f"; {several}"
    if wanted == "cpu":
        return Device(kind="cpu", provider=CPU, reason=f"--device cpu{taken}")
    failure = cuda_failure()
    if failure is None:
        why = "--device cuda" if wanted == "cuda" else "CUDA works here"
        return Device(kind="cuda", provider=CUDA, reason=f"{why}{taken}")
    if wanted == "cuda":
        raise DeviceError(f"--device cuda: {failure}{taken}")
    return Device(kind="cpu", provider=CPU, reason=f"no CUDA: {failure}{taken}")


def open_session(model: bytes | Path, device: Device, *, threads: int | None = None, optimise: bool = True) -> Any:
    """Open an onnxruntime session on a device that `choose_device` returned.

    Args:
        model: serialised model, or the path of one (needed when its weights are in a file beside it).
        device: where it runs.
        threads: threads within an operator; None takes the cores this process may use.
        optimise: false runs the graph as written, for bit-exact comparisons.

    Raises:
        ModelError: onnxruntime cannot load the model.
        DeviceError: the session came up on another device.
    """
    import onnxruntime as ort

    ort.set_default_logger_severity(_SILENT)  # what goes wrong is told once, in our words
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads or usable_cores()
    options.log_severity_level = _SILENT
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # spinning steals cores from decoding
    options.add_session_config_entry(*LARGEST_FOLDED)
    if not optimise:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    providers: list[Any] = [(CUDA, _CUDA_OPTIONS), CPU] if device.kind == "cuda" else [CPU]
    source = model if isinstance(model, bytes) else str(model)
    try:
        with _quiet_stdout():
            session = ort.InferenceSession(source, options, providers=providers, enable_fallback=0)
    except runtime_errors() as problem:
        name = "the prepared model" if isinstance(model, bytes) else model
        raise ModelError(f"onnxruntime cannot load {name}: {first_line(problem)}") from None
    if device.provider not in session.get_providers():
        raise DeviceError(f"asked for {device.provider}, onnxruntime took {session.get_providers()}; use --device cpu")
    return session


def share_cores(device: Device, *, cores: int | None = None) -> tuple[int, int]:
    """Return how many workers take batches side by side, and how many threads each has within an operator.

    On a CPU a worker a core, one thread each: threads within an operator wait for each other at the end of every one.
    With more than `_MOST_WORKERS` cores each worker gets several, since every further worker takes memory. On CUDA the
    workers decode, and run in turn.

    Args:
        device: where the model runs.
        cores: to share; None takes those that this process may use.
    """
    cores = cores or usable_cores()
    threads = -(-cores // _MOST_WORKERS)
    return (cores // threads, threads) if device.kind == "cpu" else (min(cores, _MOST_WORKERS), 1)


@functools.cache
def cuda_failure() -> str | None:
    """Return why CUDA cannot be used here and how to mend it, None when a CUDA session really ran."""
    import onnxruntime as ort

    if CUDA not in ort.get_available_providers():
        return "this onnxruntime was built without CUDA; install onnxruntime-gpu (Linux, Windows) in its place"
    if not _driver_present():
        return "no NVIDIA driver was found; CUDA 13 needs a GPU with driver 580 or newer"
    if importlib.util.find_spec("torch") is None:
        return "PyTorch, which takes images to the GPU and brings CUDA's libraries, is not installed; pip install torch"
    with _quiet_stdout():
        _preload_libraries(ort)
        ort.set_default_logger_severity(_SILENT)
        options = ort.SessionOptions()
        options.log_severity_level = _SILENT
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
        try:
            session = ort.InferenceSession(
                _probe_model(), options, providers=[(CUDA, _CUDA_OPTIONS)], enable_fallback=0
            )
        except runtime_errors() as problem:
            return _explain_cuda(str(problem))
    if CUDA in session.get_providers():
        return None
    return 'the CUDA provider did not load; pip install "onnxmint[cuda]" brings its libraries'


def _driver_present() -> bool:
    import ctypes

    for name in ("libcuda.so.1", "nvcuda.dll"):
        with contextlib.suppress(OSError):
            ctypes.CDLL(name)
            return True
    return False


def _preload_libraries(ort: Any) -> None:
    import torch  # noqa: F401 - its wheel carries the CUDA libraries; loading it first lets onnxruntime find them

    if hasattr(ort, "preload_dlls"):
        ort.preload_dlls()


def _explain_cuda(text: str) -> str:
    missing = re.search(r"(lib\w+\.so[.\d]*)", text)
    if missing:
        return f'the library {missing.group(1)} is missing; pip install "onnxmint[cuda]" brings it'
    return f"the CUDA provider cannot start: {text.strip().splitlines()[0]}; see that the driver is 580 or newer"


def _probe_model() -> bytes:
    from onnx import parser

    text = '<ir_version: 8, opset_import: ["" : 17]> probe (float[1] x) => (float[1] y) { y = Relu (x) }'
    model: bytes = parser.parse_model(text).SerializeToString()
    return model


@contextlib.contextmanager
def _quiet_stdout() -> Iterator[None]:
    """Keep onnxruntime's own prints off stdout, which belongs to the result (--json)."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield
