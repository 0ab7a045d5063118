"""Which images are shown to a model, each as a row of the table that asks: of one source or of several."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onnxmint.images.entries import ImageSource

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Some images of one source.

    Attributes:
        name: what progress calls them, such as "members".
        source: where they are.
        index: (r,) int64, positions in the source, ascending.
        row: (r,) int64, their rows in the table, ascending.
        label: (r,) int64, their classes; None when not all are known.
    """

    name: str
    source: ImageSource
    index: Rows
    row: Rows
    label: Rows | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """Images that are pixels already.

    Attributes:
        pixels: (r, H, W, C) uint8, as the probe's preprocessing makes them.
        row: (r,) int64, their rows in the table, ascending.
        label: (r,) int64 classes, or None.
    """

    pixels: NDArray[np.uint8]
    row: Rows
    label: Rows | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Images:
    """Images to show, in the order of their rows.

    Attributes:
        parts: where they are, rows ascending from part to part.
        count: rows of the whole table, shown or not.
    """

    parts: tuple[Part | Decoded, ...]
    count: int

    def __len__(self) -> int:
        """Return how many images are shown."""
        return sum(len(part.row) for part in self.parts)
