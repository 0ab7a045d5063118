"""Where untrusted graphs run first: a child process that can be stopped, and that cannot take the machine.

A file of 20 kB can ask for 10 GB, loop for ever, or crash the runtime; in a child each of these is one line. The child
is started when it is first needed, serves all files that this process reads, and goes with it.
"""

import atexit
import contextlib
import itertools
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, cast

from numpy.typing import NDArray

from onnxmint.errors import ModelError, OnnxmintError
from onnxmint.graph.runtime import broken_runtime, installed_runtime
from onnxmint.graph.wire import Arrays, receive, send

_START, _END = 60.0, 2.0  # seconds that a process may take to come up on a busy machine, and to go
_LARGEST = 150_000_000  # bytes that one run may give out
_SECONDS, _BYTES_A_SECOND = (
    8.0,
    5_000_000,
)  # that all trial runs of a file may take, and more by the size of its weights
_MEMORY, _TIMES_WEIGHTS = 800_000_000, 4  # bytes that each may take, and more by the size of its weights
MORE_SECONDS, MORE_MEMORY = "ONNXMINT_TRIAL_SECONDS", "ONNXMINT_TRIAL_GB"
"""Variables of the environment that allow trial runs, and the first one batches of an audit, more."""
_PROGRAM = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from onnxmint.graph.isolated import main; main()"


_TENSORS = {
    **{f"tensor({kind})": kind for kind in ("float16", "bool", "string", "int8", "int16", "int32", "int64")},
    **{f"tensor({kind})": kind for kind in ("uint8", "uint16", "uint32", "uint64", "bfloat16")},
    "tensor(float)": "float32",
    "tensor(double)": "float64",
}
"""What onnxruntime calls the types of tensors, and NumPy."""


class TrialTimeout(ModelError):
    """A trial run took longer than it may; others of the same file would too."""


class Budget:
    """What the trial runs of one file may take: so many seconds together, and so much memory each."""

    def __init__(self, size: int) -> None:
        """Allow what a model with `size` bytes of weights may take, or what the environment says."""
        seconds, gigabytes = more_seconds(), _number_in(MORE_MEMORY)
        self.seconds = seconds or _SECONDS + size / _BYTES_A_SECOND
        self.left = self.seconds
        self.memory = int(gigabytes * 1e9) if gigabytes else _MEMORY + _TIMES_WEIGHTS * size


def more_seconds() -> float | None:
    """Return the seconds that the environment allows runs of a model, None where it does not say."""
    return _number_in(MORE_SECONDS)


def _number_in(variable: str) -> float | None:
    text = os.environ.get(variable)
    if not text:
        return None
    with contextlib.suppress(ValueError):
        if 0 < (number := float(text)) < 1e6:  # noqa: PLR2004 - seconds of 11 days
            return number
    raise OnnxmintError(f"{variable}={text!r} is not a number above 0; set it to one, or unset it")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    """A message to the child."""

    words: Mapping[str, Any]
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    raw: bytes = b""  # a serialised model


class Trial:
    """A graph that is open in the child.

    Attributes:
        types: by output that is a tensor, what NumPy calls its type.
        seconds: what the last run took.
    """

    def __init__(self, source: bytes | Path, name: object, budget: Budget, options: Mapping[str, bool]) -> None:
        """Open a graph; `name` is what messages call it."""
        self._child, self._key = _running_child(), next(_KEYS)
        self._name, self._budget = name, budget
        self.seconds = 0.0
        raw = source if isinstance(source, bytes) else b""
        words = {"do": "open", "path": "" if isinstance(source, bytes) else str(source.absolute()), **options}
        found = self._ask(words, {}, "onnxruntime did not load it", raw)[0]["types"]
        self.types = {one: _TENSORS[kind] for one, kind in found.items() if kind in _TENSORS}

    def run(self, feeds: Mapping[str, NDArray[Any]], outputs: Sequence[str]) -> Arrays:
        """Return the named outputs; those that are no tensors, and no class scores in maps, are left out.

        Raises:
            ModelError: it fails, takes too much memory, or gives out too much.
            TrialTimeout: it takes longer than what is left of its budget.
        """
        batch = next((len(array) for array in feeds.values() if array.ndim), 1)
        return self._ask(
            {"do": "run", "outputs": list(outputs)}, feeds, f"the model did not answer a batch of {batch}"
        )[1]

    def close(self) -> None:
        """Let the child forget it; one that is gone has."""
        with contextlib.suppress(EOFError, TimeoutError):
            self._child.ask(_Request(words={"do": "close", "session": self._key}), _START)

    def _ask(
        self, words: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], late: str, raw: bytes = b""
    ) -> tuple[dict[str, Any], Arrays]:
        budget, began = self._budget, time.monotonic()
        words = {**words, "session": self._key, "seconds": max(budget.left, 0), "memory": budget.memory}
        request = _Request(words={**words, "largest": _LARGEST}, arrays=arrays, raw=raw)
        try:
            reply, values = self._child.ask(request, max(budget.left, 0))
        except TimeoutError:
            raise TrialTimeout(
                f"{self._name}: {late} in {budget.seconds:.0f} s; it may never end: export it again without loops, or "
                f"set {MORE_SECONDS} when it is only slow"
            ) from None
        except EOFError as end:
            raise ModelError(
                f"{self._name}: onnxruntime crashed on it ({end}); update onnxruntime, or export the model again"
            ) from None
        self.seconds = time.monotonic() - began
        budget.left -= self.seconds
        if "error" in reply:
            raise ModelError(self._explained(reply))
        return reply, values

    def _explained(self, reply: Mapping[str, Any]) -> str:
        """Return what went wrong, and what to do."""
        if reply.get("memory"):
            return (
                f"{self._name}: it takes more than {self._budget.memory / 1e9:.1f} GB to run it; export it with a "
                f"smaller batch or image, or set {MORE_MEMORY} to the GB that it may take"
            )
        if reply.get("large"):
            return f"{self._name}: {reply['error']}, more than an output of a classifier; export it without"
        text = f"{self._name}: onnxruntime cannot run it: {reply['error']}"
        if "Could not find an implementation" in text:  # no kernel: a type that few operators take, a foreign domain
            text += "; export it in float32, with operators of the standard"
        return text


class _Child:
    """The process, as seen from here."""

    def __init__(self) -> None:
        """Start it; it gets ready while other work is done."""
        code = (
            "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from onnxmint.graph.isolated import main; main()"
        )
        words = [sys.executable, "-I", "-c", code, json.dumps([str(Path(place).absolute()) for place in sys.path])]
        kept = {key: value for key, value in os.environ.items() if key != "ORT_LOAD_CONFIG_FROM_MODEL"}
        try:
            self._process = subprocess.Popen(
                words, env=kept, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
        except OSError as problem:
            raise _cannot_start(problem.strerror or str(problem)) from None
        self._owner = os.getpid()
        self._ready = self._late = False

    @property
    def alive(self) -> bool:
        """Say whether it can be asked: it runs, and is ours (a fork of this process has only a copy of the pipes)."""
        return not self._late and self._owner == os.getpid() and self._process.poll() is None

    def ask(self, request: _Request, seconds: float) -> tuple[dict[str, Any], Arrays]:
        """Send a request and return the reply.

        Raises:
            TimeoutError: it took longer; the process is gone.
            EOFError: the process ended by itself; how is its text.
        """
        with _LOCK:
            if not self._ready and self._owner == os.getpid():
                self._get_ready()
            if not self.alive:
                raise TimeoutError if self._late else EOFError("it is gone")
            return self._exchange(request, seconds)

    def _get_ready(self) -> None:
        """Wait until it has loaded what it needs; what it says on stderr up to then is why it cannot."""
        try:
            self._exchange(None, _START)
        except TimeoutError:
            raise _cannot_start(f"not ready in {_START:.0f} s") from None
        except EOFError as end:
            if "signal" in str(end):
                raise broken_runtime(f"it crashes when it is loaded, {end}") from None
            installed_runtime()
            raise _cannot_start(str(end)) from None
        self._ready = True

    def end(self) -> int:
        """Let it go, or make it; return its exit code."""
        if self._owner != os.getpid():
            return 0
        pipes = (self._process.stdin, self._process.stdout, self._process.stderr)
        with contextlib.suppress(OSError):
            self._pipes()[0].close()
        try:
            return self._process.wait(_END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()
        finally:
            for pipe in pipes:
                cast("BinaryIO", pipe).close()

    def _exchange(self, request: _Request | None, seconds: float) -> tuple[dict[str, Any], Arrays]:
        requests, replies = self._pipes()
        timer = threading.Timer(seconds, self._expire)
        timer.daemon = True
        timer.start()
        try:
            if request is not None:
                send(requests, request.words, request.arrays, request.raw)
            reply = receive(replies, _LARGEST)
        except (OSError, ValueError, KeyError, TypeError):  # it ended, or what it says is not ours
            reply = None
        except BaseException:  # Ctrl-C: what it says next would be the answer to this
            self.stop()
            raise
        finally:
            timer.cancel()
        if reply is not None:
            return reply[0], reply[1]
        said = b"" if self._ready else cast("BinaryIO", self._process.stderr).read()
        code = self.end()
        if self._late:
            raise TimeoutError
        last = said.decode("utf-8", "replace").strip().splitlines()[-1:]
        raise EOFError(last[0] if last else f"signal {-code}" if code < 0 else f"exit code {code}")

    def stop(self) -> None:
        """Make it go at once."""
        self._late = True
        if self._owner == os.getpid():
            self._process.kill()
            self.end()

    def _expire(self) -> None:
        self._late = True
        self._process.kill()

    def _pipes(self) -> tuple[BinaryIO, BinaryIO]:
        return cast("BinaryIO", self._process.stdin), cast("BinaryIO", self._process.stdout)


def _cannot_start(reason: str) -> OnnxmintError:
    return OnnxmintError(
        f"cannot start {sys.executable!r}, where models are tried first: {reason}; see that it imports onnxruntime"
    )


_LOCK = threading.RLock()
_KEYS = itertools.count()
_children: list[_Child] = []  # none or one


def start() -> None:
    """Start the child now, so that it is ready when it is needed."""
    _running_child()


def _running_child() -> _Child:
    """Return the child; start it when there is none."""
    with _LOCK:
        if _children and not _children[0].alive:
            _children.pop().end()
        if not _children:
            _children.append(_Child())
        return _children[0]


@atexit.register
def _end_child() -> None:
    for child in _children:
        child.stop()
