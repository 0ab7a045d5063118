"""What files and pixels say without any model: if members can be told by this, a model need not have learned them."""

import contextlib
import hashlib
import threading
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from onnxmint.errors import ImagesError
from onnxmint.images.duplicates import Chosen, Thumbs
from onnxmint.images.entries import EncodedImage, ImageSource, size_of
from onnxmint.images.file_facts import FILE_FACTS, count_turned, file_facts
from onnxmint.images.flight import in_order
from onnxmint.images.observed import is_observation, read_observation
from onnxmint.images.perceptual import perceptual_hash
from onnxmint.images.pillow import decoded, holds_more, in_mode, orientation_of
from onnxmint.images.pixels import PIXEL_FACTS, THUMB, pixel_facts_of
from onnxmint.images.resizing import resized
from onnxmint.progress import Stage

__all__ = ["FILE_FACTS", "PIXEL_FACTS", "ImageFacts", "Seen", "Unreadable", "gathered", "look_at", "see"]

_AHEAD = 8  # images for each thread
_STRIP = 1 << 20  # pixels hashed at once
HASH = 32  # bytes of a SHA-256
_FEW = 1 << 14  # thumbnails that are fetched from the disk at once

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """An image of which nothing can be known."""

    index: int  # position in its source
    path: str  # as its source names it
    reason: str  # in words that follow the path: "is broken: ..."
    encoded: bytes = bytes(HASH)  # SHA-256 of the file
    size: int = 0  # its bytes; 0 where it could not be read


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFacts:
    """What is known of some images of a source without a model.

    Attributes:
        index: (n,) int64, positions in the source, ascending.
        file: (n, F) float32, the FILE_FACTS; NaN where one has no meaning.
        statistics: (k, P) float32, the PIXEL_FACTS of those images for which they were asked.
        place: (n,) int32, the row of `statistics` that belongs to an image, -1 for none.
        digest: (n,) uint64, hash of size and RGB pixels: equal for exact copies whatever the container.
        phash: (n,) uint64, perceptual hash: few bits differ between near copies.
        thumb: (n, 192) uint8, 8 x 8 RGB thumbnail; of very many images they lie on disk.
        encoded: (n, 32) uint8, SHA-256 of the file.
        size: (n,) int64, its bytes; 0 where it could not be read.
        more: (n,) bool, whether the file holds further frames or pages.
        unreadable: those that were wanted and cannot be decoded, in the source's order.
    """

    index: NDArray[np.int64]
    file: Floats
    statistics: Floats
    place: NDArray[np.int32]
    digest: NDArray[np.uint64]
    phash: NDArray[np.uint64]
    thumb: Thumbs
    encoded: NDArray[np.uint8]
    size: NDArray[np.int64]
    more: NDArray[np.bool_]
    unreadable: tuple[Unreadable, ...] = ()

    @property
    def turned(self) -> int:
        """Return how many images say that they are to be shown turned or mirrored (EXIF orientation 2 to 8)."""
        return count_turned(self.file)

    def undecodable(self) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Return (m, 32) SHA-256 and (m,) bytes of the files that were looked at and cannot be decoded."""
        found = np.frombuffer(b"".join(one.encoded for one in self.unreadable), np.uint8).reshape(-1, HASH)
        return found, np.array([one.size for one in self.unreadable], np.int64)

    def files(self) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Return (m, 32) SHA-256 and (m,) bytes of all files that were looked at, those that cannot be decoded too."""
        rest, sizes = self.undecodable()
        return np.concatenate([self.encoded, rest]), np.concatenate([self.size, sizes])

    @property
    def described(self) -> NDArray[np.int64]:
        """Return the rows of images whose PIXEL_FACTS are known."""
        return np.flatnonzero(self.place >= 0)

    @property
    def pixel(self) -> Floats:
        """Return the (n, P) PIXEL_FACTS, a row of NaN where they were not asked for."""
        unknown = np.full((1, self.statistics.shape[1]), np.nan, np.float32)
        found: Floats = np.concatenate([self.statistics, unknown])[self.place]
        return found

    def take(self, rows: NDArray[Any] | slice) -> "ImageFacts":
        """Return some of the images: row numbers, a mask or a slice."""
        found = {name: getattr(self, name)[rows] for name in BY_IMAGE if name != "thumb"}
        many = not isinstance(self.thumb, np.ndarray) and len(found["digest"]) > _FEW
        thumb = Chosen(self.thumb, np.arange(len(self.digest))[rows]) if many else self.thumb[rows]
        return replace(self, thumb=thumb, **found)

    def outside(self, index: AbstractSet[int]) -> "ImageFacts":
        """Return the images that are at none of some positions."""
        kept = self.take(np.array([at not in index for at in self.index.tolist()], np.bool_))
        return replace(kept, unreadable=tuple(one for one in self.unreadable if one.index not in index))

    @staticmethod
    def joined(parts: Sequence["ImageFacts"]) -> "ImageFacts":
        """Return the images of some parts, one after the other."""
        if len(parts) == 1:
            return parts[0]
        starts = np.cumsum([0, *(len(part.statistics) for part in parts[:-1])])
        by_image = {name: np.concatenate([getattr(part, name) for part in parts]) for name in BY_IMAGE}
        moved = [np.where(part.place < 0, -1, part.place + start) for part, start in zip(parts, starts, strict=True)]
        return ImageFacts(
            **by_image | {"place": np.concatenate(moved).astype(np.int32)},
            statistics=np.concatenate([part.statistics for part in parts]),
            unreadable=tuple(one for part in parts for one in part.unreadable),
        )


BY_IMAGE = ("index", "file", "place", "digest", "phash", "thumb", "encoded", "size", "more")  # a row an image


def look_at(
    source: ImageSource,
    *,
    wanted: AbstractSet[int],
    stage: Stage,
    name: str,
    threads: int = 2,
    pixel_facts: AbstractSet[int] | None = None,
) -> ImageFacts:
    """Return the facts of the wanted images; those that cannot be decoded are named in `unreadable`.

    Only the facts are kept, and few images are in memory at once, however many and however large they are.

    Args:
        source: where the encoded images come from.
        wanted: indices of those to look at.
        stage: told of the progress.
        name: what the progress is called.
        threads: images looked at beside each other.
        pixel_facts: indices whose slower PIXEL_FACTS are computed, None for all.
    """
    described = len(wanted if pixel_facts is None else wanted & pixel_facts)
    at_once = partial(see, pixel_facts=pixel_facts)
    looked = in_order(source.read(wanted), at_once, workers=threads, ahead=_AHEAD, size=size_of, name="onnxmint-facts")
    with stage(name, len(wanted)) as advance, contextlib.closing(looked):
        return gathered((seen for seen in looked if advance(1) is None), len(wanted), described)


def gathered(looked: "Iterable[Seen | Unreadable]", count: int, with_pixels: int) -> ImageFacts:
    """Return what was seen of images in the source's order, `count` at most, with PIXEL_FACTS of some at most."""
    room, unreadable = _room(count, with_pixels), list[Unreadable]()
    thumb = np.empty((count, THUMB * THUMB * 3), np.uint8)
    room, filled, described = replace(room, thumb=thumb), 0, 0
    for seen in looked:
        if isinstance(seen, Unreadable):
            unreadable.append(seen)
            continue
        if seen.pixel is not None:
            room.statistics[described], room.place[filled] = seen.pixel, described
            described += 1
        room.index[filled], room.file[filled] = seen.at, seen.file
        room.digest[filled], room.phash[filled], thumb[filled] = seen.digest, seen.phash, seen.thumb
        room.encoded[filled], room.size[filled], room.more[filled] = seen.encoded, seen.size, seen.more
        filled += 1
    return replace(room.take(slice(filled)), statistics=room.statistics[:described], unreadable=tuple(unreadable))


def _room(count: int, described: int) -> ImageFacts:
    return ImageFacts(
        index=np.empty(count, np.int64),
        file=np.empty((count, len(FILE_FACTS)), np.float32),
        statistics=np.empty((described, len(PIXEL_FACTS)), np.float32),
        place=np.full(count, -1, np.int32),
        digest=np.empty(count, np.uint64),
        phash=np.empty(count, np.uint64),
        thumb=np.empty((0, 0), np.uint8),
        encoded=np.empty((count, HASH), np.uint8),
        size=np.empty(count, np.int64),
        more=np.zeros(count, np.bool_),
    )


class Seen(NamedTuple):
    """The facts of one image."""

    at: int  # index in the source
    file: Floats
    pixel: Floats | None
    digest: int
    phash: int
    thumb: NDArray[np.uint8]
    encoded: NDArray[np.uint8]
    size: int
    more: bool


class _Opened(NamedTuple):
    """One image in memory."""

    stored: Any  # as in the file
    rgb: Any
    orientation: int  # of EXIF
    more: bool  # further frames


def see(image: EncodedImage, _: threading.Event, *, pixel_facts: AbstractSet[int] | None) -> Seen | Unreadable:
    """Return the facts of an image, with PIXEL_FACTS of those indices (None: of all), or why it cannot be decoded."""
    if image.data is None:
        return Unreadable(index=image.index, path=image.path, reason=image.error or "cannot be read")
    if is_observation(image.data):
        return _told(image, pixel_facts)
    size, encoded = len(image.data), hashlib.sha256(image.data).digest()
    try:
        with decoded(image.data, _opened) as found:
            thumb = np.asarray(resized(found.rgb, (THUMB, THUMB), "box"))
            described = pixel_facts is None or image.index in pixel_facts
            return Seen(
                at=image.index,
                file=file_facts(found.stored, found.orientation, size),
                pixel=pixel_facts_of(found.rgb, thumb) if described else None,
                digest=_digest(found.rgb),
                phash=perceptual_hash(found.rgb),
                thumb=thumb.reshape(-1),
                encoded=np.frombuffer(encoded, np.uint8),
                size=size,
                more=found.more,
            )
    except ImagesError as problem:
        return Unreadable(index=image.index, path=image.path, reason=str(problem), encoded=encoded, size=size)


def _told(image: EncodedImage, pixel_facts: AbstractSet[int] | None) -> Seen | Unreadable:
    """Return the facts of an image that another party looked at."""
    try:
        found = read_observation(image.data or b"")
        looks = {name: found.looks[name].reshape(shape) for name, shape in LOOKS.items()} if not found.error else {}
    except (ImagesError, KeyError, ValueError) as problem:
        return Unreadable(index=image.index, path=image.path, reason=f"is a damaged observation ({problem})")
    if found.error is not None:
        return Unreadable(index=image.index, path=image.path, reason=found.error)
    return Seen(
        at=image.index,
        file=looks["file"],
        pixel=looks["pixel"] if pixel_facts is None or image.index in pixel_facts else None,
        digest=int(looks["digest"]),
        phash=int(looks["phash"]),
        thumb=looks["thumb"],
        encoded=looks["encoded"],
        size=int(looks["size"]),
        more=bool(looks["more"]),
    )


def looks_of(facts: ImageFacts) -> Iterator[dict[str, NDArray[Any]]]:
    """Yield what `_told` reads of each image, described ones all."""
    pixel = facts.pixel
    for row in range(len(facts.index)):
        yield {name: (pixel if name == "pixel" else getattr(facts, name))[row] for name in LOOKS}


LOOKS: dict[str, tuple[int, ...]] = {
    "file": (len(FILE_FACTS),),
    "pixel": (len(PIXEL_FACTS),),
    "digest": (),
    "phash": (),
    "thumb": (THUMB * THUMB * 3,),
    "encoded": (HASH,),
    "size": (),
    "more": (),
}
"""What an observation tells of an image without a model, and the shape of each."""


def _opened(image: Any) -> _Opened:
    more = holds_more(image)
    return _Opened(stored=image, rgb=in_mode(image, "RGB"), orientation=orientation_of(image), more=more)


def _digest(rgb: Any) -> int:
    """Return 64 bits of size and pixels; by strips, since a large image is not to be in memory once more."""
    found = hashlib.blake2b(b"%dx%d:" % rgb.size, digest_size=8)
    rows = max(1, _STRIP // rgb.width)
    for top in range(0, rgb.height, rows):
        found.update(rgb.crop((0, top, rgb.width, min(top + rows, rgb.height))).tobytes())
    return int.from_bytes(found.digest(), "big")
