"""Whether a case that takes long hangs, or only waits for its turn on a busy machine."""

import contextlib
import os
import time
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_STILL = 20.0  # seconds in which nothing runs and nothing is used: it waits for what does not come
_PATIENCE = 40  # times the limit, by the clock, that anything may take


class Begun:
    """A case that a worker has begun."""

    def __init__(self, number: int, worker: int) -> None:
        """Look at the clock, and at what the worker and its children have used."""
        self.number, self._worker = number, worker
        self._began = self._moved = time.monotonic()
        self._before = self._last = _used(worker)

    @property
    def seconds(self) -> float:
        """Return how long ago it began."""
        return time.monotonic() - self._began

    def hangs(self, limit: float) -> str | None:
        """Return why it is a hang: it used more than the limit, or neither ran nor wanted to for as long."""
        used = _used(self._worker)
        if used > self._last or _wants_to_run(self._worker):
            self._moved, self._last = time.monotonic(), used
        if used - self._before > limit:
            return f"over {limit:g} s of work"
        if time.monotonic() - self._moved > max(_STILL, limit):
            return f"over {limit:g} s of waiting"
        return f"over {_PATIENCE * limit:g} s" if self.seconds > _PATIENCE * limit else None


def _family(worker: int) -> list[int]:
    """Return a process and all below it."""
    found = [worker]
    for pid in found:
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{pid}/task").iterdir():
                found += map(int, (task / "children").read_text().split())
    return found


def _used(worker: int) -> float:
    """Return the seconds of processor time of a process, of those below it, and of those that it waited for."""
    total = 0
    for pid in _family(worker):
        with contextlib.suppress(OSError):
            total += sum(map(int, Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11:15]))
    return total / _TICKS


def _wants_to_run(worker: int) -> bool:
    """Say whether a thread of a process, or of one below it, runs or waits for a processor or a disk."""
    for pid in _family(worker):
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{pid}/task").iterdir():
                if (task / "stat").read_text().rsplit(")", 1)[1].split()[0] in "RD":
                    return True
    return False
