"""How long work tells that it goes on: the library stays silent and calls a stage; the command line draws it."""

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

Advance = Callable[[int], None]
Stage = Callable[[str, int], AbstractContextManager[Advance]]


@contextlib.contextmanager
def quiet(name: str, total: int) -> Iterator[Advance]:
    """Be a stage that draws nothing."""
    yield lambda steps: None
