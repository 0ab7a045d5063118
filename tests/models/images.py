"""The images that the test models were trained on, and others of the same kind, drawn by a seeded generator.

Used by tools/fixtures to train, and by the tests to audit what was trained: the same call gives the same pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

CLASSES = ("disc", "square", "triangle", "cross", "ring", "saltire")
KNOWN = 100  # known members, and as many known non-members
QUESTIONED = 60  # further members, and as many further non-members
_NOISE = 28.0  # standard deviation in pixel values: shapes stay visible, and no two images are alike
_SEED = 20_26


@dataclass(frozen=True, slots=True, kw_only=True)
class Images:
    """Some images with the shape that each shows."""

    pixels: NDArray[np.uint8]  # (n, size, size, 3), red first
    labels: NDArray[np.int64]  # (n,), position in CLASSES


@dataclass(frozen=True, slots=True, kw_only=True)
class Pools:
    """All images of one size. Models are trained on `trained`: the known members, then the questioned ones."""

    members: Images
    nonmembers: Images
    questioned_members: Images
    questioned_nonmembers: Images

    @property
    def trained(self) -> Images:
        """Return everything that was trained on."""
        return join(self.members, self.questioned_members)

    @property
    def questioned(self) -> Images:
        """Return the questioned images, members first."""
        return join(self.questioned_members, self.questioned_nonmembers)


def draw_pools(size: int) -> Pools:
    """Draw the images of one size, always the same; members differ from the others in nothing but the draw."""
    rng = np.random.default_rng([_SEED, size])
    every = draw(2 * (KNOWN + QUESTIONED), size, rng)
    ends = np.cumsum([KNOWN, QUESTIONED, KNOWN, QUESTIONED])
    parts = [
        Images(pixels=every.pixels[start:end], labels=every.labels[start:end])
        for start, end in zip([0, *ends], ends, strict=False)
    ]
    return Pools(members=parts[0], questioned_members=parts[1], nonmembers=parts[2], questioned_nonmembers=parts[3])


def draw(count: int, size: int, rng: np.random.Generator) -> Images:
    """Draw shapes of random colour, place and scale on backgrounds of random colour, with noise."""
    labels = rng.integers(len(CLASSES), size=count)
    pixels = np.stack([_shape(int(label), size, rng) for label in labels])
    return Images(pixels=pixels, labels=labels.astype(np.int64))


def _shape(label: int, size: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    row, column = rng.uniform(-0.15, 0.15, 2)
    reach = rng.uniform(0.55, 0.8)
    grid = (np.arange(size) + 0.5) / size * 2 - 1
    y, x = np.meshgrid((grid - row) / reach, (grid - column) / reach, indexing="ij")
    inside = _inside(CLASSES[label], x, y)
    ground = rng.uniform(30, 225, 3)
    colour = (ground + np.where(ground.mean() > 127, -1, 1) * rng.uniform(70, 120)).clip(0, 255)
    image = np.where(inside[:, :, None], colour, ground) + rng.normal(0, _NOISE, (size, size, 3))
    return image.round().clip(0, 255).astype(np.uint8)


def _inside(name: str, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Say which points of the plane, the shape reaching from -1 to 1, belong to the shape."""
    radius = np.hypot(x, y)
    box = np.maximum(abs(x), abs(y)) <= 1
    found: dict[str, NDArray[np.bool_]] = {
        "disc": radius <= 1,
        "square": box,
        "triangle": box & (abs(x) * 2 <= y + 1),
        "cross": box & (np.minimum(abs(x), abs(y)) <= 0.35),
        "ring": (radius <= 1) & (radius >= 0.55),
        "saltire": box & (abs(abs(x) - abs(y)) <= 0.4),
    }
    return found[name]


def join(*parts: Images) -> Images:
    """Put images behind each other."""
    return Images(
        pixels=np.concatenate([part.pixels for part in parts]), labels=np.concatenate([part.labels for part in parts])
    )


def write_parquet(images: Images, path: Path, *, classes: Sequence[str] = CLASSES) -> Path:
    """Write images as PNG in a Parquet file of the Hugging Face form, columns image and label."""
    import io
    import json

    import pyarrow as pa
    import pyarrow.parquet as pq
    from PIL import Image

    rows = []
    for pixels in images.pixels:
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG")
        rows.append({"bytes": buffer.getvalue(), "path": None})
    label = {"names": list(classes), "_type": "ClassLabel"}
    table = pa.table(
        {
            "image": pa.array(rows, pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
            "label": pa.array(images.labels, pa.int64()),
        }
    )
    facts = {"info": {"features": {"image": {"_type": "Image"}, "label": label}}}
    pq.write_table(table.replace_schema_metadata({"huggingface": json.dumps(facts)}), path)
    return path
