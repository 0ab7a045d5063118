"""What was run, one line a case, so that a run can be stopped and taken up; and what all of it comes to."""

import json
import platform
import subprocess
from collections import Counter
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from judging import VERDICTS, Outcome

ROOT = Path(__file__).parents[2]
_PACKAGES = ("onnxruntime-gpu", "onnx", "onnx-ir", "numpy", "pillow", "pyarrow", "protobuf")
_KINDS = 40  # of messages that are listed
_LISTED = 30  # failures that are listed


class Journal:
    """The outcomes of one kind and seed."""

    def __init__(self, work: Path, kind: str, seed: int, *, fresh: bool) -> None:
        """Open it; a fresh one forgets what was there."""
        self.file = work / f"{kind}-{seed}.jsonl"
        if fresh:
            self.file.unlink(missing_ok=True)
        self.code = package_version()
        self.lines: list[dict[str, Any]] = []
        if self.file.exists():
            found = [json.loads(line) for line in self.file.read_text().splitlines() if line.endswith("}")]
            self.lines = list({line["number"]: line for line in found}.values())
        self.done = {line["number"] for line in self.lines}
        self._open: TextIO | None = None

    def __enter__(self) -> "Journal":
        self._open = self.file.open("a")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._open is not None:
            self._open.close()

    def add(self, outcome: Outcome) -> None:
        """Write an outcome down."""
        line = outcome.facts() | {"code": self.code}
        self.lines.append(line)
        self.done.add(outcome.number)
        if self._open is not None:
            self._open.write(json.dumps(line) + "\n")
            self._open.flush()


def summary(journal: Journal, kind: str, seed: int) -> dict[str, Any]:
    """Return the counts of a journal."""
    lines = journal.lines
    verdicts = Counter(line["verdict"] for line in lines)
    failed: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for line in lines:
        if line["verdict"] != "fine":
            failed.setdefault((line["verdict"], line["what"]), []).append(line)
    return {
        "kind": kind,
        "seed": seed,
        "cases": len(lines),
        "verdicts": {verdict: verdicts.get(verdict, 0) for verdict in VERDICTS},
        "marks": dict(Counter(mark for line in lines for mark in line["marks"]).most_common()),
        "answers": dict(Counter(line["what"] for line in lines if line["verdict"] == "fine").most_common(_KINDS)),
        "failures": [
            {
                "verdict": verdict,
                "what": what,
                "cases": len(found),
                "first": found[0]["number"],
                "detail": found[0]["detail"][:300],
            }
            for (verdict, what), found in sorted(failed.items(), key=lambda item: -len(item[1]))[:_LISTED]
        ],
        "peak": max((line["peak"] for line in lines), default=0),
        "slowest": max((line["seconds"] for line in lines), default=0.0),
        "seconds": round(sum(line["seconds"] for line in lines), 1),
        "package": dict(Counter(line["code"] for line in lines)),
        "machine": {
            "system": f"{platform.system()} {platform.machine()}",
            "python": platform.python_version(),
            "packages": {name: version for name in _PACKAGES if (version := _version(name))},
        },
    }


def package_version() -> str:
    """Return the last commit that changed the package, with a + where files were changed since."""
    commit = _git("log", "-1", "--format=%h", "--", "onnxmint") or "unknown"
    return f"{commit}+" if _git("status", "--porcelain", "--", "onnxmint") else commit


def _git(*words: str) -> str:
    try:
        return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
