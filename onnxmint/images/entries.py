"""The facts every source gives: what is known of an image before it is read, its encoded bytes, what it left out."""

import contextlib
import os
import stat
from collections.abc import Hashable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Protocol

from onnxmint.errors import ImagesError
from onnxmint.images.classes import Numbering
from onnxmint.images.passed import PassedOver
from onnxmint.places.remote import AnyPath, RemotePath

LARGEST_FILE = 256 << 20  # bytes; no image within opening.LARGEST pixels needs more, a sparse file can claim terabytes
MOST_IMAGES = 20_000_000  # of a place; what is known of one takes some 50 bytes, and a few kB can claim billions


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


def size_of(image: EncodedImage) -> int:
    """Return the bytes that an encoded image holds in memory."""
    return len(image.data or b"")


def require_countable(count: int, location: str) -> None:
    """Refuse a place that lists more images than can be kept.

    Raises:
        ImagesError: saying how many there may be.
    """
    if count > MOST_IMAGES:
        raise ImagesError(
            f"{location} lists more than {MOST_IMAGES:,} images, which is more than is taken at once: give a part of it"
        )


def require_file(place: AnyPath) -> None:
    """Refuse a pipe, a device or the like in the place of a table or shard: reading it may never end.

    Raises:
        ImagesError: it is one.
    """
    if not isinstance(place, RemotePath):
        with contextlib.suppress(OSError):  # of what is missing or hidden who opens it speaks
            if not stat.S_ISREG(place.stat().st_mode):
                raise ImagesError(f"{place} is no regular file; give a file that is stored on a disk")


def too_large(size: int) -> str | None:
    """Return why an encoded image of `size` bytes is not read, None when it may be."""
    if size <= LARGEST_FILE:
        return None
    return f"is absurdly large: {size >> 20:,} MiB (allowed {LARGEST_FILE >> 20})"


def identity(file: AnyPath) -> Hashable:
    """Return what a file is to the system, the same under every path; that of a file that is not there is its path."""
    if isinstance(file, RemotePath):
        return file.identity
    try:
        facts = file.stat()
    except (OSError, ValueError):
        return os.path.abspath(file)  # noqa: PTH100 - Path.resolve asks the system again
    return facts.st_dev, facts.st_ino


class ImageSource(Protocol):
    """A set of images in one place."""

    @property
    def location(self) -> str:
        """Return where it is, as the user wrote it."""

    @property
    def classes(self) -> tuple[str, ...] | None:
        """Return the names of the classes in the order of their numbers, None when it has none."""

    @property
    def numbering(self) -> Numbering | None:
        """Return the number of each class name and how it was found, None when it has no names."""

    @property
    def passed_over(self) -> tuple[PassedOver, ...]:
        """Return what was given and is not among the images, counted by its reason."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Return sentences that a user has to read: what was passed over, and labels that may have been meant."""

    def entries(self) -> Sequence[ImageEntry]:
        """List the images without reading pixels, each at its own position."""

    def origins(self) -> Sequence[Hashable]:
        """Return for each entry where its bytes lie, equal for equal places, whatever path led there."""

    def read(self, wanted: AbstractSet[int] | None = None) -> Iterator[EncodedImage]:
        """Yield the wanted images (all for None) in index order, holding few of them in memory."""
