"""Lines of results, and the cells of tables made of them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scipy.stats import binomtest

Row = dict[str, Any]
ALPHA = 0.05


def read_lines(results: Path, stem: str) -> list[Row]:
    """Return all lines of the files whose names begin so."""
    return [
        json.loads(line) for file in sorted(results.glob(f"{stem}*.jsonl")) for line in file.read_text().splitlines()
    ]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"


def with_interval(share: float, runs: int) -> str:
    """Return a measured share with its exact 95 % interval (Clopper-Pearson)."""
    interval = binomtest(round(share * runs), runs).proportion_ci()
    return f"{percent(share)} ({100 * interval.low:.1f} to {100 * interval.high:.1f})"


def mean(values: Sequence[float]) -> float:
    return sum(values) / max(len(values), 1)
