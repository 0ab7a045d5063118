"""Where a stranger's file meets Pillow, the one place: encoded images opened and decoded, and why some are refused."""

import ctypes
import functools
import io
import logging
import struct
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from onnxmint.errors import ImagesError
from onnxmint.images.flight import decoding

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "AVIF", "HEIF")  # the last two where they can be read
SUFFIXES = frozenset(
    {
        ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".bmp", ".gif", ".tif", ".tiff",
        ".ppm", ".pgm", ".pbm", ".pnm", ".avif", ".heic", ".heif",
    }
)  # fmt: skip
LARGEST = 50_000_000  # pixels; a file of a few kB can claim far more
DEEP_MODES = ("I;16", "I;16B", "I;16L", "I", "F")
_ORIENTATION = 0x0112  # EXIF tag
_LONGEST = 160  # letters of a decoder's own words
# What Pillow's decoders raise on damaged files, beside their own kinds of OSError and SyntaxError.
_BROKEN = (
    OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, ArithmeticError, RuntimeError, struct.error,
)  # fmt: skip
_HEADER_LOCK = threading.Lock()  # warnings.catch_warnings is not safe in threads, and images are opened in several

Convert = Callable[[Any], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What an encoded image says of itself."""

    height: int  # pixels, as stored: before any turning
    width: int
    orientation: int  # of EXIF, 1 to 8; 1 where nothing is said: shown as it is stored


@contextmanager
def decoded(data: bytes, convert: Convert) -> Iterator[Any]:
    """Give what `convert` makes of an encoded image, whose pixels are in memory no longer than this lasts.

    Args:
        data: the file.
        convert: takes the opened image, whose header was read and whose pixels were not, and decodes it; what fails in
            here is the image's fault.

    Raises:
        ImagesError: the image is no image, broken, too large, or deeper than 8 bits.
    """
    image = _opened(data)
    with decoding(image.width * image.height):
        try:
            made = convert(image)
        except _BROKEN as problem:
            raise ImagesError(f"is broken: {_words(problem)}") from None
        except MemoryError:
            raise ImagesError(f"needs more memory than there is ({image.width} x {image.height} pixels)") from None
        yield made


def in_mode(image: Any, mode: str) -> Any:
    """Return an image in "RGB" or "L", decoded; one that is so already is not copied."""
    image.load()
    return image if image.mode == mode else image.convert(mode)


def orientation_of(image: Any) -> int:
    """Return how an opened image is meant to be turned: 1 (not at all) to 8, by EXIF, or by XMP where it lacks that."""
    if image.format == "TIFF":  # Pillow turns these itself, as it decodes them
        return 1
    try:
        found = image.getexif().get(_ORIENTATION, 1)
    except _BROKEN:  # what is said of an image is damaged, not the image
        return 1
    return found if isinstance(found, int) and 1 <= found <= 8 else 1  # noqa: PLR2004 - there are eight


def holds_more(image: Any) -> bool:
    """Return whether a file holds further frames or pages; the further pictures of cameras' JPEGs serve the first."""
    try:
        return image.format != "MPO" and bool(getattr(image, "is_animated", False))
    except _BROKEN:  # what comes behind the first one is damaged
        return True


def upright(image: Any) -> Any:
    """Return an opened image turned as its orientation says, as Hugging Face's datasets do when they decode."""
    from PIL import Image

    turns = Image.Transpose
    ways = {
        2: turns.FLIP_LEFT_RIGHT,
        3: turns.ROTATE_180,
        4: turns.FLIP_TOP_BOTTOM,
        5: turns.TRANSPOSE,
        6: turns.ROTATE_270,
        7: turns.TRANSVERSE,
        8: turns.ROTATE_90,
    }
    way = ways.get(orientation_of(image))
    return image if way is None else image.transpose(way)


def stored(data: bytes) -> Stored:
    """Return what an encoded image says of itself.

    Raises:
        ImagesError: as `decoded`.
    """
    with decoded(data, _described) as found:
        said: Stored = found
        return said


def _described(image: Any) -> Stored:
    return Stored(height=image.height, width=image.width, orientation=orientation_of(image))


def _opened(data: bytes) -> Any:
    """Return an image whose header was read."""
    from PIL import Image, UnidentifiedImageError

    if not data:
        raise ImagesError("is empty")
    try:
        with _HEADER_LOCK, warnings.catch_warnings():
            formats = _readable_formats()
            warnings.simplefilter("ignore")  # Pillow talks of formats that it has no decoder for
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image: Image.Image = Image.open(io.BytesIO(data), formats=formats)
    except UnidentifiedImageError:
        raise ImagesError(_other_form(data)) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise ImagesError(f"is absurdly large (more than {LARGEST:,} pixels)") from None
    except _BROKEN as problem:
        raise ImagesError(f"is broken: {_words(problem)}") from None
    except MemoryError:
        raise ImagesError("needs more memory than there is") from None
    if image.width * image.height > LARGEST:
        raise ImagesError(f"is absurdly large: {image.width} x {image.height} pixels (allowed {LARGEST:,})")
    if image.mode in DEEP_MODES:
        raise ImagesError(
            f"has more than 8 bits a channel (mode {image.mode}); convert it to 8 bits as the model saw it"
        )
    return image


@functools.cache
def _readable_formats() -> tuple[str, ...]:
    """Return the formats that can be read here; take the decoders' own lines off stderr. Once in a process."""
    from PIL import Image, features

    try:
        import pillow_heif  # type: ignore[import-not-found, unused-ignore]  # an extra
    except ImportError:
        pass
    else:
        pillow_heif.register_heif_opener()
    Image.init()
    _silence_libtiff()
    logging.getLogger("PIL").addHandler(logging.NullHandler())  # or Python writes what nobody handles to stderr
    # Pillow knows the name of what it was built without; before 11.3 not even that.
    missing = () if "avif" in features.modules and features.check_module("avif") else ("AVIF",)
    return tuple(name for name in FORMATS if name in Image.OPEN and name not in missing)


def _silence_libtiff() -> None:
    """Take away the functions with which libtiff writes to stderr by itself; Pillow raises what matters."""
    from PIL import _imaging

    try:
        library = ctypes.CDLL(str(_imaging.__file__))
        for name in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
            handler = getattr(library, name)
            handler.argtypes, handler.restype = [ctypes.c_void_p], ctypes.c_void_p
            handler(None)
    except (OSError, AttributeError):  # a Pillow that keeps libtiff inside itself, as on Windows, or has none
        pass


# How files of other forms begin: place, bytes, what the reader is told, and the format that some Pillows read.
_OTHER_FORMS: tuple[tuple[int, bytes, str, str], ...] = (
    *(
        (4, b"ftyp" + brand, "is an AVIF image, which this Pillow does not read: pip install 'pillow>=11.3'", "AVIF")
        for brand in (b"avif", b"avis")
    ),
    *(
        (4, b"ftyp" + brand, "is a HEIC image, which needs pillow-heif: pip install pillow-heif, or convert it", "HEIF")
        for brand in (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")
    ),
    (0, b"version https://git-lfs", "is a Git LFS pointer, not the image itself: fetch it with git lfs pull", ""),
    (0, b"\xff\x0a", "is a JPEG XL image: convert it to PNG", ""),
    (4, b"JXL \r\n", "is a JPEG XL image: convert it to PNG", ""),
    (4, b"jP  \r\n", "is a JPEG 2000 image: convert it to PNG", ""),
    (0, b"<", "is text (HTML or XML), not an image", ""),
    (0, b"http", "is an address, not an image: download it first", ""),
)


def _other_form(data: bytes) -> str:
    """Return why a file that Pillow does not know is none of its images."""
    for place, start, words, form in _OTHER_FORMS:
        if data[place : place + len(start)].lower() == start.lower() and form not in _readable_formats():
            return words
    return f"is not an image in {', '.join(_readable_formats())}"


def _words(problem: BaseException) -> str:
    """Return a decoder's own words in one short line."""
    return " ".join(str(problem).split())[:_LONGEST] or type(problem).__name__
