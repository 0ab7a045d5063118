"""Views as the target saw its images while it learned: drawn from the augmentation of its training.

A target may have been trained on such copies of an image, and on no others. What knowing them is worth is measured in
`tools/study/README.md`: on weakly over-fitted targets, hardly anything. `crop4-black+mirror` is what most recipes for
images of 32 x 32 pixels do.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from onnxmint.errors import UsageError
from onnxmint.graph.views import MEASURED, View

WORDS = "crop4, crop4-black, crop8%, crop8%-black, mirror, or crop and mirror joined by +"
_CROP = re.compile(r"crop(?P<by>[1-9]\d?)(?P<percent>%?)(?P<black>-black)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation:
    """How training images were moved and mirrored.

    Attributes:
        words: as it was asked for.
        crop: by how much at most, in pixels of an image of MEASURED pixels, or as a share of the shorter side.
        share: whether it is a share.
        black: whether what moved in was black, not the reflected border.
        mirror: whether every second image was mirrored.
    """

    words: str
    crop: float = 0.0
    share: bool = False
    black: bool = False
    mirror: bool = False

    @classmethod
    def of(cls, words: str) -> "Augmentation":
        """Read what a user wrote.

        Raises:
            UsageError: it is none that is known.
        """
        parts = words.split("+")
        crops = [found for part in parts if (found := _CROP.fullmatch(part)) is not None]
        mirrors = parts.count("mirror")
        if len(crops) + mirrors != len(parts) or len(crops) > 1 or mirrors > 1:
            raise UsageError(f"no augmentation {words!r}; there are {WORDS}")
        if not crops:
            return cls(words=words, mirror=True)
        crop = crops[0]
        share = bool(crop["percent"])
        return cls(
            words=words,
            crop=int(crop["by"]) / (100 if share else 1),
            share=share,
            black=bool(crop["black"]),
            mirror=mirrors > 0,
        )

    def pixels(self, size: tuple[int, int]) -> int:
        """Return by how many pixels images of a size were moved at most; a crop in pixels grows with larger ones."""
        side = min(size)
        times = side if self.share else max(1.0, side / MEASURED)
        return max(1, round(self.crop * times)) if self.crop else 0

    def views(self, count: int, size: tuple[int, int]) -> tuple[View, ...]:
        """Return at most so many views, the image itself first; a smaller number is the beginning of a larger.

        Shifts are taken from the square that the crop allows, each as far as can be from those before; where images
        were mirrored too, each is followed by its mirror image.
        """
        sides = (False, True) if self.mirror else (False,)
        every = [
            View(down=down, right=right, mirrored=mirrored, black=self.black and (down, right) != (0, 0))
            for down, right in _spread_out(self.pixels(size), -(-count // len(sides)))
            for mirrored in sides
        ]
        return tuple(every[:count])


def _spread_out(most: int, count: int) -> Iterator[tuple[int, int]]:
    """Yield up to so many shifts, beginning with none, each as far as can be from the nearest before it."""
    steps = np.arange(-most, most + 1)
    down, right = (axis.ravel() for axis in np.meshgrid(steps, steps, indexing="ij"))
    near = np.full(len(down), np.inf)
    place = len(down) // 2
    for _ in range(min(count, len(down))):
        here = int(down[place]), int(right[place])
        yield here
        near = np.minimum(near, (down - here[0]) ** 2 + (right - here[1]) ** 2)
        place = int(near.argmax())
