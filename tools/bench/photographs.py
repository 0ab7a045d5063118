"""Photographs made up from a seed, large enough that decoding them is what a scoring process does most of the time."""

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image


def photographs(place: Path, count: int, *, size: tuple[int, int], group: int) -> Path:
    """Write JPEG files with labels as Parquet, so many to a row group, and return where."""
    rng, rows = np.random.default_rng(0), []
    for number in range(count):
        small = Image.fromarray(rng.integers(0, 256, (45, 60, 3), np.uint8))
        file = io.BytesIO()
        small.resize(size, Image.Resampling.BICUBIC).save(file, "JPEG", quality=90)
        rows.append({"bytes": file.getvalue(), "path": f"{number:04}.jpg"})
    pq.write_table(pa.table({"image": rows, "label": rng.integers(0, 10, count)}), place, row_group_size=group)
    return place
