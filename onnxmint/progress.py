"""How long work tells that it goes on: the library stays silent and calls a stage; the command line draws it."""

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

_MINUTE, _HOUR = 60, 3600

Advance = Callable[[int], None]
Stage = Callable[[str, int], AbstractContextManager[Advance]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A stage that is still to come.

    Attributes:
        name: by which the stage will be called.
        words: what it does to what.
        seconds: that it is expected to take.
    """

    name: str
    words: str
    seconds: float


@contextlib.contextmanager
def quiet(name: str, total: int) -> Iterator[Advance]:
    """Be a stage that draws nothing."""
    yield lambda steps: None


def time_words(seconds: float) -> str:
    """Return a time in words that a person says: 40 s, 9 min, 3 h 20 min."""
    if seconds < 1.5 * _MINUTE:
        return f"{max(round(seconds), 1)} s"
    if seconds < 1.5 * _HOUR:
        return f"{round(seconds / _MINUTE)} min"
    minutes = round(seconds / _MINUTE / 10) * 10
    return f"{minutes // 60} h" + (f" {minutes % 60} min" if minutes % 60 else "")
