"""What the process that merges parts holds in memory, by the number of images.

python tools/bench/merging.py AUDITOR    (an auditor of the bundled target)

Images of 8x8 pixels, all different, are shared by one process and merged by another one without controls; its largest
resident memory is measured, and what it comes to at ten million images is a line through the two sizes.
"""

import argparse
import io
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from measuring import WORK, machine, save
from PIL import Image

from onnxmint.settings import AuditSettings
from onnxmint.workflows.parting import audit_part

DEMO = Path(__file__).parents[2] / "onnxmint" / "demo"
SETTINGS = AuditSettings(device="cpu", controls=False, seed=1)
SIZES, GOAL = (4_000, 40_000), 10_000_000


def images(count: int) -> Path:
    """Write images as Parquet, and return where."""
    place = WORK / f"images{count}.parquet"
    rng, rows = np.random.default_rng(count), []
    for number in range(count):
        file = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, (8, 8), np.uint8)).save(file, "PNG", compress_level=1)
        rows.append({"bytes": file.getvalue(), "path": f"{number:08}.png"})
    pq.write_table(pa.table({"image": rows, "label": rng.integers(0, 10, count)}), place, row_group_size=1000)
    return place


def merged(parts: Path) -> float:
    """Merge parts in a process of its own, and return the most bytes that it held."""
    code = f"from onnxmint import merge_parts; merge_parts({str(parts)!r}, device='cpu')"
    # The largest of all children so far, so sizes have to rise.
    subprocess.run([sys.executable, "-c", code], check=True)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("auditor", type=Path)
    given = parser.parse_args()
    WORK.mkdir(exist_ok=True)
    about, rows = machine(), list[dict[str, Any]]()
    for count in SIZES:
        parts = WORK / f"run{count}.parts"
        shutil.rmtree(parts, ignore_errors=True)
        audit_part(DEMO / "target.onnx", str(images(count)), given.auditor, parts, settings=SETTINGS)
        rows.append({"images": count, "peak MB": round(merged(parts) / 1e6), "measured": True})
        print(rows[-1], flush=True)
    few, many = (row["peak MB"] for row in rows)
    each = (many - few) / (SIZES[1] - SIZES[0])
    rows.append({"images": GOAL, "peak MB": round(few + each * (GOAL - SIZES[0])), "measured": False})
    save("merging", [row | {"bytes an image": round(each * 1e6)} for row in rows], about)


if __name__ == "__main__":
    main()
