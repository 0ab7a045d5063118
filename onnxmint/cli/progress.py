"""Progress on stderr: one line that says which step of how many, done and total, and the time left."""

import contextlib
import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from onnxmint.progress import Advance, Stage, Step, quiet, time_words
from onnxmint.report.names import shortened, visible

_LONGEST = 100  # letters of what a step does
_BEAT = 10.0  # seconds without a line, after which one says that work goes on
_LOOK = 0.5  # seconds between two looks at the clock
_TRUSTED = 3.0  # seconds of measured work before the plan is corrected by it
_BOUNDS = (0.2, 20.0)  # of that correction


def stage_on_stderr(*, silent: bool) -> Stage:
    """Return a stage that draws on stderr, or one that draws nothing."""
    if silent:
        return quiet
    console = Console(stderr=True)
    return Bar(console) if console.is_terminal else Lines(console)


def plan(stage: Stage, steps: Sequence[Step]) -> None:
    """Tell a stage what is still to come, so that it can number its steps and say how long they take."""
    if isinstance(stage, (Bar, Lines)):
        stage.course = Course(tuple(steps))


class Course:
    """Where work stands in a plan: steps are called by their names and in their order, though some may be left out."""

    def __init__(self, steps: tuple[Step, ...] = ()) -> None:
        """Stand before the first one."""
        self.steps = steps
        self._next = 0
        self._planned = self._spent = 0.0

    def enter(self, name: str) -> int | None:
        """Return the number of the step that begins, None for one that was not planned."""
        found = (number for number in range(self._next, len(self.steps)) if self.steps[number].name == name)
        number = next(found, None)
        if number is not None:
            self._next = number + 1
        return number

    def leave(self, number: int | None, seconds: float) -> None:
        """Remember how long a step took."""
        if number is not None:
            self._planned += self.steps[number].seconds
            self._spent += seconds

    def left(self, number: int | None, done: float, spent: float) -> float | None:
        """Return the seconds that are left, None where nothing was planned.

        Args:
            number: of the step that goes on, None between steps or in one that was not planned.
            done: share of it.
            spent: seconds in it.
        """
        if not self.steps:
            return None
        later = sum(step.seconds for step in self.steps[self._next :])
        if number is None:
            return later * self._rate(0.0, 0.0)
        mine = self.steps[number].seconds
        rate = self._rate(mine * done, spent)
        here = spent * (1 - done) / done if done > 0 and spent > _TRUSTED else mine * (1 - done) * rate
        return here + later * rate

    def _rate(self, planned: float, spent: float) -> float:
        """Return how many times as long as planned the work took so far."""
        planned, spent = self._planned + planned, self._spent + spent
        if spent < _TRUSTED or planned <= 0:
            return 1.0
        return min(max(spent / planned, _BOUNDS[0]), _BOUNDS[1])


@dataclass(slots=True)
class _Now:
    """The step that goes on."""

    words: str
    number: int | None
    total: int
    start: float
    done: int = 0

    def share(self) -> float:
        return min(self.done / self.total, 1.0) if self.total else 0.0


class _Drawing:
    """What both ways to draw have in common: the plan, and the step that goes on."""

    def __init__(self, console: Console) -> None:
        """Draw on a console, without a plan yet."""
        self._console = console
        self.course = Course()

    def _begin(self, name: str, total: int) -> _Now:
        number = self.course.enter(name)
        words = name if number is None else self.course.steps[number].words
        return _Now(words=shortened(visible(words), _LONGEST), number=number, total=total, start=time.monotonic())

    def _place(self, now: _Now) -> str:
        count = len(self.course.steps)
        return "" if now.number is None else f"step {now.number + 1} of {count}: "

    def _left(self, now: _Now) -> str:
        left = self.course.left(now.number, now.share(), time.monotonic() - now.start)
        return "" if left is None or left < 1 else f"about {time_words(left)} left"


class Bar(_Drawing):
    """One line on a terminal, drawn again and again."""

    @contextlib.contextmanager
    def __call__(self, name: str, total: int) -> Iterator[Advance]:
        """Draw a step while it goes on; it vanishes when it is done."""
        now = self._begin(name, total)
        counted = (BarColumn(bar_width=12), MofNCompleteColumn()) if total else ()
        columns = (
            TextColumn("{task.description}", markup=False),
            *counted,
            TextColumn("{task.fields[left]}", markup=False),
        )
        with Progress(*columns, console=self._console, transient=True) as progress:
            task = progress.add_task(self._place(now) + now.words, total=total, left=self._left(now))
            yield lambda steps: self._advance(progress, task, now, steps)
        self.course.leave(now.number, time.monotonic() - now.start)

    def _advance(self, progress: Progress, task: TaskID, now: _Now, steps: int) -> None:
        now.done += steps
        progress.update(task, advance=steps, left=self._left(now))


class Lines(_Drawing):
    """One line for each finished step, and one at least every ten seconds while a step goes on."""

    def __init__(self, console: Console) -> None:
        """Draw on a console that is no terminal."""
        super().__init__(console)
        self._now: _Now | None = None
        self._said = time.monotonic()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        weakref.finalize(self, self._ended.set)
        threading.Thread(target=_beat, args=(weakref.ref(self), self._ended), daemon=True).start()

    @contextlib.contextmanager
    def __call__(self, name: str, total: int) -> Iterator[Advance]:
        """Say that a step is done when it is."""
        now = self._now = self._begin(name, total)

        def advance(steps: int) -> None:
            now.done += steps

        yield advance
        spent = time.monotonic() - now.start
        self.course.leave(now.number, spent)
        self._now = None
        if total:
            self._say(f"{self._place(now)}{now.words}: {now.done:,} in {spent:.1f} s")

    def beat(self) -> None:
        """Say that work goes on, where nothing was said for ten seconds."""
        now = self._now
        if time.monotonic() - self._said < _BEAT:
            return
        if now is None:
            self._say("still at work")
            return
        left = self._left(now)
        count = [f"{now.done:,} of {now.total:,}"] if now.total else []
        said = ", ".join([*count, *([left] if left else [])])
        self._say(f"{self._place(now)}{now.words}{': ' * bool(said)}{said}")

    def _say(self, words: str) -> None:
        with self._lock, contextlib.suppress(OSError, ValueError):  # that nobody listens is no reason to stop
            self._said = time.monotonic()
            self._console.print(words, markup=False, highlight=False, soft_wrap=True)


def _beat(of: "weakref.ref[Lines]", ended: threading.Event) -> None:
    """Look at the clock as long as there is somebody to tell."""
    while not ended.wait(_LOOK):
        lines = of()
        if lines is None:
            return
        lines.beat()
        del lines
