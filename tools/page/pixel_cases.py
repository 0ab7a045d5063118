"""Image files for the page, and what onnxmint makes of them: pixels, hashes, every preparation that the page knows."""

import base64
import hashlib
import io
import struct
import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageCms, PngImagePlugin

from onnxmint.errors import ImagesError
from onnxmint.images.entries import EncodedImage, ImageEntry
from onnxmint.images.facts import look_at
from onnxmint.preprocess.decoding import decode
from onnxmint.preprocess.spec import PreprocessSpec
from onnxmint.progress import quiet
from onnxmint.results.json import Facts

SPECS: dict[str, PreprocessSpec] = {
    "native": PreprocessSpec(name="native"),
    "squash": PreprocessSpec(name="squash", size=(32, 32), resize="squash"),
    "shortest": PreprocessSpec(name="shortest", size=(24, 24), resize="shortest", filter="bicubic", crop=(24, 24)),
    "cover": PreprocessSpec(
        name="cover", size=(30, 21), resize="cover", filter="lanczos", crop=(30, 21), crop_rule="transformers"
    ),
    "longest": PreprocessSpec(
        name="longest", size=(33, 33), resize="longest", filter="hamming", crop=(33, 33), pad=(7,),
        crop_rule="transformers-fast",
    ),
    "colours": PreprocessSpec(
        name="colours", size=(40, 28), resize="longest", filter="bicubic", crop=(41, 29), pad=(10, 200, 90),
        crop_rule="transformers",
    ),
    "needed": PreprocessSpec(name="needed", size=(32, 32), filter="box"),
    "nearest": PreprocessSpec(name="nearest", size=(17, 23), resize="squash", filter="nearest"),
    "crop": PreprocessSpec(name="crop", crop=(27, 30), resize="none", pad=(0,)),
    "small": PreprocessSpec(name="small", crop=(64, 64), resize="none"),
    "gray": PreprocessSpec(name="gray", size=(28, 28), resize="squash", channels="gray"),
    "large": PreprocessSpec(name="large", size=(224, 224), resize="squash", filter="lanczos"),
    "torch": PreprocessSpec(name="torch", size=(24, 24), resize="shortest", crop=(24, 24), resampler="torch"),
    "torch bicubic": PreprocessSpec(
        name="torch bicubic", size=(45, 50), resize="squash", filter="bicubic", resampler="torch"
    ),
    "torch lanczos": PreprocessSpec(
        name="torch lanczos", size=(31, 26), resize="squash", filter="lanczos", resampler="torch"
    ),
    "torch nearest": PreprocessSpec(
        name="torch nearest", size=(17, 23), resize="squash", filter="nearest", resampler="torch", channels="gray"
    ),
    "no antialias": PreprocessSpec(name="no antialias", size=(29, 44), resize="squash", resampler="no-antialias"),
    "white": PreprocessSpec(name="white", size=(28, 28), transparency="white", channels="bgr"),
    "upright": PreprocessSpec(name="upright", orientation="apply"),
    "upright white": PreprocessSpec(
        name="upright white", size=(24, 24), resize="shortest", crop=(24, 24), transparency="white",
        orientation="apply", channels="gray",
    ),
}  # fmt: skip
FIELDS = (
    "size", "resize", "filter", "resampler", "crop", "crop_rule", "pad", "channels", "transparency", "orientation",
)  # fmt: skip
"""Of a preparation what the page does; the rest is in the auditor's graph."""
PAGE_ALONE = frozenset({"TIFF", "PPM", "16 bits of colour", "GIF transparent"})
"""Kinds that Python reads and the page refuses, each with its reason."""
UPRIGHT_ALONE = frozenset({"PNG turned in packed words"})
"""Kinds that the page refuses where it would have to turn them."""


def picture(seed: int, height: int, width: int) -> np.ndarray:
    """Return (height, width, 3) levels that are smooth here and sharp there, as in photographs."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (max(2, height // 8), max(2, width // 8), 3)).astype(np.uint8)
    smooth = np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)).astype(np.int64)
    noise = rng.integers(-12, 13, (height, width, 3))
    noise[height // 3 : height // 2] *= 8
    return np.clip(smooth + noise, 0, 255).astype(np.uint8)


def _saved(image: Image.Image, form: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def _deep(colour: int, width: int = 8) -> bytes:
    """Return a PNG of 16 bits a channel, of gray (0) or of colours (2)."""
    line = b"\x00" + bytes(range(width * 2 * (3 if colour else 1)))

    header = struct.pack(">IIBBBBB", width, 2, 16, colour, 0, 0, 0)
    return _png(header, zlib.compress(line * 2))


def _png(header: bytes, data: bytes) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def files() -> Iterator[tuple[str, bytes]]:
    """Yield 111 files with the kind that each is of."""
    for seed, (height, width) in enumerate([(32, 32), (32, 32), (28, 28), (96, 64), (61, 97), (150, 200), (9, 40)]):
        image = Image.fromarray(picture(seed, height, width))
        yield from _of(image, f"{height}x{width}")
    yield from _odd(Image.fromarray(picture(50, 40, 36)))
    yield from _damaged(Image.fromarray(picture(60, 32, 32)))
    yield from _turned(Image.fromarray(picture(70, 26, 35)))
    yield from _transparent(Image.fromarray(picture(80, 30, 30)))


def _of(image: Image.Image, name: str) -> Iterator[tuple[str, bytes]]:
    yield f"PNG {name}", _saved(image, "PNG")
    for subsampling in (0, 1, 2):
        yield f"JPEG {name} subsampling {subsampling}", _saved(image, "JPEG", quality=85, subsampling=subsampling)
    yield f"JPEG {name} progressive", _saved(image, "JPEG", quality=60, progressive=True)
    yield f"WEBP {name} lossy", _saved(image, "WEBP", quality=70)
    yield f"WEBP {name} lossless", _saved(image, "WEBP", lossless=True)
    yield f"JPEG {name} gray", _saved(image.convert("L"), "JPEG", quality=90)


def _odd(image: Image.Image) -> Iterator[tuple[str, bytes]]:
    alpha = image.copy()
    alpha.putalpha(Image.fromarray(picture(51, 40, 36)[:, :, 0]))
    palette, exif = image.quantize(60), Image.Exif()
    exif[0x0112] = 6
    made = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    profile = made[:24] + bytes(12) + made[36:]  # without the time at which it was made
    yield "PNG gray", _saved(image.convert("L"), "PNG")
    yield "PNG one bit", _saved(image.convert("1"), "PNG")
    yield "PNG palette", _saved(palette, "PNG")
    yield "PNG palette transparent", _saved(palette, "PNG", transparency=3)
    yield "PNG alpha", _saved(alpha, "PNG")
    yield "PNG gray alpha", _saved(alpha.convert("LA"), "PNG")
    yield "PNG ICC", _saved(image, "PNG", icc_profile=profile)
    yield "PNG turned", _saved(image, "PNG", exif=exif)
    yield "PNG 2 bits", _saved(image.quantize(4), "PNG", bits=2)
    yield "PNG optimised", _saved(image, "PNG", optimize=True)
    yield "JPEG turned", _saved(image, "JPEG", exif=exif, quality=90)
    yield "JPEG ICC", _saved(image, "JPEG", icc_profile=profile, quality=90)
    yield "JPEG restarts", _saved(image, "JPEG", quality=80, restart_marker_rows=1)
    yield "JPEG CMYK", _saved(image.convert("CMYK"), "JPEG", quality=95)
    yield "WEBP alpha", _saved(alpha, "WEBP", lossless=True, exact=True)
    yield "WEBP alpha lossy", _saved(alpha, "WEBP", quality=60)
    yield "WEBP turned", _saved(image, "WEBP", exif=exif, lossless=True)
    yield "WEBP ICC", _saved(image, "WEBP", icc_profile=profile, lossless=True)
    yield "BMP", _saved(image, "BMP")
    yield "BMP palette", _saved(palette, "BMP")
    yield "BMP gray", _saved(image.convert("L"), "BMP")
    yield "GIF", _saved(palette, "GIF")
    yield "GIF transparent", _saved(palette, "GIF", transparency=2)
    yield "TIFF", _saved(image, "TIFF")
    yield "PPM", _saved(image, "PPM")
    yield "16 bits of gray", _deep(0)
    yield "16 bits of colour", _deep(2)


def _damaged(image: Image.Image) -> Iterator[tuple[str, bytes]]:
    jpeg, png, webp = _saved(image, "JPEG"), _saved(image, "PNG"), _saved(image, "WEBP")
    yield "empty", b""
    yield "text", b"<html>no image</html>"
    yield "JPEG truncated", jpeg[: len(jpeg) * 3 // 4]
    yield "JPEG without its end", jpeg[:-2]
    yield "JPEG header only", jpeg[:20]
    yield "JPEG with more behind", jpeg + b"some words"
    yield "PNG truncated", png[: len(png) // 2]
    yield "PNG header only", png[:20]
    yield "PNG damaged", png[:60] + bytes([png[60] ^ 255]) + png[61:]
    yield "WEBP truncated", webp[: len(webp) // 2]
    yield "too large", _png(struct.pack(">IIBBBBB", 20000, 20000, 8, 2, 0, 0, 0), b"")
    yield "BMP truncated", _saved(image, "BMP")[:20]


def _turned(image: Image.Image) -> Iterator[tuple[str, bytes]]:
    """Yield one image turned in all ways, and by every form of saying so."""
    for turn in (2, 3, 4, 5, 7, 8):
        yield f"JPEG turned {turn}", _saved(image, "JPEG", quality=90, exif=_exif(turn))
    # A number of four bytes, the largest first, in place of one of two.
    long = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x04\0\0\0\x01\0\0\0\x06\0\0\0\0"
    words = b'<x:xmpmeta><rdf:Description tiff:Orientation="8"/></x:xmpmeta>'
    packed = PngImagePlugin.PngInfo()
    packed.add_itxt("XML:com.adobe.xmp", words.decode(), zip=True)
    plain = PngImagePlugin.PngInfo()
    plain.add_itxt("XML:com.adobe.xmp", words.decode())
    yield "JPEG turned by a long number", _saved(image, "JPEG", quality=90, exif=long)
    yield "JPEG turned by no turn", _saved(image, "JPEG", quality=90, exif=_exif(9))
    yield "JPEG turned in words", _saved(image, "JPEG", quality=90, xmp=words)
    yield "PNG turned in words", _saved(image, "PNG", pnginfo=plain)
    yield "PNG turned in packed words", _saved(image, "PNG", pnginfo=packed)
    yield "WEBP turned in words", _saved(image, "WEBP", lossless=True, xmp=words)


def _exif(turn: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = turn
    return exif


def _transparent(image: Image.Image) -> Iterator[tuple[str, bytes]]:
    """Yield images of which one colour, or parts of the palette, are transparent; and one turned as well."""
    gray, palette, faint = image.convert("L"), image.quantize(30), image.copy()
    faint.putalpha(Image.fromarray(np.arange(900, dtype=np.uint32).reshape(30, 30).astype(np.uint8)))
    yield "PNG one colour transparent", _saved(image, "PNG", transparency=image.getpixel((3, 4)))
    yield "PNG one gray transparent", _saved(gray, "PNG", transparency=gray.getpixel((5, 6)))
    yield "PNG palette of many alphas", _saved(palette, "PNG", transparency=bytes(range(0, 240, 8)))
    yield "PNG alpha turned", _saved(faint, "PNG", exif=_exif(6))


class _One:
    """A source of one image."""

    location, numbering, classes, passed_over, notes = "here", None, None, (), ()

    def __init__(self, data: bytes) -> None:
        self._data = data

    def entries(self) -> tuple[ImageEntry, ...]:
        return (ImageEntry(index=0, path="it", label=None, group=None),)

    def origins(self) -> tuple[int, ...]:
        return (0,)

    def read(self, _: object = None) -> Iterator[EncodedImage]:
        yield EncodedImage(index=0, path="it", data=self._data)


def answer(data: bytes) -> Facts:
    """Return what onnxmint makes of a file: hashes, and the SHA-256 of every preparation or why there is none."""
    made: Facts = {}
    for name, spec in SPECS.items():
        try:
            pixels = decode(data, spec)
            made[name] = {"shape": list(pixels.shape), "sha256": hashlib.sha256(pixels.tobytes()).hexdigest()}
        except ImagesError as problem:
            made[name] = {"refused": str(problem)}
    facts = look_at(_One(data), wanted={0}, stage=quiet, name="", threads=1)
    if facts.unreadable:
        return {"refused": facts.unreadable[0].reason, "made": made}
    return {
        "turned": facts.turned,
        "digest": f"{int(facts.digest[0]):016x}",
        "phash": f"{int(facts.phash[0]):016x}",
        "thumb": facts.thumb[0].tobytes().hex(),
        "made": made,
    }


def written() -> Facts:
    """Return all files with their answers, as they lie in vectors/images.json."""
    specs = {name: {field: getattr(spec, field) for field in FIELDS} for name, spec in SPECS.items()}
    listed = [
        {
            "name": name,
            "data": base64.b64encode(data).decode(),
            "page_alone": name in PAGE_ALONE,
            "upright_alone": name in UPRIGHT_ALONE,
            "answer": answer(data),
        }
        for name, data in files()
    ]
    return {"specs": specs, "files": listed}
