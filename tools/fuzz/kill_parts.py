"""`kill -9` of processes that share an audit, at random moments and just before a chosen change of a file.

python tools/fuzz/kill_parts.py AUDITOR [--kills 100]

AUDITOR is one of the bundled target; the counts go to results/kill_parts.json. After each kill every part that stands
under its name is whole and none that stood before was touched. At the end of a round two processes at once make what is
missing, the merge gives the bytes of one process, and nothing temporary is left.
"""

import importlib
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from parts_left import bytes_of, look, options_of, stamps, write_counts

from onnxmint.cli.main import run
from onnxmint.engine.part_file import read_part
from onnxmint.mint.auditor import load_auditor
from onnxmint.report.files import load_run
from onnxmint.settings import AuditSettings
from onnxmint.workflows.auditing import audit
from onnxmint.workflows.parting import audit_part

DEMO = Path(__file__).parents[2] / "onnxmint" / "demo"
MODEL, IMAGES = DEMO / "target.onnx", f"{DEMO / 'questioned.parquet'}?rows=0:60"
SETTINGS = AuditSettings(device="cpu", controls=False)
RESULT = Path(__file__).parent / "results" / "kill_parts.json"
UNITS, UNIT = 6, 10
_EVENTS = frozenset({"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "shutil.rmtree", "os.fsync"})
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_HEAVY = (  # imported once, before the forks
    "onnxruntime", "onnx", "pyarrow.parquet", "scipy.stats", "scipy.sparse.csgraph", "sklearn.isotonic", "jinja2",
    "PIL.Image", "onnxmint.cli.audit", "onnxmint.cli.merge", "onnxmint.cli.outputs", "onnxmint.cli.registered",
    "onnxmint.report.terminal", "onnxmint.workflows.merging", "onnxmint.workflows.picturing",
    "onnxmint.workflows.registering", "onnxmint.workflows.remembering", "onnxmint.writing.tries",
)  # fmt: skip
_ROUND = 6  # kills before the rest is made in peace


@dataclass(slots=True)
class Counts:
    """What was done and found."""

    kills: Counter[str] = field(default_factory=Counter)
    ended: int = 0  # processes that were done before they were killed
    inside_a_write: int = 0
    rounds: int = 0
    parts_touched: int = 0
    parts_broken: int = 0
    rows_lost: int = 0
    rows_doubled: int = 0
    left_over: int = 0
    results_that_differ: int = 0


class Killing:
    """Kills a process and looks at what it left."""

    def __init__(self, auditor: Path, work: Path, rng: random.Random) -> None:
        """Make the result of one process."""
        self.counts, self.auditor, self.work, self.rng = Counts(), auditor, work, rng
        _in_child(lambda: (work / "wanted").write_bytes(self._alone()))
        self.wanted_bytes = (work / "wanted").read_bytes()
        start = time.perf_counter()
        _in_child(lambda: self._part(work / "timing.parts", (1, 1)))
        self.seconds = time.perf_counter() - start

    def round(self, left: int) -> None:
        """Kill some processes of one audit, make the rest, and hold it against the result of one process."""
        folder, run_folder = self.work / "run.parts", self.work / "run"
        for old in (folder, run_folder):
            shutil.rmtree(old, ignore_errors=True)
        for _ in range(min(left, _ROUND)):
            number, of = self.rng.choice(((1, 1), (1, 2), (2, 2), (3, 3)))
            before = stamps(folder)
            self._kill("part", lambda share=(number, of): self._part(folder, share))  # type: ignore[misc]
            look(folder, before, self.counts)
        both = [_started(lambda share=share: self._part(folder, share)) for share in ((1, 2), (2, 2))]  # type: ignore[misc]
        for process in both:
            _wait(process)
        rows = [row for path in sorted(folder.glob("part-*")) for row in read_part(path)[1].index.tolist()]
        self.counts.rows_lost += len(set(range(UNITS * UNIT)) - set(rows))
        self.counts.rows_doubled += len(rows) - len(set(rows))
        words = ["merge", str(run_folder), "--device", "cpu", "-q", "--no-record", "--overwrite"]
        for _ in range(min(left, 2)):
            self._kill("merge", lambda: _quiet_run(words))
            if run_folder.exists():
                self._compare(run_folder)
        _in_child(lambda: _quiet_run(words))
        self._compare(run_folder)
        left_over = {path.name for path in self.work.iterdir()} - {"wanted", "run", "run.parts", "timing.parts"}
        self.counts.left_over += len(left_over) + len([path for path in folder.iterdir() if path.name.startswith(".")])
        self.counts.rounds += 1

    def _alone(self) -> bytes:
        return bytes_of(audit(MODEL, IMAGES, load_auditor(self.auditor), settings=SETTINGS))

    def _part(self, folder: Path, part: tuple[int, int]) -> None:
        audit_part(MODEL, IMAGES, self.auditor, folder, part=part, settings=SETTINGS, unit=UNIT)

    def _kill(self, what: str, job: Callable[[], object]) -> None:
        """Kill a process after a random time, or just before it changes a file for the n-th time."""
        within = self.rng.random() < 0.5
        change = self.rng.randint(1, 14) if within else 0
        process = _started(job, change)
        if not within:
            time.sleep(self.rng.uniform(0, 1.2 * self.seconds))
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        status = _wait(process)
        if os.WIFSIGNALED(status):
            self.counts.kills[what] += 1
            self.counts.inside_a_write += within
        else:
            self.counts.ended += 1

    def _compare(self, folder: Path) -> None:
        self.counts.results_that_differ += bytes_of(load_run(folder)) != self.wanted_bytes


def _quiet_run(words: list[str]) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    if run(words) != 0:
        raise SystemExit(1)


def _started(job: Callable[[], object], change: int = 0) -> int:
    """Begin a job in a process of its own, which ends itself just before its n-th change of a file."""
    process = os.fork()
    if process:
        return process
    try:
        if change:
            sys.addaudithook(_Fuse(change))
        job()
    except BaseException as problem:  # noqa: BLE001 - of a process that ends here in any case
        print(f"{type(problem).__name__}: {problem}", file=sys.stderr)
        os._exit(1)
    os._exit(0)


class _Fuse:
    """Ends the process before a change of a file."""

    def __init__(self, change: int) -> None:
        self._left = change

    def __call__(self, event: str, args: tuple[object, ...]) -> None:
        """Count changes."""
        writes = event == "open" and isinstance(args[2], int) and args[2] & _WRITING and "/dev/" not in str(args[0])
        if event in _EVENTS or writes:
            self._left -= 1
            if not self._left:
                os.kill(os.getpid(), signal.SIGKILL)


def _in_child(job: Callable[[], object]) -> None:
    """Do a job in a process of its own, for threads of a session do not survive a fork."""
    if _wait(_started(job)):
        raise SystemExit("a process that nobody killed failed")


def _wait(process: int) -> int:
    return os.waitpid(process, 0)[1]


def main() -> None:
    given = options_of(__doc__, kills=100, result=RESULT)
    for name in _HEAVY:
        importlib.import_module(name)
    with tempfile.TemporaryDirectory() as work:
        killing = Killing(given.auditor.resolve(), Path(work), random.Random(given.seed))
        while (done := sum(killing.counts.kills.values())) < given.kills:
            killing.round(given.kills - done)
            print(killing.counts, flush=True)
    found = write_counts(killing.counts, given)
    bad = ("parts_touched", "parts_broken", "rows_lost", "rows_doubled", "left_over", "results_that_differ")
    sys.exit(any(found[name] for name in bad))


if __name__ == "__main__":
    main()
