"""Some of the images of a source, as a source of their own."""

from collections.abc import Hashable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace

from onnxmint.images.entries import EncodedImage, ImageEntry, ImageSource
from onnxmint.images.passed import PassedOver, note_of


class SubsetSource:
    """Images that were chosen of a source; what else it says is said of them."""

    def __init__(self, source: ImageSource, place: Sequence[int], left: tuple[PassedOver, ...] = ()) -> None:
        """Number the chosen images anew.

        Args:
            source: all images.
            place: of the chosen ones among them, ascending.
            left: why others were left out, where a reader has to know.
        """
        self._source, self._place = source, tuple(place)
        self._entries = tuple(replace(source.entries()[place], index=index) for index, place in enumerate(self._place))
        self.location, self.numbering, self.classes = source.location, source.numbering, source.classes
        self.passed_over = (*source.passed_over, *left)
        self.notes = (*source.notes, *note_of(source.location, left))

    def entries(self) -> tuple[ImageEntry, ...]:
        """List the images."""
        return self._entries

    def origins(self) -> tuple[Hashable, ...]:
        """Return where the bytes of each image lie."""
        origins = self._source.origins()
        return tuple(origins[place] for place in self._place)

    def read(self, wanted: AbstractSet[int] | None = None) -> Iterator[EncodedImage]:
        """Yield the wanted images (all for None) in index order."""
        at = {self._source.entries()[place].index: index for index, place in enumerate(self._place)}
        chosen = {place for place, index in at.items() if wanted is None or index in wanted}
        for image in self._source.read(chosen):
            yield replace(image, index=at[image.index])
