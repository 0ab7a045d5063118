"""Several places as one set of images: each image named by its place, class names of one meaning in all."""

from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace

from onnxmint.errors import ImagesError, UsageError
from onnxmint.images.classes import Numbering, numbered_as_folders
from onnxmint.images.entries import EncodedImage, ImageEntry, ImageSource

Opener = Callable[[str, Numbering | None], ImageSource]


class JoinedSource:
    """The images of several places, one place after the other."""

    def __init__(self, sources: Sequence[ImageSource]) -> None:
        """Number the images over all places."""
        self._sources = tuple(sources)
        self.location = " + ".join(source.location for source in sources)
        self.numbering = next((source.numbering for source in sources if source.numbering is not None), None)
        self.classes = None if self.numbering is None else self.numbering.names
        self.passed_over = tuple(one for source in sources for one in source.passed_over)
        self.notes = tuple(note for source in sources for note in source.notes)
        self._starts: list[int] = []
        listed: list[ImageEntry] = []
        for source in sources:
            self._starts.append(len(listed))
            listed += [
                replace(entry, index=len(listed) + entry.index, path=_named(source, entry.path))
                for entry in source.entries()
            ]
        self._entries = tuple(listed)

    def entries(self) -> tuple[ImageEntry, ...]:
        """List the images."""
        return self._entries

    def read(self, wanted: AbstractSet[int] | None = None) -> Iterator[EncodedImage]:
        """Yield the wanted images (all for None) in index order."""
        ends = [*self._starts[1:], len(self._entries)]
        for source, start, end in zip(self._sources, self._starts, ends, strict=True):
            mine = None if wanted is None else {index - start for index in wanted if start <= index < end}
            if mine is None or mine:
                for image in source.read(mine):
                    yield replace(image, index=start + image.index, path=self._entries[start + image.index].path)


def open_joined(places: Sequence[str], opener: Opener, classes: Numbering | None) -> ImageSource:
    """Open several places as one.

    Args:
        places: as the user wrote them.
        opener: opens one of them, its classes numbered as known.
        classes: known numbers, None to find them.

    Raises:
        ImagesError: their classes cannot be one numbering.
        UsageError: no place, or one that is given twice.
    """
    if not places:
        raise UsageError("no images were given; name at least one place")
    twice = next((place for number, place in enumerate(places) if place in places[:number]), None)
    if twice is not None:
        raise UsageError(f"{twice} is given twice; name each place once")
    sources = [opener(place, classes) for place in places]
    if len(sources) == 1:
        return sources[0]
    meant = common(sources) if classes is None else None
    if meant is None:
        return JoinedSource(sources)
    return JoinedSource(
        [
            source if source.numbering in (None, meant) else opener(place, meant)
            for place, source in zip(places, sources, strict=True)
        ]
    )


def common(sources: Sequence[ImageSource]) -> Numbering | None:
    """Return what the class names of all places mean, None when none has names: a declared order, or that of folders.

    Raises:
        ImagesError: two places declare different orders, or folders are numbers in one and names in another.
    """
    named = [source for source in sources if source.numbering is not None]
    found = {source.numbering: source.location for source in named if source.numbering is not None}
    if len(found) <= 1:
        return next(iter(found), None)
    declared = [numbering for numbering in found if numbering.order == "declared"]
    if len(declared) == 1:
        return declared[0]
    if declared or len({numbering.order for numbering in found}) > 1:
        first, second, *_ = found.values()
        raise ImagesError(
            f"{first} and {second} number their classes in different ways, so a label means two things: give the "
            "classes in order with --classes FILE, or use --no-labels"
        )
    return numbered_as_folders(name for numbering in found for name in numbering.names)


def _named(source: ImageSource, path: str) -> str:
    """Return a path that tells its place too; that of a single file does."""
    return path if path == source.location else f"{source.location}/{path}"
