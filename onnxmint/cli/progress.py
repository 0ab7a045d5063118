"""Progress on stderr: bars on a terminal, one line a finished stage elsewhere, nothing with --quiet."""

import contextlib
import time
from collections.abc import Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from onnxmint.progress import Advance, Stage, quiet
from onnxmint.report.names import shortened, visible

_LONGEST = 60  # letters of the name of a stage


def stage_on_stderr(*, silent: bool) -> Stage:
    """Return a stage that draws on stderr, or one that draws nothing."""
    if silent:
        return quiet
    console = Console(stderr=True)
    return _Bars(console) if console.is_terminal else _Lines(console)


class _Bars:
    """A rich bar for each stage."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextlib.contextmanager
    def __call__(self, name: str, total: int) -> Iterator[Advance]:
        columns = (
            TextColumn("{task.description:<26}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=self._console) as progress:
            task = progress.add_task(_shown(name), total=total)
            yield lambda steps: progress.advance(task, steps)
            progress.update(task, total=progress.tasks[0].completed)


class _Lines:
    """One line for each finished stage."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextlib.contextmanager
    def __call__(self, name: str, total: int) -> Iterator[Advance]:
        start, done = time.monotonic(), 0

        def advance(steps: int) -> None:
            nonlocal done
            done += steps

        yield advance
        with contextlib.suppress(OSError):  # that nobody listens is no reason to stop
            words = f"{_shown(name)}: {done} in {time.monotonic() - start:.1f} s"
            self._console.print(words, markup=False, highlight=False)


def _shown(name: str) -> str:
    """Return the name of a stage, which may hold that of a file, for the terminal."""
    return shortened(visible(name), _LONGEST)
