"""Variants of a picture that differ a little: only one of them will be published, drawn by a coin."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Numbers = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """How the variants of a picture differ; what is 0 is left alone.

    Attributes:
        noise: standard deviation of Gaussian noise, in levels of 0 to 255.
        cells: the noise is drawn on a grid of so many cells along the longer side and smoothed up to the picture, so
            that it survives when whoever trains makes the picture smaller.
        crop: the part of height and width that is cut away, at a place drawn for each variant.
        colour: the most by which brightness, contrast and the weight of a colour change, as a part of 1.
        mirror: every other variant is the mirror image.
    """

    noise: float = 0.0
    cells: int = 32
    crop: float = 0.0
    colour: float = 0.0
    mirror: bool = False

    @property
    def words(self) -> str:
        """Return how variants differ."""
        words = [
            f"noise of {self.noise:g} levels on {self.cells} cells" if self.noise else "",
            f"cut by {self.crop:.3g} of the sides" if self.crop else "",
            f"colours changed by up to {self.colour:g}" if self.colour else "",
            "every other one mirrored" if self.mirror else "",
        ]
        return ", ".join(word for word in words if word)

    def __post_init__(self) -> None:
        """Refuse what changes nothing, or too much to be a variant."""
        parts = (("noise", self.noise, 128), ("crop", self.crop, 0.5), ("colour", self.colour, 0.5))
        for name, value, most in parts:
            if not 0 <= value <= most:
                raise ValueError(f"{name} must be from 0 to {most}, got {value}")
            object.__setattr__(self, name, float(value))  # 4 and 4.0 are one change, and are written in one way
        if self.cells < 1:
            raise ValueError(f"cells must be 1 or more, got {self.cells}")
        if not (self.noise or self.crop or self.colour or self.mirror):
            raise ValueError("a change must change something: noise, crop, colour or mirror")


def variants_of(pixels: Pixels, change: Change, count: int, rng: np.random.Generator) -> Iterator[Pixels]:
    """Yield so many variants of a picture, each drawn on its own; the picture itself is not one of them.

    Args:
        pixels: (H, W, C) uint8, C of 1 or 3.
        change: how they differ.
        count: how many.
        rng: draws the changes.

    Yields:
        (h, w, C) uint8 each, all of one size: that of the picture less what is cut away.
    """
    places = _places(pixels.shape, change.crop, count, rng)
    for number, place in enumerate(places):
        one = pixels[place]
        if change.mirror and number % 2:
            one = one[:, ::-1]
        if not (change.colour or change.noise):
            yield np.ascontiguousarray(one)
            continue
        numbers: Numbers = one.astype(np.float32)
        if change.colour:
            numbers = _coloured(numbers, change.colour, rng)
        if change.noise:
            numbers = numbers + _noise(one.shape, change, rng)
        yield np.ascontiguousarray(np.clip(np.rint(numbers), 0, 255).astype(np.uint8))


def _places(shape: tuple[int, ...], crop: float, count: int, rng: np.random.Generator) -> list[tuple[slice, slice]]:
    """Return where each variant is cut out; places differ where there are enough."""
    down, right = (max(1, round(crop * side)) if crop else 0 for side in shape[:2])
    places = (down + 1) * (right + 1)
    drawn = rng.choice(places, count, replace=places < count)
    corners = (divmod(int(place), right + 1) for place in drawn)
    height, width = shape[0] - down, shape[1] - right
    return [(slice(top, top + height), slice(left, left + width)) for top, left in corners]


def _coloured(numbers: Numbers, most: float, rng: np.random.Generator) -> Numbers:
    """Change contrast about the mean, brightness, and the weights of the colours against each other."""
    contrast, brightness = rng.uniform(1 - most, 1 + most, 2).tolist()
    weights = np.asarray(rng.uniform(1 - most, 1 + most, numbers.shape[2]))
    middle = float(numbers.mean())
    factors = (brightness * weights / weights.mean()).astype(np.float32)
    found: Numbers = ((numbers - middle) * contrast + middle) * factors
    return found


def _noise(shape: tuple[int, ...], change: Change, rng: np.random.Generator) -> Numbers:
    """Return (H, W, C) noise of the change's strength, drawn on its grid."""
    from PIL import Image

    height, width, channels = shape
    cells = min(change.cells, max(height, width))
    grid = tuple(max(1, round(cells * side / max(height, width))) for side in (height, width))
    drawn = rng.standard_normal((channels, *grid), np.float32)
    planes = [np.asarray(Image.fromarray(plane).resize((width, height), Image.Resampling.BICUBIC)) for plane in drawn]
    found: Numbers = np.stack(planes, axis=2)
    return found * np.float32(change.noise / max(float(found.std()), 1e-12))
