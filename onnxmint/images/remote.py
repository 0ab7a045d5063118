"""Images of a store: the same sources, and what asking it again has cost is told with them."""

from collections.abc import Hashable, Iterator, Sequence
from collections.abc import Set as AbstractSet

from onnxmint.images.classes import Numbering
from onnxmint.images.entries import EncodedImage, ImageEntry, ImageSource
from onnxmint.images.passed import PassedOver
from onnxmint.places.calls import TRIES


class RemoteSource:
    """A source of a store."""

    def __init__(self, source: ImageSource, place: str) -> None:
        """Keep the source of a place, as that is shown."""
        self._source, self._place = source, place
        self._before = TRIES.of(place)

    @property
    def location(self) -> str:
        """Return where it is."""
        return self._source.location

    @property
    def classes(self) -> tuple[str, ...] | None:
        """Return the names of the classes."""
        return self._source.classes

    @property
    def numbering(self) -> Numbering | None:
        """Return the number of each class name."""
        return self._source.numbering

    @property
    def passed_over(self) -> tuple[PassedOver, ...]:
        """Return what is not among the images."""
        return self._source.passed_over

    @property
    def notes(self) -> tuple[str, ...]:
        """Return what a user has to read, the number of repeated calls until now among it."""
        often = TRIES.of(self._place) - self._before
        if not often:
            return self._source.notes
        return (*self._source.notes, f"{often:,} calls to {self._place} failed, and were repeated until they did not.")

    def entries(self) -> Sequence[ImageEntry]:
        """List the images."""
        return self._source.entries()

    def origins(self) -> Sequence[Hashable]:
        """Return where the bytes of each image lie."""
        return self._source.origins()

    def read(self, wanted: AbstractSet[int] | None = None) -> Iterator[EncodedImage]:
        """Yield the wanted images in index order."""
        return self._source.read(wanted)
