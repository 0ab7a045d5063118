"""What the file of an image says of itself: format, size, mode, metadata, how a JPEG was written."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxmint.images.pillow import FORMATS
from onnxmint.stats.heldout import in_blocks
from onnxmint.writing.scratch import release

_MODES = {"L": 0, "RGB": 1, "RGBA": 2, "LA": 2, "PA": 2, "P": 3}
_OTHER_MODE = 4
_OTHER_SUBSAMPLING = 3.0
_NOT_JPEG = (math.nan,) * 4
ORIENTATION = "EXIF orientation"

FILE_FACTS: tuple[str, ...] = (
    *(f"format {name}" for name in FORMATS),
    "log bytes per pixel",
    "log2 width",
    "log2 height",
    "aspect ratio",
    *(f"mode {name}" for name in ("gray", "RGB", "transparent", "palette", "other")),
    "EXIF",
    ORIENTATION,
    "ICC profile",
    "resolution (DPI)",
    "JPEG luminance quantisation",
    "JPEG chrominance quantisation",
    "JPEG progressive",
    "JPEG chroma subsampling",
)


def file_facts(stored: Any, orientation: int, size: int) -> NDArray[np.float32]:
    """Return the (F,) FILE_FACTS of an image of `size` bytes as it is stored, with its orientation of EXIF."""
    width, height = stored.size
    form = "JPEG" if stored.format == "MPO" else stored.format  # several JPEGs in one file, as cameras write
    mode = _MODES.get(stored.mode, _OTHER_MODE)
    info = stored.info
    facts = [float(form == name) for name in FORMATS]
    facts += [math.log(size / (width * height)), math.log2(width), math.log2(height), width / height]
    facts += [float(mode == number) for number in range(_OTHER_MODE + 1)]
    facts += [float("exif" in info or "Raw profile type exif" in info), float(orientation)]
    facts += [float("icc_profile" in info), float("dpi" in info)]
    facts += _jpeg_facts(stored) if form == "JPEG" else _NOT_JPEG
    return np.array(facts, np.float32)


def count_turned(facts: NDArray[np.float32]) -> int:
    """Return how many of (n, F) images say that they are to be shown turned or mirrored (EXIF orientation 2 to 8)."""
    found = 0
    for part in in_blocks(len(facts)):
        found += int((facts[part, FILE_FACTS.index(ORIENTATION)] > 1).sum())
        release()
    return found


def _jpeg_facts(stored: Any) -> tuple[float, float, float, float]:
    """Return sums of the luminance and chrominance tables, progressive or not, and the chroma subsampling."""
    from PIL import JpegImagePlugin

    tables = stored.quantization
    luminance = tables.get(0, ())
    progressive = float(bool(stored.info.get("progressive")))
    if stored.mode == "L":
        return float(sum(luminance)), math.nan, progressive, math.nan
    sampling = float(JpegImagePlugin.get_sampling(stored))  # 0 is 4:4:4, 1 is 4:2:2, 2 is 4:2:0, -1 another
    subsampling = sampling if sampling >= 0 else _OTHER_SUBSAMPLING
    return float(sum(luminance)), float(sum(tables.get(1, luminance))), progressive, subsampling
