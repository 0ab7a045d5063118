"""Some images of a source, as a source: what is not drawn is counted."""

from collections.abc import Hashable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from onnxmint.images.classes import Numbering
from onnxmint.images.entries import EncodedImage, ImageEntry, ImageSource
from onnxmint.images.passed import PassedOver


@dataclass(frozen=True, slots=True, kw_only=True)
class SampledSource:
    """The entries of a source that were drawn, at their positions in it.

    Attributes:
        source: all of them.
        drawn: positions of those that count.
        why: the others were not drawn, in words that follow that.
    """

    source: ImageSource
    drawn: frozenset[int]
    why: str

    @property
    def location(self) -> str:
        """Return where it is, as the user wrote it."""
        return self.source.location

    @property
    def classes(self) -> tuple[str, ...] | None:
        """Return the names of the classes in the order of their numbers, None when it has none."""
        return self.source.classes

    @property
    def numbering(self) -> Numbering | None:
        """Return the number of each class name and how it was found, None when it has no names."""
        return self.source.numbering

    @property
    def passed_over(self) -> tuple[PassedOver, ...]:
        """Return what was given and is not among the images, the images that were not drawn included."""
        left = [entry.path for entry in self.source.entries() if entry.index not in self.drawn]
        if not left:
            return self.source.passed_over
        return (
            *self.source.passed_over,
            PassedOver(reason=f"images that were not drawn, {self.why}", count=len(left), examples=tuple(left[:3])),
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """Return sentences that a user has to read."""
        left = len(self.source.entries()) - len(self.drawn)
        said = f"Of {self.location}, {left:,} images were not drawn, {self.why}."
        return (*self.source.notes, said) if left else self.source.notes

    def entries(self) -> tuple[ImageEntry, ...]:
        """List the images that were drawn."""
        return tuple(entry for entry in self.source.entries() if entry.index in self.drawn)

    def origins(self) -> tuple[Hashable, ...]:
        """Return for each entry where its bytes lie."""
        pairs = zip(self.source.entries(), self.source.origins(), strict=True)
        return tuple(origin for entry, origin in pairs if entry.index in self.drawn)

    def read(self, wanted: AbstractSet[int] | None = None) -> Iterator[EncodedImage]:
        """Yield the wanted images (all that were drawn for None) in index order."""
        return self.source.read(self.drawn if wanted is None else wanted)
