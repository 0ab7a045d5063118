"""Image files to measure with: photographs' size and texture, seeded, made once."""

from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from onnxmint.images.chosen import Part
from onnxmint.images.sources import open_source


def jpegs(folder: Path, count: int, *, width: int = 500, height: int = 375) -> Path:
    """Return a folder of `count` JPEGs (quality 90) of smooth shapes with noise: about 60 kB each at 500x375."""
    return _fill(folder / f"jpeg-{width}x{height}-{count}", count, (width, height), "jpg")


def pngs(folder: Path, count: int, *, size: int = 32) -> Path:
    """Return a folder of `count` square PNGs."""
    return _fill(folder / f"png-{size}-{count}", count, (size, size), "png")


def images(folder: Path) -> Part:
    """Return all images of a folder, to be shown."""
    source = open_source(str(folder))
    index = np.array([entry.index for entry in source.entries()])
    return Part(name="", source=source, index=index, row=index, label=None)


def _fill(folder: Path, count: int, size: tuple[int, int], suffix: str) -> Path:
    done = folder / "done"
    if not done.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with ProcessPoolExecutor() as pool:
            starts = range(0, count, 500)
            list(pool.map(_make, [(folder, start, min(start + 500, count), size, suffix) for start in starts]))
        done.touch()
    return folder


def _make(job: tuple[Path, int, int, tuple[int, int], str]) -> None:
    folder, start, stop, size, suffix = job
    for number in range(start, stop):
        rng = np.random.default_rng(number)
        coarse = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        smooth = np.asarray(Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC), np.int16)
        noisy = smooth + rng.normal(0, 12, smooth.shape).astype(np.int16)
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(folder / f"{number:06}.{suffix}", quality=90)
