"""A cluster's work seen from the user's process: another one joins the cluster, and this one outlives whatever happens.

Ray ends a driver of which the node or the head is lost. What it says of its end is not what a user needs, and nothing
that has been made is lost, so that one line and the same command again are all there is to it.
"""

import importlib.util
import pickle
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import version
from typing import IO

from onnxmint.engine.cluster import LISTENS, START, Cluster, Event, Request, require_token
from onnxmint.errors import OnnxmintError, UsageError

_DRIVER = "onnxmint.engine.ray_driver"
_INSTALL = 'install it with: pip install "onnxmint[ray]"'
_OLDEST = (2, 59)
_LOOK = 3.0  # seconds
_REACHED = 5.0  # seconds in which a head answers
_LOST = 20.0  # seconds without an answer after which it is gone
_JOINED = 180.0  # seconds in which a cluster is joined, and each node has looked whether it can work
_ENDS = 15.0  # seconds in which the other process ends by itself


class LostError(OnnxmintError):
    """The cluster, or what joined it, ended before the work did."""


def require_cluster(address: str | None, *, cores: int | None, insecure: bool) -> Cluster:
    """Return the cluster to join; nothing is opened, and Ray is not imported.

    Raises:
        UsageError: no address or no token is given.
        OnnxmintError: Ray is not installed, or nothing listens there.
    """
    if not address:
        raise UsageError(
            f"--engine ray joins a cluster, and starts none: give its --address HOST:PORT (or RAY_ADDRESS). "
            f"{START}; {LISTENS}. On one machine leave --engine away, or use --part"
        )
    cluster = Cluster(address=address, cores=cores, insecure=insecure)
    if importlib.util.find_spec("ray") is None:
        raise OnnxmintError(f"--engine ray needs Ray, which is not installed; {_INSTALL}")
    if (found := version("ray")) and tuple(map(int, found.split(".")[:2])) < _OLDEST:
        raise OnnxmintError(f"Ray {found} is too old, 2.59 is the first that serves; {_INSTALL}")
    require_token(cluster)
    if not cluster.answers(_REACHED):
        raise OnnxmintError(
            f"nothing answers at {address}: see that the head of the cluster runs (ray status there) and that this "
            "machine reaches it"
        )
    return cluster


def spread(request: Request) -> Iterator[Event]:
    """Have units made, and yield what becomes of them.

    Raises:
        OnnxmintError: the cluster cannot do it; LostError if it was lost meanwhile.
    """
    words = [sys.executable, "-m", _DRIVER]
    with tempfile.TemporaryFile() as said:  # a session of its own: Ctrl-C is for this process to hear
        process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, start_new_session=True
        )
        try:
            coming = _asked(process, request)
            yield from _events(coming, request.cluster)
            process.wait(_ENDS)
        except _EndedError:
            raise LostError(_why_ended(process, said)) from None
        finally:
            _end(process)


class _EndedError(Exception):
    """The other process says no more."""


def _asked(process: "subprocess.Popen[bytes]", request: Request) -> "queue.Queue[Event | None]":
    """Hand the request over, and return where its events come in, None when there are no more."""
    coming: queue.Queue[Event | None] = queue.Queue()
    if process.stdin is not None and process.stdout is not None:  # they are pipes
        with suppress(BrokenPipeError):
            process.stdin.write(pickle.dumps(request))
            process.stdin.flush()
        threading.Thread(target=_read, args=(process.stdout, coming), daemon=True).start()
    return coming


def _read(pipe: IO[bytes], coming: "queue.Queue[Event | None]") -> None:
    with suppress(EOFError, OSError, pickle.UnpicklingError, ValueError):
        while True:
            coming.put(pickle.load(pipe))
    coming.put(None)


def _events(coming: "queue.Queue[Event | None]", cluster: Cluster) -> Iterator[Event]:
    """Yield events until the work has ended, and look whether the head still answers while none come."""
    begun = heard = time.monotonic()
    joined = False
    while True:
        try:
            event = coming.get(timeout=_LOOK)
        except queue.Empty:
            heard = _require_head(cluster, heard)
            if not joined and time.monotonic() - begun > _JOINED:
                raise LostError(
                    f"the cluster at {cluster.address} was not joined in {_JOINED:.0f} s: see that this is the port of "
                    "its head, and that its nodes can start processes (ray status there)"
                ) from None
            continue
        if event is None:
            raise _EndedError
        if event.kind == "ended":
            return
        if event.kind == "refused":
            raise (UsageError if event.usage else OnnxmintError)(event.words)
        joined = joined or event.kind == "joined"
        yield event


def _require_head(cluster: Cluster, heard: float) -> float:
    """Return when the head was last heard.

    Raises:
        LostError: too long ago.
    """
    if cluster.answers(_REACHED):
        return time.monotonic()
    if time.monotonic() - heard > _LOST:
        raise LostError(f"the head of the cluster at {cluster.address} no longer answers")
    return heard


def _why_ended(process: "subprocess.Popen[bytes]", said: IO[bytes]) -> str:
    """Say how the other process ended, with the last words that it or Ray had."""
    with suppress(subprocess.TimeoutExpired):
        process.wait(_ENDS)
    code = process.returncode
    how = f"by signal {signal.Signals(-code).name}" if code is not None and code < 0 else f"with status {code}"
    said.seek(0)
    lines = [line.strip() for line in said.read().decode("utf-8", "replace").splitlines() if line.strip()]
    last = f"; it said: {lines[-1][:300]}" if lines and code == 1 else ""
    return f"what directed the cluster's work ended {how}, as it does where the node of this machine is lost{last}"


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End the other process if it still runs; the cluster then ends what it runs for it."""
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()
    try:
        process.wait(_LOOK)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
