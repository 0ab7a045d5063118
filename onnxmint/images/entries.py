"""The two facts every source gives: what is known of an image before it is read, and its encoded bytes."""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Protocol

LARGEST_FILE = (
    256 << 20
)  # bytes; no image within preprocess.LARGEST pixels needs more, a sparse file can claim terabytes
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageEntry:
    """What is known of an image before it is read."""

    index: int  # position in its source
    path: str  # shown to the user; enough to find the image
    label: int | None
    group: str | None  # what it belongs to: images of a group are near copies of each other


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedImage:
    """An image as stored; `data` is None when it could not be read, with the reason in `error`."""

    index: int
    path: str
    data: bytes | None
    error: str | None = None


def too_large(size: int) -> str | None:
    """Return why an encoded image of `size` bytes is not read, None when it may be."""
    if size <= LARGEST_FILE:
        return None
    return f"is absurdly large: {size >> 20:,} MiB (allowed {LARGEST_FILE >> 20})"


class ImageSource(Protocol):
    """A set of images in one place."""

    @property
    def location(self) -> str:
        """Return where it is, as the user wrote it."""

    @property
    def classes(self) -> tuple[str, ...] | None:
        """Return the names of the classes in the order of their numbers, None when it has none."""

    def entries(self) -> tuple[ImageEntry, ...]:
        """List the images without reading pixels."""

    def read(self, wanted: AbstractSet[int] | None = None) -> Iterator[EncodedImage]:
        """Yield the wanted images (all for None) in index order, holding few of them in memory."""
