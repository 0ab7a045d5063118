"""Thumbnails of the questioned images at both ends of the scores, for a reader who knows the pictures by sight."""

import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from onnxmint.errors import ImagesError
from onnxmint.images.entries import EncodedImage, ImageSource
from onnxmint.images.pillow import decoded, in_mode, upright
from onnxmint.images.sources import open_source
from onnxmint.results.audit import ScoreTable
from onnxmint.results.pictures import LARGEST, SIDE, Picture, Pictures, both_ends

_QUALITIES = (80, 60, 40, 20, 5)
_SMALLER = 2  # times, where even the poorest quality takes too many bytes


def picture(images: str | Path | Sequence[str | Path], scores: ScoreTable) -> Pictures:
    """Return thumbnails of the images with the highest and the lowest scores.

    Nothing but pixels is kept of an image: no place, no camera, no date. One that cannot be read any more is left out.

    Args:
        images: the place or places that were judged.
        scores: of the images in it.

    Raises:
        ImagesError: a place is gone.
    """
    most, least = both_ends(scores)
    rows = [*most.tolist(), *least.tolist()]
    made = _thumbnails(open_source(images, labels=False), {scores.path[row] for row in rows})

    def of(chosen: Iterable[int]) -> tuple[Picture, ...]:
        return tuple(Picture(row=row, data=made[scores.path[row]]) for row in chosen if scores.path[row] in made)

    return Pictures(most=of(most.tolist()), least=of(least.tolist()))


def _thumbnails(source: ImageSource, paths: set[str]) -> dict[str, bytes]:
    """Return a thumbnail for each path that can be read."""
    wanted = {entry.index for entry in source.entries() if entry.path in paths}
    made: dict[str, bytes] = {}
    for image in source.read(wanted):
        thumbnail = _thumbnail(image)
        if thumbnail is not None:
            made[image.path] = thumbnail
    return made


def _thumbnail(image: EncodedImage) -> bytes | None:
    """Return a small WebP image, None where it cannot be read or made small enough."""
    if image.data is None:
        return None
    try:
        with decoded(image.data, _small) as found:
            for size in (SIDE, SIDE // _SMALLER):
                found.thumbnail((size, size))
                for quality in _QUALITIES:
                    data = _encoded(found, quality)
                    if len(data) <= LARGEST:
                        return data
    except ImagesError:
        return None
    return None


def _small(image: Any) -> Any:
    """Return a copy without anything but pixels, upright, on white."""
    from PIL import Image

    shown = upright(image)
    if "A" in shown.getbands() or "transparency" in shown.info:
        over = shown.convert("RGBA")
        shown = Image.alpha_composite(Image.new("RGBA", over.size, "white"), over)
    pixels = in_mode(shown, "RGB")
    pixels.thumbnail((SIDE, SIDE))
    bare = Image.new("RGB", pixels.size)
    bare.paste(pixels)
    return bare


def _encoded(image: Any, quality: int) -> bytes:
    out = io.BytesIO()
    image.save(out, "WEBP", quality=quality, method=4)
    return out.getvalue()
