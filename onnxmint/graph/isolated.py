"""The child process in which untrusted graphs run first: within limits of memory and time, and apart from everything.

`isolation` starts it. It opens graphs, runs them and closes them as it is told, and ends when its input does. Started
are NumPy and onnxruntime only.
"""

import contextlib
import os
import signal
import sys
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from onnxmint.graph.runtime import LARGEST_FOLDED, first_line, runtime_errors
from onnxmint.graph.wire import Arrays, receive, send

_LIMITED = sys.platform.startswith("linux")
_FOR_RUNNING = 400_000_000  # bytes of what a graph may take that only a run may
_THREADS = 4  # within an operator
_GRACE = 5.0  # seconds behind the parent's own limit, should the parent be gone
_FAILURES: tuple[type[Exception], ...] = (*runtime_errors(), MemoryError)
_NO_MEMORY = ("bad_alloc", "Failed to allocate", "bad allocation", "Available memory", "Cannot allocate", "SafeInt")


def main() -> None:
    """Answer requests until there are none."""
    requests, replies = _take_pipes()
    ort.set_default_logger_severity(4)
    _settle()
    sessions: dict[int, Any] = {}
    send(replies, {"ready": True}, {})
    while (message := receive(requests)) is not None:
        words, arrays, raw = message
        reply, values = _answer(sessions, words, arrays, raw)
        del message, arrays, raw  # before the next one is read
        send(replies, reply, values)


def _answer(
    sessions: dict[int, Any], words: dict[str, Any], arrays: Arrays, raw: bytes
) -> tuple[dict[str, Any], Arrays]:
    """Do what a request asks for: "open", "run" or "close"."""
    key = words["session"]
    if words["do"] == "close":
        sessions.pop(key, None)
        return {}, {}
    try:
        with _limited(words["seconds"], words["memory"]):
            if words["do"] == "open":
                sessions[key] = _open(raw or Path(words["path"]), words)
                return {"types": {one.name: one.type for one in sessions[key].get_outputs()}}, {}
            values = _run(sessions[key], arrays, words["outputs"])
    except _FAILURES as problem:
        text = first_line(problem)
        lacking = isinstance(problem, MemoryError) or any(word in str(problem) for word in _NO_MEMORY)
        return {"error": text, "memory": lacking}, {}
    size = sum(value.nbytes for value in values.values())
    if size > words["largest"]:
        name, value = max(values.items(), key=lambda item: item[1].nbytes)
        return {"error": f"its output {name!r} has shape {list(value.shape)}", "large": True}, {}
    return {}, values


def _open(source: bytes | Path, words: dict[str, Any]) -> Any:
    """Return a session; raise MemoryError when it takes about all it may.

    Constants that cannot be folded for want of memory are left alone without a word, and would be folded where there is
    more of it.
    """
    before, memory = _taken(), words["memory"]
    session = _session(source, words)
    if _taken() - before > max(memory // 2, memory - _FOR_RUNNING):
        raise MemoryError
    return session


def _session(source: bytes | Path, words: dict[str, Any]) -> Any:
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = min(_THREADS, _cores())
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.disable_prepacking", "1")  # mapped weights stay mapped
    options.add_session_config_entry(*LARGEST_FOLDED)
    options.enable_cpu_mem_arena = False  # what is asked for is what is taken: an arena takes double
    options.enable_mem_pattern = False
    if not words["optimise"]:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    if words["sizes_first"]:
        options.execution_order = ort.ExecutionOrder.PRIORITY_BASED  # Shape first, so that tensors can go
    model = source if isinstance(source, bytes) else str(source)
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _run(session: Any, feeds: Arrays, outputs: list[str]) -> Arrays:
    """Return the outputs that are tensors, or class scores in maps."""
    found = zip(outputs, session.run(outputs, feeds), strict=True)
    arrays = {name: _as_array(value) for name, value in found}
    return {name: value for name, value in arrays.items() if value is not None}


def _as_array(value: Any) -> NDArray[Any] | None:
    """Return a tensor, or scores by class (ZipMap's maps, one for each image) in the order of the classes."""
    if isinstance(value, np.ndarray):
        return value
    if isinstance(value, list) and value and all(isinstance(row, dict) for row in value):
        return np.array([[row[key] for key in sorted(row)] for row in value])
    return None


@contextlib.contextmanager
def _limited(seconds: float, memory: int) -> Any:
    """Let this process take so much more memory, and end it when it takes longer than its parent waits."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds + _GRACE)  # nobody catches SIGALRM: it ends the process
    _allow(memory)
    try:
        yield
    finally:
        _allow(None)
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0)


def _allow(memory: int | None) -> None:
    """Set the most memory of our own to what is taken now and so much more; only Linux heeds it."""
    if not _LIMITED:
        return
    import resource

    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    soft = hard if memory is None else _taken() + memory
    with contextlib.suppress(ValueError, OSError):  # the hard limit is lower
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _taken() -> int:
    """Return the bytes of memory of our own, 0 where the system does not say."""
    if not _LIMITED:
        return 0
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[5]) * os.sysconf("SC_PAGE_SIZE")


def _settle() -> None:
    """Write no files, leave no core, and let Ctrl-C reach the parent only."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "win32":
        return
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def _take_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Return the pipes to the parent; what libraries print goes nowhere."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)
    return requests, replies


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
