"""`kill -9` of what makes an audit on a Ray cluster: workers, nodes, what joined the cluster, the command, its merge.

PYTHONPATH=. python tools/fuzz/kill_ray.py AUDITOR [--kills 40]    (needs Ray)

AUDITOR is one of the bundled target; the counts go to results/kill_ray.json. The cluster has three nodes of this
machine; a killed node is replaced by a new one. Half of the workers are killed as soon as a temporary file stands in
the folder of the parts, the rest at random moments. After each kill every part that stands under its name is whole and
none that stood before was touched. At the end of a round the command runs in peace, its result has the bytes of one
process, and nothing temporary is left.
"""

import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from parts_left import bytes_of, look, options_of, stamps, write_counts

from onnxmint.engine.part_file import read_part
from onnxmint.mint.auditor import load_auditor
from onnxmint.report.files import load_run
from onnxmint.settings import AuditSettings
from onnxmint.workflows.auditing import audit
from tests.clusters import Running, cluster, variables_for

DEMO = Path(__file__).parents[2] / "onnxmint" / "demo"
MODEL, IMAGES = DEMO / "target.onnx", f"{DEMO / 'questioned.parquet'}?rows=0:360"
SETTINGS = AuditSettings(device="cpu", controls=False)
RESULT = Path(__file__).parent / "results" / "kill_ray.json"
ROWS, UNIT = 360, 5
_UNITS = ROWS // UNIT
_FIRST = {"worker": 3, "node": 1}  # shares of kills that a command outlives
_LAST = {"driver": 4, "command": 3, "merge": 2}  # and of those that end it
_OUTLIVED = (3, 8)  # of the first before one of the last
_ROUND = 6  # kills before the rest is made in peace
_TRIES = 3  # a machine that is too busy to join a cluster is no finding


@dataclass(slots=True)
class Counts:
    """What was done and found."""

    kills: Counter[str] = field(default_factory=Counter)
    inside_a_write: int = 0
    rounds: int = 0
    commands: int = 0
    without_a_line: int = 0  # commands that lost what joined the cluster, and did not say how to go on
    parts_touched: int = 0
    parts_broken: int = 0
    rows_lost: int = 0
    rows_doubled: int = 0
    left_over: int = 0
    results_that_differ: int = 0


class Killing:
    """Kills processes of one cluster's audits and looks at what is left."""

    def __init__(self, auditor: Path, work: Path, running: Running, rng: random.Random) -> None:
        """Make the result of one process."""
        self.counts, self.auditor, self.work, self.running, self.rng = Counts(), auditor, work, running, rng
        self.parts = work / "run.parts"
        self.begins: threading.Thread | None = None  # of a node
        self.wanted = bytes_of(audit(MODEL, IMAGES, load_auditor(auditor), settings=SETTINGS))

    def round(self, left: int) -> None:
        """Kill some processes of one audit, make the rest, and hold it against the result of one process."""
        for old in (self.parts, self.work / "run"):
            shutil.rmtree(old, ignore_errors=True)
        until = sum(self.counts.kills.values()) + min(left, _ROUND)
        while sum(self.counts.kills.values()) < until:
            self._command(until)
        self._in_peace()
        rows = [row for path in sorted(self.parts.glob("part-*")) for row in read_part(path)[1].index.tolist()]
        self.counts.rows_lost += len(set(range(ROWS)) - set(rows))
        self.counts.rows_doubled += len(rows) - len(set(rows))
        self.counts.results_that_differ += bytes_of(load_run(self.work / "run")) != self.wanted
        beside = {path.name for path in self.work.iterdir()} - {"run", "run.parts", "state", "token"}
        self.counts.left_over += len(beside) + sum(path.name.startswith(".") for path in self.parts.iterdir())
        self.counts.rounds += 1

    def _begun(self) -> "subprocess.Popen[str]":
        words = ["audit", MODEL, IMAGES, "--auditor", self.auditor, "--no-controls", "--no-record", "-q", "-o", "run",
                 "--device", "cpu", "--engine", "ray", "--address", self.running.address, "--unit", UNIT,
                 "--overwrite"]  # fmt: skip
        whole = [sys.executable, "-m", "onnxmint", *map(str, words)]
        given = {**self.running.variables, "ONNXMINT_STATE": str(self.work / "state")}
        self.counts.commands += 1
        return subprocess.Popen(
            whole, cwd=self.work, env=given, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )

    def _in_peace(self) -> None:
        said = ""
        for _ in range(_TRIES):
            with self._begun() as command:
                said = command.communicate()[1]
            if not command.returncode:
                return
        raise SystemExit(f"a command that nobody killed failed: {said}")

    def _command(self, until: int) -> None:
        """Begin the command and kill something of it until it has ended or enough was killed."""
        if len(stamps(self.parts)) == _UNITS:
            shutil.rmtree(self.parts)
        what, outlived = "", self.rng.randint(*_OUTLIVED)
        with self._begun() as command:
            while command.poll() is None and sum(self.counts.kills.values()) < until and what not in _LAST:
                shares = _FIRST if outlived > 0 and len(stamps(self.parts)) < 0.8 * _UNITS else _LAST
                what, outlived = self.rng.choices(list(shares), weights=list(shares.values()))[0], outlived - 1
                before = stamps(self.parts)
                if not self._kill(what, command):
                    break
                look(self.parts, before, self.counts)
            said = command.communicate()[1]
        if command.returncode == 1 and what == "driver" and "resume with: the same command" not in said:
            self.counts.without_a_line += 1
        if said:
            print(what, said.strip(), flush=True)

    def _kill(self, what: str, command: "subprocess.Popen[str]") -> bool:
        """Kill a process of a kind after a random time; return whether there was one."""
        within = what == "worker" and self.rng.random() < 0.5
        enough = _UNITS if what == "merge" else min(_UNITS - 2, len(stamps(self.parts)) + self.rng.randint(1, 8))
        if not self._wait(command, enough, within=within):
            return False
        time.sleep(0 if within else self.rng.uniform(0, 8 if what == "merge" else 0.5))
        if what == "node":
            self._kill_node()
        else:
            found = {"worker": _workers, "driver": lambda: _named("ray_driver")}
            victims = found[what]() if what in found else [command.pid]
            self.rng.shuffle(victims)
            for pid in victims[:1]:
                with suppress(psutil.NoSuchProcess):
                    psutil.Process(pid).kill()
            if not victims or command.poll() not in (None, -9):
                return False
        self.counts.kills[what] += 1
        self.counts.inside_a_write += within
        return True

    def _kill_node(self) -> None:
        """Kill a node; a new one starts while the others work on, and the next node to be killed waits for it."""
        if self.begins is not None:
            self.begins.join()
        self.running.do("node")
        self.begins = threading.Thread(target=self.running.do, args=("add",), daemon=True)
        self.begins.start()

    def _wait(self, command: "subprocess.Popen[str]", parts: int, *, within: bool) -> bool:
        """Wait until so many parts stand, or one is just being written; return whether the command still runs."""
        while command.poll() is None:
            names = [path.name for path in self.parts.iterdir()] if self.parts.is_dir() else []
            if within and any(name.startswith(".onnxmint-") for name in names) and len(names) > 1:
                return True
            if not within and sum(name.startswith("part-") for name in names) >= parts:
                return True
            time.sleep(0.0005 if within else 0.05)
        return False


def _workers() -> list[int]:
    """Return the processes of nodes that are just making a unit."""
    return _named("ray::make")


def _named(word: str) -> list[int]:
    """Return processes below this one that have a word in their name."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if word in " ".join(process.cmdline()):
                found.append(process.pid)
    return found


def main() -> None:
    given = options_of(__doc__, kills=40, result=RESULT)
    with tempfile.TemporaryDirectory() as work:
        variables = variables_for(Path(work))
        with cluster(variables, "1/0", "1/0", "1/0") as running:
            killing = Killing(given.auditor.resolve(), Path(work), running, random.Random(given.seed))
            while (done := sum(killing.counts.kills.values())) < given.kills:
                killing.round(given.kills - done)
                found = write_counts(killing.counts, given)
                print(found, flush=True)
    bad = (
        "without_a_line",
        "parts_touched",
        "parts_broken",
        "rows_lost",
        "rows_doubled",
        "left_over",
        "results_that_differ",
    )
    sys.exit(any(found[name] for name in bad))


if __name__ == "__main__":
    main()
