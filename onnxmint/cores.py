"""How many cores this process may use, and what kind they are."""

import functools
import os
import platform
from pathlib import Path


def usable_cores() -> int:
    """Return how many cores this process may use (the defaults of most libraries ignore such limits)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def limit_tables(cores: int) -> None:
    """Let pyarrow take so many threads, where the cores that this process may use are not all its own."""
    import pyarrow as pa

    pa.set_cpu_count(cores)
    pa.set_io_thread_count(cores)


@functools.cache
def processor() -> str:
    """Return what the processor calls itself, on which the last bit of a score may depend."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()
