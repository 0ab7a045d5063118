"""One case: a folder of its own, commands and calls that are judged, and what all of them come to."""

import contextlib
import io
import json
import os
import random
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import click
import watching
from judging import MEGABYTES, Outcome, hidden_in, place_of, trace_of, worst, wrong_message

from onnxmint.cli.main import cli, explain, one_line
from onnxmint.errors import OnnxmintError

PATIENT = "600"  # seconds of a trial run where the machine may be busy


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def done(self) -> bool:
        """Say whether it gave a result."""
        return self.code == 0


class Kind(Protocol):
    """A kind of input."""

    name: str
    share: float  # of the time of a run of all kinds

    def prepare(self, work: Path) -> None:
        """Make what all cases start from, once, in the process that the workers are forked from."""

    def case(self, trial: "Trial", rng: random.Random) -> None:
        """Make an input and give it to the package."""


class Trial:
    """What a case is done with."""

    def __init__(self, number: int, place: Path, temporary: Path, watch: watching.Watch) -> None:
        """Make the folder of a case."""
        self.number, self.folder, self.temporary = number, place / "case", temporary
        self._beside, self._watch = place, watch
        self._found: list[tuple[str, str, str]] = []
        self.marks: list[str] = []
        self.may_read: tuple[Path, ...] = ()
        for old in (self.folder, *temporary.iterdir()):  # what one case leaves is not held against the next
            shutil.rmtree(old, ignore_errors=True)
        self.folder.mkdir()

    def found(self, verdict: str, what: str, detail: str = "") -> None:
        """Note what something came to."""
        self._found.append((verdict, what, detail))

    def command(self, *words: str | Path) -> Said:
        """Run the command line in this process and judge what it says."""
        out, err = io.StringIO(), io.StringIO()
        code = 1
        with self._watched(), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                code = cli.main(args=list(map(str, words)), prog_name="onnxmint", standalone_mode=False) or 0
                what = f"{words[0]}: done" if code == 0 else f"{words[0]}: exit {code}"
            except OnnxmintError as problem:
                code = explain(problem)
                what = place_of(problem)
            except click.ClickException as problem:
                code, what = problem.exit_code, f"{words[0]}: usage"
                print(one_line(problem.format_message()), file=err)
            except Exception as problem:  # noqa: BLE001 - whatever comes out here is what is looked for
                self.found("defect", f"{type(problem).__name__} {place_of(problem)}", trace_of(problem))
                return Said(code=code, out=out.getvalue(), err=err.getvalue())
        self._judge_streams(out.getvalue(), err.getvalue(), code, what)
        return Said(code=code, out=out.getvalue(), err=err.getvalue())

    @contextlib.contextmanager
    def unhurried(self) -> Iterator[None]:
        """Let trial runs take long where results are compared: on a busy machine they would differ by a refusal."""
        os.environ["ONNXMINT_TRIAL_SECONDS"] = PATIENT
        try:
            yield
        finally:
            del os.environ["ONNXMINT_TRIAL_SECONDS"]

    def call(self, work: Callable[..., Any], *words: Any, **options: Any) -> Any:
        """Call the package and judge what it raises; None when it raises."""
        with self._watched():
            try:
                made = work(*words, **options)
            except OnnxmintError as problem:
                shown = one_line(str(problem))
                if wrong := wrong_message(shown):
                    self.found("defect", f"{wrong.split(' of ')[0]}: {place_of(problem)}", f"{wrong}: {shown[:300]}")
                self.found("fine", place_of(problem), shown[:300])
                return None
            except Exception as problem:  # noqa: BLE001 - whatever comes out here is what is looked for
                self.found("defect", f"{type(problem).__name__} {place_of(problem)}", trace_of(problem))
                return None
        self.found("fine", f"{getattr(getattr(work, 'func', work), '__name__', work)}: done")
        return made

    def same(self, found: Any, wanted: Any, what: str) -> None:
        """Note it when two results differ that have to be equal."""
        if found != wanted:
            first, second = _text(found), _text(wanted)
            at = next((at for at, pair in enumerate(zip(first, second, strict=False)) if pair[0] != pair[1]), 0)
            start = max(0, at - 40)
            self.found("wrong", what, f"{first[start:][:150]!r} is not {second[start:][:150]!r}")

    @contextlib.contextmanager
    def _watched(self) -> Any:
        with self._watch.on(self.folder, self.temporary, reading=self.may_read):
            yield
        for what in self._watch.seen:
            self.found("outside", what.split()[0], what)

    def _judge_streams(self, out: str, err: str, code: int, what: str) -> None:
        for text in (out, err):
            if hidden := hidden_in(text):
                self.found("control", what, hidden)
        if code in (1, 2) and (wrong := wrong_message(err)):
            self.found("defect", f"{wrong.split(' of ')[0]}: {what}", f"{wrong}: {err[:300]}")
        self.found("fine", what, err[:300])

    def end(self, began: float, noise: str) -> Outcome:
        """Return what the case came to; `noise` is what libraries wrote to the streams by themselves."""
        for what in watching.touched_canaries(self._beside):
            if what.startswith("changes") or self._beside not in self.may_read:
                self.found("outside", what)
        for name in watching.left_in(self.folder, self.temporary):
            self.found("left", "temporary file", name)
        if noise:
            self.found("defect", "a library writes to the terminal", noise[:300])
        most = watching.peak()
        if most > MEGABYTES:
            self.found("memory", f"over {MEGABYTES} MB", f"{most} MB")
        verdict, what, detail = worst(self._found or [("fine", "nothing to do", "")])
        return Outcome(
            number=self.number,
            verdict=verdict,
            what=what,
            detail=detail,
            seconds=round(time.monotonic() - began, 3),
            peak=most,
            marks=tuple(dict.fromkeys(self.marks)),
        )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)
