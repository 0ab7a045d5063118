"""Some of the images of a source, as a source of their own."""

from collections.abc import Hashable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from onnxmint.images.entries import EncodedImage, ImageEntry, ImageSource
from onnxmint.images.listing import Listed, Listing
from onnxmint.images.passed import PassedOver, note_of


class SubsetSource:
    """Images that were chosen of a source; what else it says is said of them."""

    def __init__(
        self, source: ImageSource, place: Sequence[int] | NDArray[np.int64], left: tuple[PassedOver, ...] = ()
    ) -> None:
        """Number the chosen images anew.

        Args:
            source: all images.
            place: of the chosen ones among them, ascending.
            left: why others were left out, where a reader has to know.
        """
        every = source.entries()
        self._source, self._place = source, np.array(place, np.int64)
        chosen = (every[at] for at in self._place.tolist())
        self._entries = Listing(Listed(one.path, one.label, one.group) for one in chosen)
        self.location, self.numbering, self.classes = source.location, source.numbering, source.classes
        self.passed_over = (*source.passed_over, *left)
        self.notes = (*source.notes, *note_of(source.location, left))

    def entries(self) -> Sequence[ImageEntry]:
        """List the images."""
        return self._entries

    def origins(self) -> Sequence[Hashable]:
        """Return where the bytes of each image lie."""
        origins = self._source.origins()
        return tuple(origins[place] for place in self._place.tolist())

    def read(self, wanted: AbstractSet[int] | None = None) -> Iterator[EncodedImage]:
        """Yield the wanted images (all for None) in index order."""
        count = len(self._place)
        index = sorted(range(count) if wanted is None else (at for at in wanted if 0 <= at < count))
        place = self._place[np.array(index, np.int64)].tolist()
        at = dict(zip(place, index, strict=True))
        for image in self._source.read(at.keys()):
            yield replace(image, index=at[image.index])
