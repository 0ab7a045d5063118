"""Images in WebDataset tar shards."""

from collections.abc import Hashable, Iterator
from collections.abc import Set as AbstractSet
from itertools import groupby
from typing import BinaryIO

from onnxmint.errors import ImagesError, UsageError
from onnxmint.images.entries import EncodedImage, ImageEntry, identity, require_countable
from onnxmint.images.grouping import group_of, require_groups
from onnxmint.images.labels import Faults, unlabelled_note
from onnxmint.images.passed import Tally, count_beside, in_words, note_of
from onnxmint.images.pillow import SUFFIXES
from onnxmint.images.samples import FURTHER, Picture, SampleReader, likely_keys
from onnxmint.images.selection import Reading, Selection
from onnxmint.images.shards import Place
from onnxmint.places.remote import AnyPath, files_in

_LONGEST = 40  # letters of a name in a message
_MOST_FURTHER = 3  # pictures beside the one that is used, on average; more is a misunderstanding of names


class TarSource:
    """Images in one tar file or in those of a folder, in the order of their names."""

    def __init__(self, chosen: Selection, reading: Reading) -> None:
        """List the shards' members.

        Raises:
            ImagesError: a shard is damaged, there is no image, or the names of images are no WebDataset's.
            UsageError: the group pattern or the key of labels does not serve.
        """
        tally, faults = Tally(), Faults()
        files = files_in(chosen.path, ".tar")
        reader = SampleReader(chosen, reading, tally, faults)
        found: list[Picture] = []
        for file in files:
            found += sorted(reader.pictures(file), key=lambda one: one.place.start)
            require_countable(len(found), chosen.words)
        faults.settle(max(len(found), reader.labels))
        _refuse_other_names(chosen.words, len(found), tally)
        if chosen.path.is_dir():
            count_beside(chosen.path, ".tar", tally)
        self.location = chosen.words
        self.passed_over = tally.found()
        found = found[chosen.rows]
        if not found:
            there = in_words(self.passed_over)
            raise ImagesError(
                f"{self.location} holds no images ({', '.join(sorted(SUFFIXES))}) in its tar shards"
                f"{f'; what is there: {there}' if there else ''}"
            )
        labelled = reading.labels and any(one.label is not None for one in found)
        if reading.labels:
            _require_key(chosen, reader)
        self.notes = (
            *note_of(self.location, self.passed_over),
            *(() if labelled or not reading.labels else _unlabelled(self.location, found, reader)),
        )
        self.numbering = reading.classes if labelled else None
        self.classes = None if self.numbering is None else self.numbering.names
        self._places = [one.place for one in found]
        self._entries = tuple(_entries(found, reading.group))
        require_groups([entry.group for entry in self._entries], reading.group, self.location)

    def entries(self) -> tuple[ImageEntry, ...]:
        """List the images."""
        return self._entries

    def origins(self) -> tuple[Hashable, ...]:
        """Return the shard and the place in it of each image."""
        files = {file: identity(file) for file in {place.file for place in self._places}}
        return tuple((files[place.file], place.start) for place in self._places)

    def read(self, wanted: AbstractSet[int] | None = None) -> Iterator[EncodedImage]:
        """Yield the wanted images in order; one that cannot be read carries its reason."""
        for file, places in groupby(zip(self._entries, self._places, strict=True), lambda pair: pair[1].file):
            chosen = [(entry, place) for entry, place in places if wanted is None or entry.index in wanted]
            if chosen:
                yield from _read(file, chosen)


def _refuse_other_names(words: str, used: int, tally: Tally) -> None:
    """Refuse shards of which most pictures would be passed over: their names have dots that mean nothing.

    Raises:
        ImagesError: with a name, and how to take each picture for itself.
    """
    further = tally.count(FURTHER)
    if further > _MOST_FURTHER * used:
        example = next(one.examples[0] for one in tally.found() if one.reason == FURTHER)
        raise ImagesError(
            f"{words} holds {used + further:,} pictures of which only {used:,} have a name of their own: WebDataset's "
            f"ends at the first dot, as in {example}. Take each picture for itself with ?key=last-dot behind the "
            "place, or make the shards again without dots in the names"
        )


def _require_key(chosen: Selection, reader: SampleReader) -> None:
    """Refuse a key of labels that no JSON member has.

    Raises:
        UsageError: naming those that they have.
    """
    if chosen.labels is not None and not reader.found:
        keys = ", ".join(key[:_LONGEST] for key in reader.keys[:10]) or "there is none"
        raise UsageError(f"{chosen.words}: no JSON in the shards has the key {chosen.labels!r}; their keys: {keys}")


def _unlabelled(location: str, found: list[Picture], reader: SampleReader) -> tuple[str, ...]:
    """Return a sentence on where labels may have been meant, none where nothing looks so."""
    told = unlabelled_note(location, likely_keys(reader), "key")
    folders = {one.place.name.rpartition("/")[0] for one in found}
    if told or len(folders) < 2:  # noqa: PLR2004 - one folder divides nothing
        return told
    return (
        f"The images of {location} have no labels: folders in shards are not taken for classes (for example "
        f"{min(folders)[:_LONGEST]!r}); unpack the shards into a folder if they are, or put a .cls beside each image.",
    )


def _entries(found: list[Picture], group: str | None) -> Iterator[ImageEntry]:
    """Yield the entries; a group is what the JSON says under that key, else the pattern on the path."""
    find = group_of(group) if group is not None and any(one.group is None for one in found) else None
    for index, one in enumerate(found):
        path = f"{one.place.file.name}/{one.place.name}"
        belongs = find(path) if one.group is None and find is not None else one.group
        yield ImageEntry(index=index, path=path, label=one.label, group=belongs)


def _read(file: AnyPath, chosen: list[tuple[ImageEntry, Place]]) -> Iterator[EncodedImage]:
    try:
        handle = file.open("rb")
    except OSError as problem:
        reason = f"cannot be read: {file}: {problem.strerror or problem}"
        for entry, _ in chosen:
            yield EncodedImage(index=entry.index, path=entry.path, data=None, error=reason)
        return
    with handle:
        for entry, place in chosen:
            yield _encoded(handle, entry, place)


def _encoded(handle: BinaryIO, entry: ImageEntry, place: Place) -> EncodedImage:
    data, error = _read_place(handle, place)
    return EncodedImage(index=entry.index, path=entry.path, data=data, error=error)


def _read_place(handle: BinaryIO, place: Place) -> tuple[bytes | None, str | None]:
    if place.error is not None:
        return None, place.error
    try:
        handle.seek(place.start)
        data = handle.read(place.size)
    except OSError as problem:
        return None, f"cannot be read: {problem.strerror or problem}"
    except MemoryError:
        return None, "needs more memory than there is"
    if len(data) < place.size:
        return None, f"is cut short: {len(data):,} of {place.size:,} bytes"
    return data, None
