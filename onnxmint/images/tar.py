"""Images in WebDataset tar shards: members of one sample share the part of their name before the first dot."""

import json
import tarfile
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from onnxmint.errors import ImagesError
from onnxmint.images.entries import SUFFIXES, EncodedImage, ImageEntry, too_large
from onnxmint.images.grouping import group_of, require_groups

_SMALL = 1 << 20  # bytes of a .cls or .json member that are worth reading


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the bytes of an image are, so that reading goes straight to them."""

    file: Path
    name: str
    start: int
    size: int
    error: str | None  # why they are not read


@dataclass(slots=True)
class _Sample:
    """What one shard says of one sample."""

    image: _Place | None = None
    label: int | None = None
    facts: dict[str, object] | None = None


class TarSource:
    """Images in one tar file or in those of a folder, in the order of their names."""

    def __init__(self, location: str, path: Path, rows: slice, group: str | None, *, labels: bool) -> None:
        """List the shards' members.

        Raises:
            ImagesError: a shard is damaged, or there is no image.
            UsageError: the group pattern does not serve.
        """
        self.location = location
        self.classes: tuple[str, ...] | None = None
        self._files = sorted(path.glob("*.tar")) if path.is_dir() else [path]
        samples = [sample for file in self._files for sample in self._list(file)]
        found = sorted(
            ((sample.image, sample) for sample in samples if sample.image is not None),
            key=lambda pair: (pair[0].file, pair[0].start),
        )[rows]
        if not found:
            raise ImagesError(f"{location} holds no images ({', '.join(sorted(SUFFIXES))}) in its tar shards")
        self._places = [place for place, _ in found]
        self._entries = tuple(
            ImageEntry(
                index=index,
                path=f"{place.file.name}/{place.name}",
                label=sample.label if labels else None,
                group=_group(group, sample, f"{place.file.name}/{place.name}"),
            )
            for index, (place, sample) in enumerate(found)
        )
        require_groups([entry.group for entry in self._entries], group, location)

    def entries(self) -> tuple[ImageEntry, ...]:
        """List the images."""
        return self._entries

    def _list(self, file: Path) -> list[_Sample]:
        samples: dict[str, _Sample] = {}
        for archive, member in _members(file):
            name = PurePosixPath(member.name)
            if name.name.startswith("."):
                continue  # hidden, as in folders: macOS writes a ._ twin of every file
            sample = samples.setdefault(str(name.parent / name.name.split(".")[0]), _Sample())
            suffix = name.suffix.lower()
            if suffix in SUFFIXES:
                sample.image = sample.image or _place(file, member)
            elif suffix in {".cls", ".json"} and member.size < _SMALL:
                handle = archive.extractfile(member)
                text = handle.read() if handle is not None else b""
                _learn(sample, suffix, text, f"{file.name}/{member.name}")
        return list(samples.values())

    def read(self, wanted: AbstractSet[int] | None = None) -> Iterator[EncodedImage]:
        """Yield the wanted images in order; one that cannot be read carries its reason."""
        for file, places in groupby(zip(self._entries, self._places, strict=True), lambda pair: pair[1].file):
            chosen = [(entry, place) for entry, place in places if wanted is None or entry.index in wanted]
            if chosen:
                yield from _read(file, chosen)


def _read(file: Path, chosen: list[tuple[ImageEntry, _Place]]) -> Iterator[EncodedImage]:
    try:
        handle = file.open("rb")
    except OSError as problem:
        reason = f"cannot be read: {file}: {problem.strerror or problem}"
        for entry, _ in chosen:
            yield EncodedImage(index=entry.index, path=entry.path, data=None, error=reason)
        return
    with handle:
        for entry, place in chosen:
            data, error = _read_place(handle, place)
            yield EncodedImage(index=entry.index, path=entry.path, data=data, error=error)


def _read_place(handle: BinaryIO, place: _Place) -> tuple[bytes | None, str | None]:
    if place.error is not None:
        return None, place.error
    try:
        handle.seek(place.start)
        data = handle.read(place.size)
    except OSError as problem:
        return None, f"cannot be read: {problem.strerror or problem}"
    if len(data) < place.size:
        return None, f"is cut short: {len(data):,} of {place.size:,} bytes"
    return data, None


def _place(file: Path, member: tarfile.TarInfo) -> _Place:
    error = "is stored as a sparse file" if member.issparse() else too_large(member.size)
    return _Place(file, member.name, member.offset_data, member.size, error)


def _members(file: Path) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    """Yield the members of a shard in order."""
    try:
        with tarfile.open(file, "r:") as archive:
            for member in archive:
                if member.isfile():
                    yield archive, member
            _require_end(file, archive.offset)
    except (tarfile.TarError, OSError, EOFError) as problem:
        raise ImagesError(f"{file} is no readable tar file: {problem}") from None


def _require_end(file: Path, offset: int) -> None:
    """Refuse a shard whose headers stop before its end: tarfile takes a damaged header for the end, silently."""
    with file.open("rb") as handle:
        handle.seek(offset)
        if any(handle.read(tarfile.BLOCKSIZE)):
            raise ImagesError(
                f"{file} is damaged at byte {offset:,}, so the images behind it cannot be found; make the shard again"
            )


def _learn(sample: _Sample, suffix: str, text: bytes, name: str) -> None:
    try:
        if suffix == ".cls":
            sample.label = int(text.decode().strip())
            return
        facts = json.loads(text)
    except ValueError:
        raise ImagesError(f"{name} does not hold {'a class number' if suffix == '.cls' else 'JSON'}") from None
    if isinstance(facts, dict):
        sample.facts = facts
        if sample.label is None and type(facts.get("label")) is int:
            sample.label = facts["label"]


def _group(group: str | None, sample: _Sample, path: str) -> str | None:
    """Return a sample's group: its JSON key of that name, else the pattern on its path."""
    if group is None:
        return None
    if sample.facts is not None and group in sample.facts:
        return str(sample.facts[group])
    return group_of(group)(path)
