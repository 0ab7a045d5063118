"""Images that a caller hands over, as rows of an Arrow table, as files or as pixels: one after the other, none lost."""

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from onnxmint.errors import ImagesError, UsageError
from onnxmint.images.columns import find_columns, shown_name
from onnxmint.images.entries import EncodedImage, ImageEntry, too_large
from onnxmint.images.files import FileSource
from onnxmint.images.selection import Reading, Selection

_TABLE = "the table"  # in messages
_GRAY, _COLOUR = 2, 3  # axes of pixels
_CHANNELS = (1, 3, 4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """Images of a table.

    Attributes:
        image: the column that holds them; None where there are only paths.
        path: a column of paths, None without one.
    """

    image: str | None
    path: str | None

    def read(self, part: Any) -> Iterator[EncodedImage]:
        """Yield an image a row of a record batch; one that cannot be read carries its reason."""
        if self.image is None:
            yield from read_files([value or "" for value in part.column(self.path).to_pylist()])
            return
        for row, value in enumerate(part.column(self.image)):
            held = value.as_py()
            data, path = (held["bytes"], held.get("path")) if isinstance(held, dict) else (held, None)
            error = "has no bytes" if data is None else too_large(len(data))
            yield EncodedImage(
                index=row,
                path=shown_name(path) or "",
                data=None if error else data,
                error=error,
            )


def images_of(schema: Any) -> Given:
    """Return where the images of a table are: a column of bytes as in Hugging Face's datasets, else paths of files.

    Raises:
        ImagesError: there is neither.
    """
    place = Selection(words=_TABLE, path=Path(_TABLE))
    path = "path" if "path" in schema.names and "string" in str(schema.field("path").type) else None
    try:
        columns = find_columns(place.path, schema, place, Reading(labels=False))
    except ImagesError:
        if path is None:
            raise
        return Given(image=None, path=path)
    return Given(image=columns.image, path=path)


def read_files(paths: Iterable[str | Path]) -> Iterator[EncodedImage]:
    """Yield the images of some files."""
    files = [Path(path) for path in paths]
    entries = (ImageEntry(index=row, path=str(file), label=None, group=None) for row, file in enumerate(files))
    return FileSource("", files, tuple(entries)).read()


def read_pixels(images: Sequence[Any] | np.ndarray) -> Iterator[EncodedImage]:
    """Yield images that are pixels already, as files without loss would hold them.

    Raises:
        UsageError: they are not (H, W) or (H, W, C) uint8.
    """
    from PIL import Image

    for row, image in enumerate(images):
        pixels = np.asarray(image)
        if pixels.ndim == _COLOUR and pixels.shape[2] == 1:
            pixels = pixels[:, :, 0]
        flat = pixels.ndim == _GRAY or (pixels.ndim == _COLOUR and pixels.shape[2] in _CHANNELS)
        if pixels.dtype != np.uint8 or not flat or not pixels.size:
            raise UsageError(
                f"image {row} is {pixels.dtype} of shape {list(pixels.shape)}; give uint8 pixels from 0 to 255 of "
                "shape (height, width) or (height, width, channels), red first"
            )
        room = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(pixels)).save(room, "PNG", compress_level=1)
        yield EncodedImage(index=row, path=f"image {row}", data=room.getvalue())
