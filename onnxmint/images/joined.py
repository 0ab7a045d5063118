"""Several places as one set of images: each image named by its place and there once, class names of one meaning."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace

from onnxmint.errors import ImagesError, UsageError
from onnxmint.images.classes import Numbering, numbered_as_folders, of_same_values
from onnxmint.images.entries import EncodedImage, ImageEntry, ImageSource
from onnxmint.images.passed import Tally, note_of
from onnxmint.images.spelling import spelt_twice
from onnxmint.places.words import shown

Opener = Callable[[str, Numbering | None], ImageSource]
_LONGEST = 40  # letters of a name in a message
_LISTED = 3  # places that are named where all of them are meant


class JoinedSource:
    """The images of several places, one place after the other; an image that is in two of them is taken once."""

    def __init__(self, sources: Sequence[ImageSource]) -> None:
        """Number the images over all places."""
        self._sources, tally = tuple(sources), Tally()
        self.location = _listed([source.location for source in sources])
        self.numbering = next((source.numbering for source in sources if source.numbering is not None), None)
        self.classes = None if self.numbering is None else self.numbering.names
        listed = [replace(entry, path=_named(source, entry.path)) for source in sources for entry in source.entries()]
        self._origins = [origin for source in sources for origin in source.origins()]
        self._place = sorted(_once(listed, self._origins))  # of each image among those of all places
        for place in sorted(set(range(len(listed))) - set(self._place)):
            tally.add("images that are given twice, and were taken once", listed[place].path)
        self._entries = tuple(replace(listed[place], index=index) for index, place in enumerate(self._place))
        self.passed_over = (*(one for source in sources for one in source.passed_over), *tally.found())
        self.notes = (*(note for source in sources for note in source.notes), *note_of(self.location, tally.found()))

    def entries(self) -> tuple[ImageEntry, ...]:
        """List the images."""
        return self._entries

    def origins(self) -> tuple[Hashable, ...]:
        """Return where the bytes of each image lie."""
        return tuple(self._origins[place] for place in self._place)

    def read(self, wanted: AbstractSet[int] | None = None) -> Iterator[EncodedImage]:
        """Yield the wanted images (all for None) in index order."""
        start, row = 0, 0
        for source in self._sources:
            end, first = start + len(source.entries()), row
            row = bisect_left(self._place, end, lo=first)
            mine = {self._place[index] - start: index for index in range(first, row)}
            if wanted is not None:
                mine = {place: index for place, index in mine.items() if index in wanted}
            if mine:
                for image in source.read(set(mine)):
                    index = mine[image.index]
                    yield replace(image, index=index, path=self._entries[index].path)
            start = end


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
    twice = [place for place, often in Counter(places).items() if often > 1]
    if twice:
        raise UsageError(f"{shown(twice[0])} is given twice; name each place once")
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
        ImagesError: two places declare different orders, spell a class differently, or folders are numbers in one and
            names in another.
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
    if all(numbering.order == "numbers" for numbering in found):
        return of_same_values(found)
    _require_one_spelling(found)
    return numbered_as_folders(name for numbering in found for name in numbering.names)


def _require_one_spelling(found: Mapping[Numbering, str]) -> None:
    """Refuse places that seem to spell a class differently: all classes behind it would have other numbers.

    Raises:
        ImagesError: naming both.
    """
    twice = spelt_twice({place: numbering.names for numbering, place in found.items()})
    if twice is not None:
        (first, name), (second, other) = twice
        raise ImagesError(
            f"{first} has the class {name[:_LONGEST]!r} and {second} {other[:_LONGEST]!r}: rename one if they are one "
            "class, else give the classes in order with --classes FILE"
        )


def _once(entries: Sequence[ImageEntry], origins: Sequence[Hashable]) -> list[int]:
    """Return the positions of the entries that stand for each image: of equal ones the first that has a label."""
    found: dict[Hashable, int] = {}
    for place, (entry, origin) in enumerate(zip(entries, origins, strict=True)):
        before = found.setdefault(origin, place)
        if entries[before].label is None and entry.label is not None:
            found[origin] = place
    return list(found.values())


def _listed(places: Sequence[str]) -> str:
    """Return the names of places that together are one, the first ones where they are many."""
    more = len(places) - _LISTED
    return " + ".join([*places[:_LISTED], *([f"{more:,} more"] if more > 1 else places[_LISTED:])])


def _named(source: ImageSource, path: str) -> str:
    """Return a path that tells its place too; that of a single file does."""
    return path if path == source.location else f"{source.location}/{path}"
