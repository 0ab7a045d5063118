"""A source of images that are in memory."""

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet

from onnxmint.images.entries import EncodedImage, ImageEntry


class InMemory:
    """Encoded images, with labels where they are given."""

    classes = None

    def __init__(self, encoded: Sequence[bytes], labels: Sequence[int] | None = None, location: str = "memory") -> None:
        self.encoded, self.labels, self.location = encoded, labels, location

    def entries(self) -> tuple[ImageEntry, ...]:
        return tuple(
            ImageEntry(
                index=row, path=f"{self.location}/{row}", label=None if self.labels is None else self.labels[row],
                group=None,
            )
            for row in range(len(self.encoded))
        )  # fmt: skip

    def read(self, wanted: AbstractSet[int] | None = None) -> Iterator[EncodedImage]:
        for row, data in enumerate(self.encoded):
            if wanted is None or row in wanted:
                yield EncodedImage(index=row, path=f"{self.location}/{row}", data=data)
