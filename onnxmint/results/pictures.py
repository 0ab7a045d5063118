"""Thumbnails of the questioned images at both ends of the scores: what the page shows, and thumbnails.json keeps."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onnxmint.results.audit import ScoreTable
from onnxmint.results.json import Document

EACH = 12
"""Images at each end."""
SIDE = 96
"""Pixels of a thumbnail's longer side, at most."""
LARGEST = 3 << 10
"""Bytes of a thumbnail, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A thumbnail.

    Attributes:
        row: of the image in scores.
        data: a WebP image without metadata, at most 96 pixels a side and 3 kB.
    """

    row: int
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictures:
    """Thumbnails by rank; those that could not be made are missing."""

    most: tuple[Picture, ...]  # highest score first
    least: tuple[Picture, ...]  # lowest score first

    def __post_init__(self) -> None:
        """Refuse what would make a page large, or is no WebP image."""
        for picture in (*self.most, *self.least):
            if (
                picture.row < 0
                or len(picture.data) > LARGEST
                or picture.data[:4] != b"RIFF"
                or picture.data[8:12] != b"WEBP"
            ):
                raise ValueError(f"a thumbnail is no WebP image of at most {LARGEST:,} bytes")
        if max(len(self.most), len(self.least)) > EACH:
            raise ValueError(f"more than {EACH} thumbnails at one end")


def both_ends(scores: ScoreTable) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return rows of the images with the highest scores, and of those with the lowest; none is in both."""
    order = np.lexsort((np.arange(len(scores.path)), -scores.score)).astype(np.int64)
    each = min(EACH, len(order) // 2)
    return order[:each], order[len(order) - each :][::-1]


PICTURES = Document(kind=Pictures, schema="onnxmint.thumbnails/1", mend="run onnxmint audit again")
"""thumbnails.json."""
