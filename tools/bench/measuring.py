"""What every benchmark shares: rounds in turn, medians of ratios, the machine's description, results as JSON."""

import argparse
import datetime as dt
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
WORK = Path(os.environ.get("ONNXMINT_BENCH", Path(tempfile.gettempdir()) / "onnxmint-bench"))
_PACKAGES = ("onnxruntime-gpu", "onnxruntime", "torch", "numpy", "pillow", "adversarial-robustness-toolbox")


def seconds(job: Callable[[], Any]) -> float:
    """Return how long a call took."""
    start = time.perf_counter()
    job()
    return time.perf_counter() - start


def in_turn(jobs: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """Run every job once a round, so that what disturbs the machine disturbs all of them; return seconds by name."""
    taken: dict[str, list[float]] = {name: [] for name in jobs}
    for number in range(rounds):
        for name, job in jobs.items():
            taken[name].append(seconds(job))
            print(f"  round {number + 1}: {name} {taken[name][-1]:.2f} s", flush=True)
    return taken


def ratio(numerator: list[float], denominator: list[float]) -> float:
    """Return the median over rounds of a ratio within each round."""
    return statistics.median(a / b for a, b in zip(numerator, denominator, strict=True))


def rounds_from(document: str | None, *, default: int) -> int:
    """Read the one option that most benchmarks have, and make room for what they write."""
    parser = argparse.ArgumentParser(description=document, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=default, help="each job is run so often, in turn")
    WORK.mkdir(exist_ok=True)
    return int(parser.parse_args().rounds)


def machine() -> dict[str, Any]:
    """Return what was measured on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())
    found = {name: version for name in _PACKAGES if (version := _version(name))}
    return {
        "cpu": model,
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": found,
        "load_at_start": round(os.getloadavg()[0], 2),
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
    }


def save(name: str, rows: list[dict[str, Any]], about: dict[str, Any]) -> None:
    """Write a benchmark's rows with the machine they were measured on, and print them."""
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps({"benchmark": name, "machine": about, "rows": rows}, indent=1)
    (RESULTS / f"{name}.json").write_text(text + "\n")
    for row in rows:
        print("  ".join(f"{key} {value}" for key, value in row.items()))


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
