"""Mutated images in every format that is read, decoded under declared preprocessings and looked at for their facts."""

import io
import random
import struct
import zlib
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from damage import flipped
from judging import hidden_in, wrong_message
from PIL import Image
from trial import Trial

from onnxmint.images.entries import EncodedImage, ImageEntry
from onnxmint.images.facts import ImageFacts, look_at
from onnxmint.preprocess.decoding import decode
from onnxmint.preprocess.spec import PreprocessSpec
from onnxmint.progress import quiet

_FORMS = {
    "JPEG": ("RGB", "L", "CMYK"), "PNG": ("RGB", "RGBA", "P", "L", "LA", "1", "I;16"), "WEBP": ("RGB", "RGBA"),
    "GIF": ("P", "L"), "TIFF": ("RGB", "CMYK", "1", "L", "P", "I;16", "F"), "BMP": ("RGB", "L", "P", "1"),
    "PPM": ("RGB", "L", "1", "I;16"), "AVIF": ("RGB", "RGBA"), "ICO": ("RGBA",), "MPO": ("RGB",), "SGI": ("RGB",),
}  # fmt: skip
_OPTIONS: dict[str, tuple[dict[str, Any], ...]] = {
    "JPEG": ({}, {"progressive": True}, {"quality": 5, "subsampling": 2}, {"dpi": (300, 300), "comment": b"\x1b[31m"}),
    "PNG": ({}, {"optimize": True}, {"save_all": True}),
    "WEBP": ({}, {"lossless": True}),
    "TIFF": ({}, *({"compression": name} for name in ("tiff_lzw", "jpeg", "tiff_deflate", "packbits"))),
    "GIF": ({}, {"save_all": True, "loop": 0}),
}
_SPECS = tuple(
    PreprocessSpec(
        name="t", size=size, resize=how, crop=(8, 8), orientation=turn, transparency=on, resampler=by, pad=(0,),
        channels=colours
    )
    for turn in ("apply", "ignore")
    for on in ("drop", "white")
    for by in ("pillow", "torch", "no-antialias")
    for how, size in (("shortest", (8, 8)), ("cover", (9, 9)))
    for colours in ("rgb", "gray")
)  # fmt: skip
_MAGIC = (0, 1, 2, 127, 128, 254, 255)


class _OneImage:
    """A source of one image in memory."""

    location, classes, numbering, passed_over, notes = "memory", None, None, (), ()

    def __init__(self, data: bytes) -> None:
        self._data = data

    def entries(self) -> tuple[ImageEntry, ...]:
        return (ImageEntry(index=0, path="image", label=None, group=None),)

    def read(self, wanted: AbstractSet[int] | None = None) -> Iterator[EncodedImage]:
        if wanted is None or 0 in wanted:
            yield EncodedImage(index=0, path="image", data=self._data)


class Images:
    """Mutated images."""

    name, share = "images", 0.15

    def __init__(self) -> None:
        """Know none yet."""
        self._made: list[tuple[str, bytes]] = []

    def prepare(self, work: Path) -> None:
        """Draw images and save them in all formats and modes."""
        rng = random.Random(0)
        drawn = Image.frombytes("RGB", (31, 24), rng.randbytes(31 * 24 * 3))
        exif = Image.Exif()
        exif[0x0112], exif[0x010F], exif[0x9286] = 6, "maker", "comment"
        for form, modes in _FORMS.items():
            for mode in modes:
                for options in (*_OPTIONS.get(form, ({},)), {"exif": exif}):
                    data = _saved(drawn, form, mode, options)
                    if data:
                        self._made.append((form, data))
        self._made += [("bomb", made) for made in _bombs()]

    def case(self, trial: Trial, rng: random.Random) -> None:
        """Change an image, decode it and look at it."""
        form, data = rng.choice(self._made)
        spec = rng.choice(_SPECS)
        trial.marks.append(form)
        if rng.random() < 0.05 and form in _ADDED:
            trial.marks.append("harmless")
            made = _ADDED[form](data)
            first, second = (trial.call(decode, one, spec) for one in (data, made))
            if first is not None or second is not None:
                trial.same(_digest(second), _digest(first), "pixels of an image with more beside them")
            return
        made = _mutated(form, data, rng)
        pixels = trial.call(decode, made, spec)
        if pixels is not None:
            trial.marks.append("decoded")
            trial.same(pixels.shape, (8, 8, 1 if spec.channels == "gray" else 3), "shape of decoded pixels")
        facts = trial.call(partial(look_at, _OneImage(made), stage=quiet, name="images", threads=1), wanted={0})
        if isinstance(facts, ImageFacts):
            trial.same(len(facts.index) + len(facts.unreadable), 1, "an image is neither read nor refused")
            for reason in (one.reason for one in facts.unreadable):
                if wrong := (wrong_message(reason) or hidden_in(reason)):
                    trial.found(
                        "defect" if "U+" not in wrong else "fine",
                        "reason of an unreadable image",
                        f"{wrong}: {reason[:200]}",
                    )


def _digest(pixels: Any) -> str:
    return "none" if pixels is None else f"{pixels.shape} {zlib.crc32(np.ascontiguousarray(pixels).tobytes())}"


def _saved(drawn: Image.Image, form: str, mode: str, options: dict[str, Any]) -> bytes | None:
    if options.get("compression") == "jpeg" and mode not in ("RGB", "L", "CMYK"):
        return None  # libtiff would say so on the terminal
    image = drawn.convert("I").convert("I;16") if mode == "I;16" else drawn.convert(mode)
    room = io.BytesIO()
    try:
        image.save(room, form, **options)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # the format lacks the mode or the option
        return None
    return room.getvalue()


def _mutated(form: str, data: bytes, rng: random.Random) -> bytes:
    how = rng.random()
    if how < 0.35:
        made = bytearray(data)
        for _ in range(rng.randrange(1, 8)):
            at = rng.randrange(len(made) if rng.random() < 0.5 else min(len(made), 120))
            made[at] = rng.choice([*_MAGIC, rng.randrange(256)])
        made = made[: rng.randrange(1, len(made) + 1)] if rng.random() < 0.2 else made
        data = bytes(made)
    elif how < 0.55:
        data = flipped(data, rng)
    elif how < 0.75:
        at, size = rng.randrange(len(data)), rng.choice([1, 2, 4])
        number = rng.choice([0, 1, 2**16 - 1, 2**31 - 1, 2**32 - 1, 50_000, 7000])
        piece = (number & (256**size - 1)).to_bytes(size, rng.choice(["little", "big"]))
        data = data[:at] + piece + data[at + size :]
    elif how < 0.85:
        data = data[: rng.randrange(1, len(data) + 1)]
    if form == "PNG" or data[:4] == b"\x89PNG":
        data = _mended(data) if rng.random() < 0.8 else data
    return data


def _mended(data: bytes) -> bytes:
    """Return a PNG with its checksums made right again, so that what is behind them is met."""
    made, at = bytearray(data[:8]), 8
    while at + 12 <= len(data):
        size = struct.unpack(">I", data[at : at + 4])[0]
        body = data[at + 4 : at + 8 + size]
        made += data[at : at + 4] + body + struct.pack(">I", zlib.crc32(body))
        at += 12 + size
    return bytes(made + data[at:])


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _bombs() -> list[bytes]:
    """Return small files that claim, or unfold to, a lot."""
    head = b"\x89PNG\r\n\x1a\n"
    rows = zlib.compress(bytes(7001 * 7000), 9)
    made = [
        head
        + _chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
        + _chunk(b"IDAT", rows)
        + _chunk(b"IEND", b"")
        for side in (7000, 50_000, 2**31 - 1)
    ]
    text = zlib.compress(bytes(80_000_000), 9)
    small = head + _chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 4, 8, 0, 0, 0, 0))
    end = _chunk(b"IDAT", zlib.compress(bytes(20))) + _chunk(b"IEND", b"")
    made += [small + _chunk(b"zTXt", b"a\x00\x00" + text) * 3 + end, small + _chunk(b"iCCP", b"a\x00\x00" + text) + end]
    room = io.BytesIO()
    frames = [Image.new("P", (4, 4), number % 256) for number in range(500)]
    frames[0].save(room, "GIF", save_all=True, append_images=frames[1:])
    return [*made, room.getvalue()]


_ADDED = {  # what can be added to an image of a form without changing its pixels
    "PNG": lambda data: data[:33] + _chunk(b"tEXt", b"Comment\x00\x1b[31mtext") + data[33:] + b"trailing",
    "JPEG": lambda data: data[:2] + b"\xff\xfe\x00\x09comment" + data[2:] + b"trailing",
    "BMP": lambda data: data + b"trailing",
    "PPM": lambda data: data + b"\n",
}
