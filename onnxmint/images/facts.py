"""What files and pixels say without any model: if members can be told by this, a model need not have learned them."""

import hashlib
import io
import math
import warnings
from collections import deque
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from onnxmint.images.entries import EncodedImage, ImageSource
from onnxmint.images.pixels import PIXEL_FACTS, THUMB, pixel_facts_of

# The lock must be one for the process: whoever changes the warnings' filters changes them for all threads.
from onnxmint.preprocess.decoding import DEEP_MODES, FORMATS, HEADER_LOCK
from onnxmint.preprocess.spec import LARGEST
from onnxmint.progress import Stage

__all__ = ["FILE_FACTS", "PIXEL_FACTS", "ImageFacts", "look_at"]

_IN_FLIGHT = 8  # images for each thread
_MODES = {"L": 0, "RGB": 1, "RGBA": 2, "LA": 2, "PA": 2, "P": 3}
_OTHER_MODE = 4
_OTHER_SUBSAMPLING = 3.0
_NOT_JPEG = (math.nan,) * 4

FILE_FACTS: tuple[str, ...] = (
    *(f"format {name}" for name in FORMATS),
    "log bytes per pixel",
    "log2 width",
    "log2 height",
    "aspect ratio",
    *(f"mode {name}" for name in ("gray", "RGB", "transparent", "palette", "other")),
    "EXIF",
    "ICC profile",
    "resolution (DPI)",
    "JPEG luminance quantisation",
    "JPEG chrominance quantisation",
    "JPEG progressive",
    "JPEG chroma subsampling",
)

Floats = NDArray[np.float32]


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
        thumb: (n, 192) uint8, 8 x 8 RGB thumbnail.
    """

    index: NDArray[np.int64]
    file: Floats
    statistics: Floats
    place: NDArray[np.int32]
    digest: NDArray[np.uint64]
    phash: NDArray[np.uint64]
    thumb: NDArray[np.uint8]

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
        return replace(self, **{name: getattr(self, name)[rows] for name in _BY_IMAGE})

    @staticmethod
    def joined(parts: Sequence["ImageFacts"]) -> "ImageFacts":
        """Return the images of some parts, one after the other."""
        if len(parts) == 1:
            return parts[0]
        starts = np.cumsum([0, *(len(part.statistics) for part in parts[:-1])])
        by_image = {name: np.concatenate([getattr(part, name) for part in parts]) for name in _BY_IMAGE}
        moved = [np.where(part.place < 0, -1, part.place + start) for part, start in zip(parts, starts, strict=True)]
        statistics = np.concatenate([part.statistics for part in parts])
        return ImageFacts(**by_image | {"statistics": statistics, "place": np.concatenate(moved).astype(np.int32)})


_BY_IMAGE = ("index", "file", "place", "digest", "phash", "thumb")


def look_at(
    source: ImageSource,
    *,
    wanted: AbstractSet[int],
    stage: Stage,
    name: str,
    threads: int = 2,
    pixel_facts: AbstractSet[int] | None = None,
) -> ImageFacts:
    """Return the facts of the wanted images; those that cannot be decoded are absent.

    Only the facts are kept, and few images are in memory at once, however many there are.

    Args:
        source: where the encoded images come from.
        wanted: indices of those to look at.
        stage: told of the progress.
        name: what the progress is called.
        threads: images looked at beside each other.
        pixel_facts: indices whose slower PIXEL_FACTS are computed, None for all.
    """
    room = _room(len(wanted), len(wanted if pixel_facts is None else wanted & pixel_facts))
    filled = described = 0
    with stage(name, len(wanted)) as advance, ThreadPoolExecutor(threads, thread_name_prefix="onnxmint-facts") as pool:
        for done in _looked_at(pool, source, wanted, pixel_facts, _IN_FLIGHT * threads):
            for index, seen in done:
                if seen is not None:
                    room.index[filled] = index
                    room.file[filled] = seen.file
                    if seen.pixel is not None:
                        room.statistics[described] = seen.pixel
                        room.place[filled] = described
                        described += 1
                    room.digest[filled], room.phash[filled], room.thumb[filled] = seen.digest, seen.phash, seen.thumb
                    filled += 1
            advance(len(done))
    return replace(room.take(slice(filled)), statistics=room.statistics[:described])


def _room(count: int, described: int) -> ImageFacts:
    return ImageFacts(
        index=np.empty(count, np.int64),
        file=np.empty((count, len(FILE_FACTS)), np.float32),
        statistics=np.empty((described, len(PIXEL_FACTS)), np.float32),
        place=np.full(count, -1, np.int32),
        digest=np.empty(count, np.uint64),
        phash=np.empty(count, np.uint64),
        thumb=np.empty((count, THUMB * THUMB * 3), np.uint8),
    )


class _Seen(NamedTuple):
    """The facts of one image."""

    file: Floats
    pixel: Floats | None
    digest: int
    phash: int
    thumb: NDArray[np.uint8]


_Done = list[tuple[int, _Seen | None]]


def _looked_at(
    pool: ThreadPoolExecutor,
    source: ImageSource,
    wanted: AbstractSet[int],
    pixel_facts: AbstractSet[int] | None,
    most: int,
) -> Iterator[_Done]:
    """Yield what was seen in the source's order, several images at a time, with at most `most` of them waiting."""
    waiting: deque[tuple[int, Future[_Seen | None]]] = deque()
    for image in source.read(wanted):
        with_pixels = pixel_facts is None or image.index in pixel_facts
        waiting.append((image.index, pool.submit(_see, image, with_pixels=with_pixels)))
        if len(waiting) == most:
            yield _wait_for(waiting, most // 2)
    yield _wait_for(waiting, len(waiting))


def _wait_for(waiting: "deque[tuple[int, Future[_Seen | None]]]", count: int) -> _Done:
    oldest = [waiting.popleft() for _ in range(count)]
    return [(index, future.result()) for index, future in oldest]


def _see(image: EncodedImage, *, with_pixels: bool) -> _Seen | None:
    """Return the facts of an image, None when it cannot be decoded."""
    import imagehash
    from PIL import Image

    opened = _open(image.data) if image.data else None
    if image.data is None or opened is None:
        return None
    stored, rgb = opened
    pixels = rgb.tobytes()
    thumb = np.asarray(rgb.resize((THUMB, THUMB), Image.Resampling.BOX))
    bits = imagehash.phash(rgb, hash_size=8).hash
    return _Seen(
        file=_file_facts(stored, len(image.data)),
        pixel=pixel_facts_of(rgb, thumb) if with_pixels else None,
        digest=int.from_bytes(hashlib.blake2b(b"%dx%d:" % rgb.size + pixels, digest_size=8).digest(), "big"),
        phash=int.from_bytes(np.packbits(bits).tobytes(), "big"),
        thumb=thumb.reshape(-1),
    )


def _open(data: bytes) -> tuple[Any, Any] | None:
    """Return the image as stored and as RGB, refusing what `preprocess.decode` refuses."""
    from PIL import Image, UnidentifiedImageError

    try:
        with HEADER_LOCK, warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            stored: Image.Image = Image.open(io.BytesIO(data), formats=FORMATS)
        if stored.width * stored.height > LARGEST or stored.mode in DEEP_MODES:
            return None
        return stored, stored.convert("RGB")
    except (UnidentifiedImageError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        return None
    except (OSError, SyntaxError, ValueError, EOFError):
        return None


def _file_facts(stored: Any, size: int) -> Floats:
    """Return the (F,) FILE_FACTS of a decoded image of `size` bytes."""
    width, height = stored.size
    form = "JPEG" if stored.format == "MPO" else stored.format  # several JPEGs in one file, as cameras write
    mode = _MODES.get(stored.mode, _OTHER_MODE)
    info = stored.info
    facts = [float(form == name) for name in FORMATS]
    facts += [math.log(size / (width * height)), math.log2(width), math.log2(height), width / height]
    facts += [float(mode == number) for number in range(_OTHER_MODE + 1)]
    facts += [float("exif" in info or "Raw profile type exif" in info), float("icc_profile" in info)]
    facts += [float("dpi" in info), *(_jpeg_facts(stored) if form == "JPEG" else _NOT_JPEG)]
    return np.array(facts, np.float32)


def _jpeg_facts(stored: Any) -> tuple[float, float, float, float]:
    """Return sums of the luminance and chrominance tables, progressive or not, and the chroma subsampling."""
    from PIL import JpegImagePlugin

    tables = stored.quantization
    luminance = tables.get(0, ())
    progressive = float(bool(stored.info.get("progressive")))
    if stored.mode == "L":
        return float(sum(luminance)), math.nan, progressive, math.nan
    sampling = float(JpegImagePlugin.get_sampling(stored))  # 0 is 4:4:4, 1 is 4:2:2, 2 is 4:2:0, -1 another
    subsampling = sampling if sampling >= 0 else _OTHER_SUBSAMPLING
    return float(sum(luminance)), float(sum(tables.get(1, luminance))), progressive, subsampling
