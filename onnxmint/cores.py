"""How many cores this process may use."""

import os


def usable_cores() -> int:
    """Return how many cores this process may use (the defaults of most libraries ignore such limits)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
