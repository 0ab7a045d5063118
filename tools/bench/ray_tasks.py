"""What a Ray cluster costs: CPU of an audit on one against one process.

PYTHONPATH=. python tools/bench/ray_tasks.py AUDITOR    (an auditor of the bundled target; needs Ray)

Photographs of 3200x2400 pixels cost about a tenth of a CPU-second each, nearly all of it decoding; controls are off.
Time of the processor counts, of the command and of all processes of the cluster, which runs on this machine; it is read
off the processes ten times a second, so that a busy machine disturbs little. Two sizes give what an image costs and
what is fixed, and a line through them the ratio at 2,000 images.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import psutil
from measuring import WORK, machine, save
from photographs import photographs

from tests.clusters import cluster, variables_for

DEMO = Path(__file__).parents[2] / "onnxmint" / "demo"
WANTED_AT, UNIT = 2_000, 5  # small, so that all processes have some of few images too


class Meter:
    """Adds up the CPU-seconds of all processes below this one, also of those that have ended."""

    def __init__(self) -> None:
        """Begin at none."""
        self._seen: dict[tuple[int, float], float] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Meter":
        """Begin to look."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Look for the last time."""
        self._ended.set()
        self._thread.join()

    @property
    def seconds(self) -> float:
        """Return them so far."""
        return sum(self._seen.values())

    def _watch(self) -> None:
        while not self._ended.wait(0.1):
            for process in psutil.Process().children(recursive=True):
                try:
                    with process.oneshot():
                        times = process.cpu_times()
                        self._seen[process.pid, process.create_time()] = times.user + times.system
                except psutil.NoSuchProcess:
                    pass


def measured(audits: list[list[object]], nodes: int) -> tuple[float, list[float]]:
    """Return the CPU-seconds of the start of a cluster, and of audits on it."""
    with tempfile.TemporaryDirectory() as place, Meter() as meter:
        variables = variables_for(Path(place))
        with cluster(variables, *["1/0"] * nodes) as running:
            before, found = meter.seconds, list[float]()
            start = before
            for audit in audits:
                for old in ("on-ray.parts", "on-ray"):
                    shutil.rmtree(WORK / old, ignore_errors=True)
                words = [*audit, "--engine", "ray", "--address", running.address, "--unit", UNIT, "-o", "on-ray"]
                run(words, variables)
                found.append(meter.seconds - before)
                before = meter.seconds
    return start, found


def run(words: list[object], variables: dict[str, str] | None = None) -> None:
    """Run a command."""
    whole = [sys.executable, "-m", "onnxmint", *map(str, words)]
    subprocess.run(whole, cwd=WORK, check=True, env=variables, stdout=subprocess.DEVNULL)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("auditor", type=Path)
    parser.add_argument("--sizes", type=int, nargs=2, default=(100, 600))
    parser.add_argument("--nodes", type=int, default=3)
    given = parser.parse_args()
    WORK.mkdir(exist_ok=True)
    about, seconds, audits = machine(), dict[str, list[float]](), list[list[object]]()
    for count in given.sizes:
        large = photographs(WORK / f"large{count}.parquet", count, size=(3200, 2400), group=UNIT)
        words: list[object] = ["audit", DEMO / "target.onnx", large, "--auditor", given.auditor.resolve()]
        audits.append([*words, "--device", "cpu", "-q", "--no-controls", "--no-record"])
        shutil.rmtree(WORK / "alone", ignore_errors=True)
        with Meter() as meter:
            run([*audits[-1], "-o", "alone"])
        seconds.setdefault("one process", []).append(meter.seconds)
        print(count, round(meter.seconds, 1), flush=True)
    start, found = measured(audits, given.nodes)
    seconds[f"a cluster of {given.nodes} nodes that stands"] = found
    seconds["its start too"] = [start + one for one in found]
    print({name: [round(one, 1) for one in values] for name, values in seconds.items()}, flush=True)
    save("ray_tasks", rows_of(seconds, given.sizes), about)


def rows_of(seconds: dict[str, list[float]], sizes: tuple[int, int]) -> list[dict[str, object]]:
    """Return a row for each way, with the ratio where images are many."""
    rows, alone = list[dict[str, object]](), 0.0
    for name, (few, many) in seconds.items():
        each = (many - few) / (sizes[1] - sizes[0])
        whole = many + each * (WANTED_AT - sizes[1])
        alone = alone or whole
        counts = {
            f"CPU-seconds, {count} images": round(value, 1) for count, value in zip(sizes, (few, many), strict=True)
        }
        ratio = {f"at {WANTED_AT:,} images, of one process": round(whole / alone, 2)}
        rows.append(
            {"how": name, **counts, "an image": round(each, 4), "fixed": round(few - each * sizes[0], 1), **ratio}
        )
    return rows


if __name__ == "__main__":
    main()
