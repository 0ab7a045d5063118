"""What the process that merges parts holds in memory, by the number of images, and how long it takes.

python tools/bench/merging.py AUDITOR [--images N ...] [--from-columns N ...]    (an auditor of the bundled target)

Parts of N images are made up: hashes, thumbnails and scores at random, written as `audit --part` writes them, beside a
listing of as many rows. The few images that a merge shows again are real. Each merge, without controls, is a process
of its own that writes the whole run; its largest resident memory is measured.
"""

import argparse
import hashlib
import io
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from measuring import WORK, machine, save
from PIL import Image

from onnxmint.cores import processor
from onnxmint.engine.part_file import Made, part_name, write_part
from onnxmint.engine.units import Recorded
from onnxmint.evidence.questioned import to_describe
from onnxmint.images.entries import EncodedImage
from onnxmint.images.facts import ImageFacts, Seen, see
from onnxmint.images.file_facts import FILE_FACTS
from onnxmint.images.pixels import PIXEL_FACTS
from onnxmint.mint.auditor import load_auditor
from onnxmint.settings import AuditSettings
from onnxmint.workflows.dividing import asked_of, begin, plan_work
from onnxmint.workflows.parting import open_parts

DEMO = Path(__file__).parents[2] / "onnxmint" / "demo"
SETTINGS = AuditSettings(device="cpu", controls=False, seed=1)
SIZES, GOAL = (100_000, 1_000_000, 10_000_000), 1500
SHARD, UNIT, REAL = 250_000, 1000, 50
MERGE = """
import json, resource, sys, time
from onnxmint.cli.main import run
start = time.perf_counter()
code = run(["merge", sys.argv[1], "--overwrite", "-q", "--device", "cpu", "--no-record"])
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3 * 1.024
took = {"seconds": time.perf_counter() - start, "CPU seconds": time.process_time(), "peak MB": peak}
print(json.dumps({"code": code} | {name: round(value) for name, value in took.items()}), file=sys.stderr)
"""


def pictures() -> list[tuple[bytes, Seen]]:
    """Return images that are really there, with what is seen of them: those of small digests, which a merge checks."""
    rng, found = np.random.default_rng(0), list[tuple[bytes, Seen]]()
    while len(found) < REAL:
        file = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, (28, 28), np.uint8)).save(file, "PNG")
        seen = see(EncodedImage(index=0, path="", data=file.getvalue()), None, pixel_facts=frozenset())  # type: ignore[arg-type]
        if isinstance(seen, Seen) and seen.digest < 1 << 63:
            found.append((file.getvalue(), seen))
    return found


def listing(count: int, real: list[tuple[bytes, Seen]]) -> Path:
    """Write the rows of as many images, the first of which are real, into shards, and return their folder."""
    place, rng = WORK / f"merging{count}", np.random.default_rng(count)
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    for start in range(0, count, SHARD):
        rows = range(start, min(start + SHARD, count))
        data = [real[row][0] if row < REAL else real[0][0] for row in rows]
        image = pa.StructArray.from_arrays(
            [pa.array(data), pa.array([f"{row:08}.png" for row in rows])], ["bytes", "path"]
        )
        label = pa.array(rng.integers(0, 10, len(rows)))
        pq.write_table(pa.table({"image": image, "label": label}), place / f"{start:08}.parquet", row_group_size=10_000)
    return place


def recorded(span: range, described: np.ndarray, real: list[tuple[bytes, Seen]], rng: np.random.Generator) -> Recorded:
    """Return what might have been found out about the images at some positions; one in a thousand is a near copy."""
    index, count = np.arange(span.start, span.stop), len(span)
    base = rng.integers(0, 226, (count, 1, 3)) + rng.integers(0, 30, (count, 64, 3))
    looks: dict[str, Any] = {
        "digest": rng.integers(1 << 63, 1 << 64, count, dtype=np.uint64),
        "phash": rng.integers(0, 1 << 64, count, dtype=np.uint64),
        "thumb": base.reshape(count, 192).astype(np.uint8),
        "encoded": rng.integers(0, 256, (count, 32), dtype=np.uint8),
        "size": rng.integers(300, 9000, count),
        "more": np.zeros(count, np.bool_),
        "file": np.zeros((count, len(FILE_FACTS)), np.float32),
    }
    looks["phash"][1], looks["thumb"][1] = looks["phash"][0], looks["thumb"][0]
    for place in range(max(REAL - span.start, 0)):
        for name in looks:
            looks[name][place] = getattr(real[place][1], name)
    mine = np.isin(index, described)
    facts = ImageFacts(
        index=index,
        statistics=rng.normal(size=(int(mine.sum()), len(PIXEL_FACTS))).astype(np.float32),
        place=np.where(mine, np.cumsum(mine) - 1, -1).astype(np.int32),
        **looks,
    )
    score = rng.normal(size=(count, 1))
    told = {"free": score * 0.9, "score": score, "predicted": rng.integers(0, 10, count)}
    return Recorded(index=index, facts=facts, row=index, columns=told)


def parts(count: int, auditor: Path) -> Path:
    """Write all parts of so many images, and return the folder of the run to be."""
    real, rng = pictures(), np.random.default_rng(count)
    images, run = listing(count, real), WORK / f"run{count}"
    shutil.rmtree(run.with_name(f"{run.name}.parts"), ignore_errors=True)
    model = DEMO / "target.onnx"
    ready = open_parts(model, str(images), load_auditor(auditor), SETTINGS)
    work = plan_work(ready, SETTINGS, asked=asked_of(model, str(images), auditor, SETTINGS), unit=UNIT)
    folder = run.with_name(f"{run.name}.parts")
    begin(work, folder)
    described = np.array(sorted(to_describe(count, np.random.default_rng(SETTINGS.seed))))
    entries = ready.source.entries()
    for number, unit in enumerate(work.units):
        made = Made(work=work.identity, unit=number, shares=1, host=processor(), device="cpu",
                    provider="CPUExecutionProvider", reason="asked for")  # fmt: skip
        paths = [one.path for one in entries[unit.span.start : unit.span.stop]]
        write_part(folder / part_name(number), recorded(unit.span, described, real, rng), paths, made)
    return run


def merged(run: Path) -> dict[str, Any]:
    """Merge parts in a process of its own, and return what it took."""
    done = subprocess.run([sys.executable, "-c", MERGE, str(run)], check=True, capture_output=True, text=True)
    told: dict[str, Any] = json.loads(done.stderr.splitlines()[-1])
    if told.pop("code"):
        raise SystemExit(done.stderr)
    return told


def from_columns(auditor: Path, count: int) -> dict[str, Any]:
    """Judge made-up columns in a process of its own, and return what it took."""
    words = [sys.executable, str(Path(__file__).with_name("columns.py")), str(auditor), str(count)]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    told: dict[str, Any] = json.loads(done.stderr.splitlines()[-1])
    return {name: value for name, value in told.items() if name != "code"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("auditor", type=Path)
    parser.add_argument("--images", type=int, nargs="+", default=SIZES)
    parser.add_argument("--keep", action="store_true", help="keep parts and runs")
    parser.add_argument("--from-columns", type=int, nargs="*", default=(), metavar="N", help="sizes without part files")
    given = parser.parse_args()
    WORK.mkdir(exist_ok=True)
    about, rows = machine(), list[dict[str, Any]]()
    for count in given.images:
        start = time.perf_counter()
        run = parts(count, given.auditor)
        print(f"{count:,} images: parts made in {time.perf_counter() - start:.0f} s", flush=True)
        rows.append({"images": count, "from": "part files", **merged(run)})
        scores = run / "scores.parquet"
        rows[-1] |= {"run MB": round(sum(one.stat().st_size for one in run.iterdir()) / 1e6)}
        print(rows[-1], hashlib.sha256(scores.read_bytes()).hexdigest()[:12], flush=True)
        if not given.keep:
            for place in (run, run.with_name(f"{run.name}.parts"), WORK / f"merging{count}"):
                shutil.rmtree(place)
    for count in given.from_columns:
        rows.append({"images": count, "from": "columns", **from_columns(given.auditor, count)})
        print(rows[-1], flush=True)
    save("merging", [row | {"under 1,500 MB": "yes" if row["peak MB"] < GOAL else "no"} for row in rows], about)


if __name__ == "__main__":
    main()
