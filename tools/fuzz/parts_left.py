"""What a kill left of an audit in parts, and whether a result is that of one process."""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from onnxmint.engine.part_file import read_part
from onnxmint.results.audit import AUDIT, AuditResult
from onnxmint.results.score_file import write_scores


def bytes_of(result: AuditResult) -> bytes:
    """Return report.json without what a run adds to an audit, and scores.parquet."""
    found = replace(result, created="then", warnings=(), tries=None, target=replace(result.target, path="model"))
    return AUDIT.write(found).encode() + write_scores(found)


def stamps(folder: Path) -> dict[str, int]:
    """Return the part files of a folder with the time of their last change, none where there is no folder."""
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("part-*")} if folder.is_dir() else {}


def look(folder: Path, before: dict[str, int], counts: Any) -> None:
    """Add the parts that were touched since `before`, and those that are not whole, to the counts of a killer."""
    after = stamps(folder)
    counts.parts_touched += sum(after.get(name) != stamp for name, stamp in before.items())
    for name in after:
        try:
            read_part(folder / name)
        except ValueError:
            counts.parts_broken += 1


def options_of(words: str | None, *, kills: int, result: Path) -> argparse.Namespace:
    """Return what a killer is asked for."""
    parser = argparse.ArgumentParser(description=words, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("auditor", type=Path)
    parser.add_argument("--kills", type=int, default=kills)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=result)
    return parser.parse_args()


def write_counts(counts: Any, options: argparse.Namespace) -> dict[str, Any]:
    """Write what was counted as JSON, and return it."""
    found: dict[str, Any] = {name: getattr(counts, name) for name in type(counts).__slots__}
    found |= {"kills": dict(counts.kills), "seed": options.seed}
    options.output.write_text(json.dumps(found, indent=1) + "\n")
    return found
