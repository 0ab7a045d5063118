"""Sources of images that are in memory, and pictures to fill them with."""

import io
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet

import numpy as np
from PIL import Image

from onnxmint.images.classes import Numbering
from onnxmint.images.entries import EncodedImage, ImageEntry
from onnxmint.images.passed import PassedOver


class InMemory:
    """Encoded images, with labels and groups where they are given."""

    classes = None
    numbering: Numbering | None = None
    passed_over: tuple[PassedOver, ...] = ()

    def __init__(
        self,
        encoded: Sequence[bytes],
        *,
        labels: Sequence[int] | None = None,
        groups: Sequence[str] | None = None,
        location: str = "memory",
    ) -> None:
        self.encoded, self.labels, self.groups, self.location = encoded, labels, groups, location

    def entries(self) -> tuple[ImageEntry, ...]:
        labels, groups = self.labels or [None] * len(self.encoded), self.groups or [None] * len(self.encoded)
        return tuple(
            ImageEntry(index=row, path=f"{self.location}/{row}", label=labels[row], group=groups[row])
            for row in range(len(self.encoded))
        )

    def read(self, wanted: AbstractSet[int] | None = None) -> Iterator[EncodedImage]:
        for row, data in enumerate(self.encoded):
            if wanted is None or row in wanted:
                yield EncodedImage(index=row, path=f"{self.location}/{row}", data=data)


def pictures(count: int, *, seed: int = 0) -> list[bytes]:
    """Return PNGs of different blots."""
    rng = np.random.default_rng(seed)
    return [png(rng.integers(0, 256, (4, 4), np.uint8)) for _ in range(count)]


def png(levels: np.ndarray) -> bytes:
    """Return a PNG of 32 x 32 pixels that are interpolated between levels."""
    room = io.BytesIO()
    Image.fromarray(levels).resize((32, 32), Image.Resampling.BICUBIC).save(room, "PNG")
    return room.getvalue()
