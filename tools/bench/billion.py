"""On paper: what a million to a billion images cost, from what was measured; nothing here is run or typed.

python tools/bench/tables.py puts it into README.md.
"""

import json
from pathlib import Path
from typing import Any

from onnxmint.images.entries import MOST_IMAGES
from onnxmint.report.files import _LARGEST as LARGEST_FILES

HERE = Path(__file__).parent
STUDY = HERE.parent / "study" / "validity" / "results" / "sequential_audits.jsonl"
COUNTS = (10**6, 10**8, 10**9)
VIEWS = 26
SAMPLE = 1000  # images of the sets in the study
NETWORK = "resnet18"
_HOUR = 3600
_MEMORY = 16e9  # bytes of a usual machine
_LOOKS = 208  # bytes of the digest, perceptual hash and thumbnail by which copies are found
_PASSES = {"all": 2, "sample": 1}  # how often every image is read: looked at, and scored

ABOUT = f"""## billion: what more images would cost, on paper

Computed by `billion.py` from the results here and in `tools/study/validity`, by multiplication: an estimate, not a run.
{NETWORK} at 224x224, {VIEWS} views, images as large as those of `places`. Cores: those of the machine above, one by
one. A sample (`--sample {SAMPLE:,}`, in growing lots with `--sequential`) is drawn by a hash of the content, so that it
is the same however the work is cut: every image is read and decoded once, and forward passes are all that it saves.
Passes of lots: the mean of the study's sets of {SAMPLE:,}.
"""
BREAKS = """What breaks first, each taken alone; parts of a place are scored side by side, each below these:
"""


def _rows(name: str) -> list[dict[str, Any]]:
    file = HERE / "results" / f"{name}.json"
    return json.loads(file.read_text())["rows"] if file.exists() else []


def units() -> dict[str, float]:
    """Return what one image costs: seconds of a core to decode it, and of a pass of the network."""
    found = json.loads((HERE / "results" / "stream.json").read_text())
    cores = found["machine"]["cores"]
    row = next(row for row in found["rows"] if row["network"] == NETWORK)
    speeds = row["images per second"]
    return {"decode": cores / speeds["decoding alone"], "pass": cores / speeds["bare, a run a core"]}


def on_device() -> dict[str, Any] | None:
    """Return what was measured on a CUDA device, None where none was at hand."""
    return next((row for row in _rows("gpu-cuda") if "images per second" in row), None)


def in_lots() -> float:
    """Return how many images the study's audits looked at on average, guilty and innocent sets alike."""
    found = [json.loads(line) for line in STUDY.read_text().splitlines()]
    sides = [[row["images"] for row in found if row["guilty"] == side] for side in (True, False)]
    return sum(sum(one) / len(one) for one in sides) / len(sides)


def costs() -> list[dict[str, Any]]:
    """Return a row for each number of images, form and way."""
    one, device = units(), on_device()
    forms = {row["form"]: row for row in _rows("places")}
    of_run = next(row for row in forms.values() if "bytes of scores.parquet a row" in row)
    row_bytes = sum(value for key, value in of_run.items() if key.startswith("bytes of "))
    ways = {"all scored": None, f"--sample {SAMPLE:,}": float(SAMPLE), "--sample, in lots": in_lots()}
    rows = []
    for count in COUNTS:
        for form in ("parquet", "folder"):
            for way, scored in ways.items():
                passes, place = count if scored is None else scored, forms[form]
                reads = count + passes
                read_s = place["CPU ms to read an image"] / 1000 + one["decode"]
                sent = place["bytes to list, of the images'"] * count + place["bytes to read, of the images'"] * reads
                calls = place["calls to list, for 1,000"] * count + place["calls to read, for 1,000"] * reads
                rows.append(
                    {
                        "images": count,
                        "form": form,
                        "way": way,
                        "core-hours to read and decode": _short(reads * read_s / _HOUR),
                        "core-hours of passes": _short(passes * VIEWS * one["pass"] / _HOUR),
                        "GPU-hours of passes": _gpu_hours(passes, device),
                        "egress, TB": _short(sent * place["kB an image"] * 1e3 / 1e12),
                        "calls, millions": _short(calls / 1000 / 1e6),
                        "files of the run, GB": _short(passes * row_bytes / 1e9),
                    }
                )
    return rows


def _gpu_hours(passes: float, device: dict[str, Any] | None) -> str:
    if device is None:
        return "not measured"
    return _short(passes * VIEWS / device["images per second"]["ours"] / _HOUR)


def _short(value: float) -> str:
    """Return a number with two digits that count."""
    if value >= 100:  # noqa: PLR2004 - no digits behind the point
        return f"{float(f'{value:.2g}'):,.0f}"
    return f"{float(f'{value:.2g}'):g}"


def limits() -> list[dict[str, Any]]:
    """Return at how many images each thing ends, the first one first."""
    forms = {row["form"]: row for row in _rows("places")}
    row = forms["a row of a run"]
    per = {name: row[f"bytes of {name} a row"] for name in ("scores.parquet", "report.html")}
    listed = max(one.get("bytes in memory an image", 0) for one in forms.values())
    one = units()
    day = 24 * _HOUR / (VIEWS * one["pass"] + 2 * one["decode"])
    found = [
        ("a place lists at most", MOST_IMAGES, "refused, with the number: give parts of it"),
        ("scores.parquet is read back up to its limit", LARGEST_FILES["scores.parquet"] / per["scores.parquet"],
         "`report`, `convert` refuse the run"),
        ("report.html of 100 MB", 1e8 / per["report.html"], "browsers are slow; the other files serve"),
        ("a day of one core, all scored", day, "more cores, parts or a GPU"),
        ("copies are found in 16 GB", _MEMORY / _LOOKS, "memory of the process that judges"),
        ("entries are held in 16 GB", _MEMORY / listed, "memory of the process that lists"),
    ]  # fmt: skip
    ordered = sorted(found, key=lambda each: each[1])
    return [{"what": what, "images": _short(count), "what then": then} for what, count, then in ordered]


def section(table: Any) -> str:
    """Return the section for README.md; `table` writes rows as Markdown."""
    device = on_device()
    by = (
        "No CUDA device was at hand: GPU-hours follow from `gpu.py` as soon as its result of one is here."
        if device is None
        else f"GPU-hours: {device['network']} at 224x224 on {device['name']}."
    )
    return "\n".join([ABOUT, table(costs()) + "\n", f"{by}\n", BREAKS, table(limits()) + "\n"])
