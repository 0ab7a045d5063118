"""Images that are files of their own, read one by one and safely."""

import os
import stat
from collections.abc import Hashable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path

from onnxmint.errors import ImagesError
from onnxmint.images.classes import Numbering
from onnxmint.images.entries import EncodedImage, ImageEntry, identity, too_large
from onnxmint.images.flight import in_order
from onnxmint.images.grouping import group_of
from onnxmint.images.passed import PassedOver, note_of
from onnxmint.places.remote import AnyPath, RemotePath

_ASKED = 16  # files of a store that are read at once


class FileSource:
    """Images that are files."""

    def __init__(
        self,
        location: str,
        files: Sequence[AnyPath],
        entries: tuple[ImageEntry, ...],
        *,
        numbering: Numbering | None = None,
        passed_over: tuple[PassedOver, ...] = (),
        notes: tuple[str, ...] = (),
        sizes: Mapping[int, int] | None = None,
    ) -> None:
        """Keep the files; `entries[i]` describes `files[i]`, `sizes[i]` are its bytes where they are known."""
        self._sizes = sizes or {}
        self.location = location
        self.numbering = numbering
        self.classes = None if numbering is None else numbering.names
        self.passed_over = passed_over
        self.notes = (*note_of(location, passed_over), *notes)
        self._files = files
        self._entries = entries

    def entries(self) -> tuple[ImageEntry, ...]:
        """List the images."""
        return self._entries

    def origins(self) -> tuple[Hashable, ...]:
        """Return what each file is to the system."""
        return tuple(identity(file) for file in self._files)

    def read(self, wanted: AbstractSet[int] | None = None) -> Iterator[EncodedImage]:
        """Yield the wanted images in order; a file that cannot be read carries its reason.

        Files of a store are read beside each other: what takes time is that it answers.
        """
        every = zip(self._entries, self._files, strict=True)
        pairs = ((entry, file) for entry, file in every if wanted is None or entry.index in wanted)
        if self._files and isinstance(self._files[0], RemotePath):
            yield from in_order(
                pairs,
                lambda pair, _: _encoded(*pair),
                workers=_ASKED,
                size=lambda pair: self._sizes.get(pair[0].index, 0),
                name="onnxmint-fetch",
            )
            return
        for entry, file in pairs:
            yield _encoded(entry, file)  # no name for the bytes: they would stay while the next file is read


def open_file(words: str, path: AnyPath, group: str | None = None) -> FileSource:
    """Open a single image file; `group` is a pattern on its path."""
    belongs = group_of(group)(words)
    return FileSource(words, [path], (ImageEntry(index=0, path=words, label=None, group=belongs),))


def _encoded(entry: ImageEntry, file: AnyPath) -> EncodedImage:
    try:
        data = _fetched(file) if isinstance(file, RemotePath) else _content(file)
        return EncodedImage(index=entry.index, path=entry.path, data=data)
    except ImagesError as problem:
        return EncodedImage(index=entry.index, path=entry.path, data=None, error=str(problem))


def _content(file: Path) -> bytes:
    """Return a file's bytes.

    A pipe or device is not opened, it could block for ever; nor is read more than the file is long: some of the
    kernel's files are empty, and whoever reads them waits.

    Raises:
        ImagesError: with the reason, in words that follow the file's name.
    """
    try:
        facts = file.stat()
        reason = _refusal(facts)
        if reason is None:
            with file.open("rb") as handle:
                return handle.read(facts.st_size)
    except FileNotFoundError as problem:
        reason = f"cannot be read: {problem.strerror}{_written_for_windows(file)}"
    except OSError as problem:
        reason = f"cannot be read: {problem.strerror or problem}"
    except ValueError as problem:  # a name with a null byte
        reason = f"cannot be read: {problem}"
    except MemoryError:
        reason = "needs more memory than there is"
    raise ImagesError(reason)


def _fetched(file: RemotePath) -> bytes:
    """Return a file of a store.

    Raises:
        ImagesError: with the reason, in words that follow the file's name.
    """
    try:
        with file.reader() as handle:
            reason = too_large(handle.size) if handle.size else "is empty"
            if reason is None:
                return handle.whole()
    except OSError as problem:
        reason = f"cannot be read: {problem.strerror or problem}"
    except MemoryError:
        reason = "needs more memory than there is"
    raise ImagesError(reason)


def _refusal(facts: os.stat_result) -> str | None:
    """Return why a file is not opened, None when it may be."""
    if not stat.S_ISREG(facts.st_mode):
        return "is no regular file"
    return too_large(facts.st_size) if facts.st_size else "is empty"


def _written_for_windows(file: Path) -> str:
    """Return what mends a path with the wrong kind of slashes, empty for others."""
    if os.sep == "\\" or "\\" not in str(file):
        return ""
    return " (its folders are separated by \\, which only Windows reads so: write /)"
