"""`kill -9` of commands, at random moments and just before a chosen change of a file, also of one of two at once.

After each: what stands under a final name is whole and of one run, an older result is not lost, another command in the
folder succeeds and gives the result that it gives undisturbed, and nothing temporary is left.
"""

import contextlib
import os
import random
import resource
import shutil
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import onnx
from making import KNOWN, made_auditor
from seeds import DEMO
from trial import PATIENT, Trial
from wholeness import whole_evaluation, whole_model, whole_run, whole_toml

from onnxmint.cli.main import main
from onnxmint.errors import OnnxmintError
from onnxmint.writing.folders import clear_beside

_EVENTS = frozenset(
    {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.truncate", "shutil.rmtree", "os.fsync"}
)
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_TARGET = str(DEMO / "target.onnx")
_OFTEN = (  # what is quick more often
    *("audit",) * 6, *("report",) * 4, "expose-layer", "check", "audit with training", "train", "evaluate",
)  # fmt: skip
_FEW = ("--limit", "60", "--views", "2", "--device", "cpu", "-q")


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command that writes a result.

    Attributes:
        words: without the output.
        output: name of what it writes.
        whole: raises unless what stands at a place is whole, and returns what it comes to.
        made: what it wrote undisturbed.
        seconds: it takes undisturbed.
        changes: of files it makes.
        result: what it writes undisturbed, as a digest.
    """

    words: tuple[str, ...]
    output: str
    whole: Callable[[Path], str]
    made: Path = Path()
    seconds: float = 0.0
    changes: int = 0
    result: str = ""


class Kills:
    """Killed commands."""

    name, share, limit = "kills", 0.15, 300.0

    def __init__(self) -> None:
        """Know no commands yet."""
        self._commands: dict[str, Command] = {}

    def prepare(self, work: Path) -> None:
        """Run every command once, undisturbed."""
        import torch

        torch.set_num_threads(1)
        auditor = str(made_auditor(work, "phi"))
        asked = f"{DEMO / 'questioned.parquet'}?rows=0:12"
        scoring = ("audit", _TARGET, asked, "--auditor", auditor, "--no-controls", "--device", "cpu", "-q")
        training = ("audit", _TARGET, asked, *KNOWN, *_FEW, "--no-controls", "--module", "phi")
        commands = {
            "audit": Command(words=scoring, output="run", whole=whole_run),
            "audit with training": Command(words=training, output="run", whole=whole_run),
            "train": Command(words=("train", _TARGET, *KNOWN, *_FEW, "--no-controls", "--module", "phi"),
            output="a.onnx", whole=whole_model),
            "evaluate": Command(words=("evaluate", _TARGET, *KNOWN, *_FEW, "--modules", "vanilla"),
            output="evaluation", whole=whole_evaluation),
            "expose-layer": Command(words=("expose-layer", _TARGET, "--cut"), output="cut.onnx", whole=whole_model),
            "check": Command(words=("check", _TARGET, asked, "--device", "cpu", "-q"), output="p.toml",
            whole=whole_toml),
            "report": Command(words=("report",), output="run", whole=whole_run),
        }  # fmt: skip
        for name, command in commands.items():
            self._commands[name] = _measured(command, work / "kills-dry" / name.replace(" ", "-"), commands["audit"])

    def case(self, trial: Trial, rng: random.Random) -> None:
        """Kill a command, look, and run it again."""
        name = rng.choice(_OFTEN)
        command = self._commands[name]
        trial.marks.append(name)
        place, temporary = trial.folder / "results", trial.folder / "temporary"
        place.mkdir()
        temporary.mkdir()
        older = name == "report" or rng.random() < 0.6
        if older:
            _copy(command.made, place / command.output)
        trial.marks.append("over an older result" if older else "into nothing")
        if rng.random() < 0.25 and name != "report":
            self._two(trial, rng, command, place, temporary)
        else:
            self._one(trial, rng, command, place, temporary)
        self._look(trial, command, place, older=older)
        code = _run(command, place, temporary)
        if code:
            trial.found("wrong", f"{name}: the next run failed with {code}", _said(temporary))
        elif command.result != (found := command.whole(place / command.output)):
            trial.found("wrong", f"{name}: the next run gives another result", f"{found} is not {command.result}")
        left = {path.name for path in place.iterdir()} - {
            command.output,
            *(["other"] if (place / "other").exists() else []),
        }
        left |= {path.name for path in temporary.iterdir()}
        if left:
            trial.found("left", f"{name}: after the next run", ", ".join(sorted(left)))
        trial.found("fine", f"{name}: killed, and right again")

    def _one(self, trial: Trial, rng: random.Random, command: Command, place: Path, temporary: Path) -> None:
        if rng.random() < 0.5:
            trial.marks.append("at a chosen change")
            worker = _start(command, place, temporary, die_at=rng.randrange(command.changes + 1))
            os.waitpid(worker, 0)
            return
        trial.marks.append("at a random moment")
        worker = _start(command, place, temporary)
        time.sleep(command.seconds * (rng.random() if rng.random() < 0.5 else rng.uniform(0.8, 1.1)))
        _kill(worker)

    def _two(self, trial: Trial, rng: random.Random, command: Command, place: Path, temporary: Path) -> None:
        """Start two at once, into one place or beside each other, and kill one of them or none."""
        beside = rng.random() < 0.5
        trial.marks.append("two at once, " + ("beside each other" if beside else "into one place"))
        (place / "other").mkdir(exist_ok=True) if beside else None
        second = place / "other" if beside else place
        workers = [_start(command, place, temporary), _start(command, second, temporary)]
        kills = rng.random() < 0.8
        time.sleep(1.5 * command.seconds * rng.random())
        if kills:
            _kill(workers[0])
        for worker in workers[1:] if kills else workers:
            _, status = os.waitpid(worker, 0)
            said = _said(temporary, most=100_000).strip()  # behind what one refuses stands what the other gives
            if os.WIFSIGNALED(status):
                trial.found("crash", f"signal {os.WTERMSIG(status)}", said[-300:])
            elif (
                os.WEXITSTATUS(status)
                and "just being made" not in said
                and "by somebody else" not in said
                and "already" not in said
            ):
                trial.found("defect", "the other of two fails", said[-300:])
        if beside:
            if command.whole(second / command.output) != command.result:
                trial.found("wrong", "the other of two gives another result")
            for path in second.iterdir():
                if path.name != command.output:
                    trial.found("left", "of the other of two", path.name)

    def _look(self, trial: Trial, command: Command, place: Path, *, older: bool) -> None:
        """Require what stands there to be whole, and an older result to be there: any next command brings it back."""
        clear_beside(place)
        final = place / command.output
        if not final.exists():
            if older:
                trial.found("wrong", "an older result is lost", ", ".join(path.name for path in place.iterdir()))
            return
        try:
            found = command.whole(final)
        except (OnnxmintError, OSError, ValueError, KeyError, onnx.checker.ValidationError) as problem:
            trial.found("wrong", "what stands there is not whole", f"{type(problem).__name__}: {problem}"[:300])
            return
        trial.same(found, command.result, "what stands there is of no whole run")


def _measured(command: Command, dry: Path, audit: Command) -> Command:
    """Run a command undisturbed, and return it with what was seen."""
    shutil.rmtree(dry, ignore_errors=True)
    place, temporary = dry / "results", dry / "temporary"
    place.mkdir(parents=True)
    temporary.mkdir()
    if command.words[0] == "report" and _run(audit, place, temporary):
        raise RuntimeError(_said(temporary))
    began = time.monotonic()
    worker = _start(command, place, temporary, counts=True)
    if os.waitpid(worker, 0)[1]:
        raise RuntimeError(_said(temporary))
    seconds = time.monotonic() - began
    changes = int((dry / "changes").read_text())
    result = command.whole(place / command.output)
    made = place / command.output
    return replace(command, made=made, seconds=seconds, changes=changes, result=result)


def _copy(made: Path, place: Path) -> None:
    if made.is_dir():
        shutil.copytree(made, place)
    else:
        shutil.copy2(made, place)


def _run(command: Command, place: Path, temporary: Path) -> int:
    """Run a command to its end and return its exit code."""
    return os.waitstatus_to_exitcode(os.waitpid(_start(command, place, temporary), 0)[1])


def _said(temporary: Path, *, most: int = 1000) -> str:
    """Return the last letters of what was said."""
    return (
        (temporary.parent / "said").read_text("utf-8", "replace")[-most:]
        if (temporary.parent / "said").exists()
        else ""
    )


def _kill(worker: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(worker, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(worker, 0)


def _start(command: Command, place: Path, temporary: Path, *, die_at: int | None = None, counts: bool = False) -> int:
    """Start a command in a process of its own and return its number; `die_at`: before which change it kills itself."""
    worker = os.fork()
    if worker:
        return worker
    code = 99
    try:
        _settle(place, temporary)
        output = (
            (str(place / command.output),)
            if command.words[0] == "report"
            else ("--overwrite", "-o", str(place / command.output))
        )
        seen = _count(place, temporary, die_at)
        main([*command.words, *output])
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    finally:
        if counts and code == 0:
            (temporary.parent / "changes").write_text(str(seen[0]))
        os._exit(code)


def _settle(place: Path, temporary: Path) -> None:
    import tempfile

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.environ["ONNXMINT_TRIAL_SECONDS"] = PATIENT
    os.environ["TMPDIR"] = tempfile.tempdir = str(temporary)
    os.environ["ONNXMINT_STATE"] = str(temporary.parent / "state")
    said = os.open(temporary.parent / "said", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    os.dup2(said, 1)
    os.dup2(said, 2)
    sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", closefd=False)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def _count(place: Path, temporary: Path, die_at: int | None) -> list[int]:
    """Count changes of files in two folders, and end the process by SIGKILL before a chosen one."""
    seen, near = [0], (str(place), str(temporary))

    def hear(event: str, words: tuple[object, ...]) -> None:
        opens = event == "open" and isinstance(words[2], int) and bool(words[2] & _WRITING)
        if (opens or event in _EVENTS) and words and str(words[0]).startswith(near):
            if seen[0] == die_at:
                os.kill(os.getpid(), signal.SIGKILL)
            seen[0] += 1

    sys.addaudithook(hear)
    return seen
