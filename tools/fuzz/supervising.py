"""Cases in forked workers: many in one process, and which one ended it is known, since it is said before it begins."""

import contextlib
import json
import os
import random
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import watching
from judging import SECONDS, Outcome
from trial import Kind, Trial
from waiting import Begun

BATCH = 100  # cases of a worker: what leaks, or is kept from one to the next, does not add up
_MEMORY = 6 << 30  # bytes of its own that a worker may take, so that a failure does not take the machine
_LOOK = 1.0  # seconds between two looks at a case that takes long
_BROKEN, _ERROR = 70, "fuzzer-error.txt"  # exit code and traceback: the fuzzer itself failed


class FuzzerError(Exception):
    """A case could not be made: the fuzzer's own fault."""


def outcomes(kind: Kind, numbers: Sequence[int], *, seed: int, work: Path, until: float) -> Iterator[Outcome]:
    """Run cases and yield what they ended as, until a time of the monotonic clock."""
    left = list(numbers)
    while left and time.monotonic() < until:
        done = 0
        for outcome in _batch(kind, left[:BATCH], seed, work, until):
            done += 1
            if outcome.verdict == "hang":
                outcome = _again(kind, outcome, seed, work)
            yield outcome
        left = left[done:]
        if not done:
            return


def _again(kind: Kind, late: Outcome, seed: int, work: Path) -> Outcome:
    """Try alone what took too long: on a busy machine it may have waited for others."""
    found = list(_batch(kind, [late.number], seed, work, time.monotonic() + 10 * SECONDS))
    return found[0] if found else late


def _batch(kind: Kind, numbers: Sequence[int], seed: int, work: Path, until: float) -> Iterator[Outcome]:
    place = Path(tempfile.mkdtemp(prefix=f"{kind.name}-", dir=work))
    told, tell = os.pipe()
    worker = os.fork()
    if not worker:
        os.close(told)
        _work(kind, numbers, seed, place, tell, until)
    os.close(tell)
    try:
        yield from _listen(told, worker, getattr(kind, "limit", SECONDS), work / _ERROR)
    finally:
        os.close(told)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(worker, signal.SIGKILL)  # the process that tries models for it too
        with contextlib.suppress(ChildProcessError):
            os.waitpid(worker, 0)
        shutil.rmtree(place, ignore_errors=True)


def _listen(told: int, worker: int, limit: float, error: Path) -> Iterator[Outcome]:
    """Yield outcomes as the worker tells them; what it began last and did not end is why it is gone."""
    began: Begun | None = None
    rest = b""
    while True:
        if not select.select([told], [], [], _LOOK)[0]:
            if began is not None and (why := began.hangs(limit)):
                yield Outcome(number=began.number, verdict="hang", what=why, seconds=began.seconds)
                return
            continue
        block = os.read(told, 1 << 16)
        *lines, rest = (rest + block).split(b"\n")
        for line in lines:
            said = json.loads(line)
            if "begin" in said:
                began = Begun(said["begin"], worker)
            else:
                began = None
                yield Outcome(**{**said, "marks": tuple(said["marks"])})
        if not block:
            break
    _, status = os.waitpid(worker, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status) == _BROKEN:
        raise FuzzerError(f"the fuzzer itself failed at case {began.number if began else '?'}: {error.read_text()}")
    if began is not None:
        how = f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"exit code {os.WEXITSTATUS(status)}"
        yield Outcome(number=began.number, verdict="crash", what=how, seconds=began.seconds)


def _work(kind: Kind, numbers: Sequence[int], seed: int, place: Path, tell: int, until: float) -> None:
    """Be a worker: do cases, say so before and after each, and end."""
    code = 0
    try:
        noise = _settle(place)
        watch = watching.Watch()
        for number in numbers:
            if time.monotonic() >= until:
                break
            _say(tell, {"begin": number})
            _say(tell, one_case(kind, number, seed=seed, place=place, watch=watch, noise=noise).facts())
    except BaseException:  # noqa: BLE001 - it is told, and the parent ends too
        (place.parent / _ERROR).write_text(traceback.format_exc())
        code = _BROKEN
    os._exit(code)


def one_case(
    kind: Kind, number: int, *, seed: int, place: Path, watch: watching.Watch, noise: Callable[[], str] = str
) -> Outcome:
    """Make the case of a number and run it."""
    temporary = Path(tempfile.gettempdir())
    trial = Trial(number, place, temporary, watch)
    watching.start_peak()
    began = time.monotonic()
    kind.case(trial, random.Random(f"{kind.name}:{seed}:{number}"))
    return trial.end(began, noise())


def _say(tell: int, what: object) -> None:
    os.write(tell, json.dumps(what).encode() + b"\n")


def noise_of(place: Path) -> int:
    """Open the file that what libraries print goes to."""
    return os.open(place / "noise", os.O_CREAT | os.O_RDWR | os.O_APPEND)


def _settle(place: Path) -> Callable[[], str]:
    """Make this process a worker, and return what tells what was printed beside Python since it was last asked."""
    os.setsid()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY, _MEMORY))
    return settle_streams(place)


def settle_streams(place: Path) -> Callable[[], str]:
    """Give this process a folder for temporary files and canaries, and send what libraries print into a file."""
    from onnxmint.cli.process import set_up

    (place / "temporary").mkdir(exist_ok=True)
    tempfile.tempdir = str(place / "temporary")
    os.environ["TMPDIR"] = tempfile.tempdir
    os.environ["COLUMNS"] = "80"
    os.environ["ONNXMINT_STATE"] = str(place / "state")
    watching.set_canaries(place, bytes(range(256)) * 60)
    os.chdir(place)
    handle = noise_of(place)
    for stream in (sys.__stdout__, sys.__stderr__):
        if stream is not None:
            stream.flush()
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    set_up(debug=False)
    at = [os.lseek(handle, 0, os.SEEK_END)]

    def since() -> str:
        end = os.lseek(handle, 0, os.SEEK_END)
        text = os.pread(handle, 2000, at[0]).decode("utf-8", "replace") if end > at[0] else ""
        at[0] = end
        return text

    return since
