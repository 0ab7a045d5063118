"""Pictures to seal: cut from CIFAR-10 and Fashion-MNIST into groups that share none, with the variants of each."""

import gzip
import io
import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from PIL import Image

from onnxmint.images.variants import Change, variants_of

sys.path.insert(0, str(Path(__file__).parents[1]))
import data

VARIANTS = 8
PER_KIND = 1000


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One way to make variants, and what happens to the published one before somebody trains on it."""

    change: Change
    jpeg: int | None = None  # the quality at which the collector saves it again; the owner asks with what was published


GROUPS: Mapping[str, Mapping[str, Kind]] = {
    "places": {
        "mirror": Kind(change=Change(mirror=True)),
        "crop 1/16": Kind(change=Change(crop=1 / 16)),
        "crop 1/8": Kind(change=Change(crop=1 / 8)),
        "crop 1/8, mirror, colour 0.1": Kind(change=Change(crop=1 / 8, mirror=True, colour=0.1)),
    },
    "noise": {f"noise {sd}": Kind(change=Change(noise=sd)) for sd in (4, 8, 16, 32)},
    "others": {
        "colour 0.05": Kind(change=Change(colour=0.05)),
        "colour 0.2": Kind(change=Change(colour=0.2)),
        "noise 16 on 8 cells": Kind(change=Change(noise=16, cells=8)),
        "noise 16, then JPEG 75": Kind(change=Change(noise=16), jpeg=75),
    },
    "both": {"crop 1/16": Kind(change=Change(crop=1 / 16)), "noise 8": Kind(change=Change(noise=8))},
}
"""What is published by group; a target is trained on the pictures of one group."""


@dataclass(frozen=True, kw_only=True)
class Sealed:
    """Pictures of one kind with their variants.

    Attributes:
        original: (n, H, W, C) uint8.
        variants: (n, k, H, W, C) uint8, cut ones brought back to the size of all.
        collected: (n, H, W, C) uint8, the published variant as it is trained on.
        drawn: (n,) which variant was published.
        labels: (n,) classes.
    """

    original: np.ndarray
    variants: np.ndarray
    collected: np.ndarray
    drawn: np.ndarray
    labels: np.ndarray

    def first(self, count: int) -> "Sealed":
        """Return so many of them."""
        return Sealed(**{field.name: getattr(self, field.name)[:count] for field in fields(self)})


def read(name: str, shared: Path, fashion: Path, count: int = 16_000) -> tuple[np.ndarray, np.ndarray]:
    """Return (n, H, W, C) uint8 training pictures of a data set, and their (n,) classes."""
    if name == "cifar10":
        table = data.read(shared, "cifar10")
        rows = data.halves(table, "cifar10")["members"][:count]
        return data.pixels(table, rows), data.labels(table, rows)
    images, labels = (_idx(fashion / f"train-{kind}-ubyte.gz") for kind in ("images-idx3", "labels-idx1"))
    order = np.random.default_rng(0).permutation(len(labels))[:count]
    return images[order][..., np.newaxis], labels[order].astype(np.int64)


def _idx(path: Path) -> np.ndarray:
    raw = gzip.decompress(path.read_bytes())
    shape = np.frombuffer(raw, ">i4", raw[3], 4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(shape)


def group_of(
    name: str, pictures: tuple[np.ndarray, np.ndarray], seed: int, per_kind: int = PER_KIND
) -> dict[str, Sealed]:
    """Seal the pictures of one group; groups share no picture, seeds share them but not the draws."""
    start = list(GROUPS).index(name) * per_kind * 4
    images, labels = pictures
    found = {}
    for place, (title, kind) in enumerate(GROUPS[name].items()):
        rows = slice(start + place * per_kind, start + (place + 1) * per_kind)
        rng = np.random.default_rng([seed, start, place])
        found[title] = _seal(images[rows], labels[rows], kind, rng)
    return found


def sealed_as(images: np.ndarray, labels: np.ndarray, kind: Kind, seed: int) -> Sealed:
    """Seal pictures in one way."""
    return _seal(images, labels, kind, np.random.default_rng(seed))


def _seal(images: np.ndarray, labels: np.ndarray, kind: Kind, rng: np.random.Generator) -> Sealed:
    count = 2 if kind.change == Change(mirror=True) else VARIANTS
    made = [[_sized(one, images.shape[1:]) for one in variants_of(image, kind.change, count, rng)] for image in images]
    variants = np.array(made)
    drawn = rng.integers(count, size=len(images))
    published = variants[np.arange(len(images)), drawn]
    collected = published if kind.jpeg is None else np.stack([saved(one, kind.jpeg) for one in published])
    return Sealed(original=images, variants=variants, collected=collected, drawn=drawn, labels=labels)


def picture(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)


def _sized(pixels: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    if pixels.shape == shape:
        return pixels
    found = picture(pixels).resize((shape[1], shape[0]), Image.Resampling.BILINEAR)
    return np.asarray(found).reshape(shape)


def saved(pixels: np.ndarray, quality: int) -> np.ndarray:
    """Return what is left of a picture that is saved as JPEG."""
    room = io.BytesIO()
    picture(pixels).save(room, "JPEG", quality=quality)
    return np.asarray(Image.open(room)).reshape(pixels.shape)
