"""A model that gives back what it is shown, and a source of pictures with numbers for pixels."""

import io
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from typing import Any

import numpy as np
import onnx
from PIL import Image

from onnxmint.engine.probe import Probe
from onnxmint.engine.session import choose_device
from onnxmint.images.chosen import Images, Part
from onnxmint.images.entries import EncodedImage, ImageEntry
from onnxmint.preprocess.spec import PreprocessSpec

SAME = """
<ir_version: 8, opset_import: ["" : 17]>
same (uint8[N,2,2,1] image) => (float[N,2,2,1] value) { value = Cast <to=1> (image) }
"""
DAMAGED = 13


def probe(*, batch_size: int = 4, **options: Any) -> Probe:
    """Return what asks for the pixels again, as column "value"."""
    return Probe(
        model=onnx.parser.parse_model(SAME).SerializeToString(),
        columns=(("value", "value"),),
        spec=PreprocessSpec(name="as they are", size=(2, 2), channels="gray"),
        device=choose_device("cpu"),
        batch_size=batch_size,
        **options,
    )


def picture(level: int) -> bytes:
    """Return a PNG of one level; the one that is DAMAGED cannot be decoded."""
    room = io.BytesIO()
    Image.fromarray(np.full((2, 2), level, np.uint8)).save(room, "PNG")
    return room.getvalue()[:40] if level == DAMAGED else room.getvalue()


class Numbers:
    """A source whose image k is of level k."""

    location = "numbers"
    classes = None

    def __init__(self, count: int, unreadable: tuple[int, ...] = ()) -> None:
        self.count, self.unreadable = count, unreadable

    def entries(self) -> tuple[ImageEntry, ...]:
        return tuple(
            ImageEntry(index=index, path=f"{index}.png", label=None, group=None) for index in range(self.count)
        )

    def read(self, wanted: AbstractSet[int] | None = None) -> Iterator[EncodedImage]:
        for index in range(self.count):
            if wanted is None or index in wanted:
                gone = index in self.unreadable
                yield EncodedImage(
                    index=index,
                    path=f"{index}.png",
                    data=None if gone else picture(index),
                    error="gone" if gone else None,
                )


def all_of(source: Numbers, *, first_row: int = 0, count: int | None = None) -> Images:
    """Return all images of a source, from some row of a table on."""
    row = np.arange(source.count) + first_row
    part = Part(name="numbers", source=source, index=np.arange(source.count), row=row, label=None)
    return Images(parts=(part,), count=source.count + first_row if count is None else count)
