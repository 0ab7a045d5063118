"""Images in WebDataset tar shards: members of one sample share the part of their name before the first dot."""

import json
import tarfile
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from onnxmint.errors import ImagesError
from onnxmint.images.entries import SUFFIXES, EncodedImage, ImageEntry
from onnxmint.images.grouping import group_of, require_groups

_SMALL = 1 << 20  # bytes of a .cls or .json member that are worth reading


@dataclass(slots=True)
class _Sample:
    """What one shard says of one sample."""

    image: str | None = None
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
        found = [
            (file, key, sample) for file in self._files for key, sample in self._list(file).items() if sample.image
        ][rows]
        if not found:
            raise ImagesError(f"{location} holds no images ({', '.join(sorted(SUFFIXES))}) in its tar shards")
        self._place = {(file, sample.image): index for index, (file, _, sample) in enumerate(found)}
        self._entries = tuple(
            ImageEntry(
                index=index,
                path=f"{file.name}/{sample.image}",
                label=sample.label if labels else None,
                group=_group(group, sample, f"{file.name}/{sample.image}"),
            )
            for index, (file, _, sample) in enumerate(found)
        )
        require_groups([entry.group for entry in self._entries], group, location)

    def entries(self) -> tuple[ImageEntry, ...]:
        """List the images."""
        return self._entries

    def _list(self, file: Path) -> dict[str, _Sample]:
        samples: dict[str, _Sample] = {}
        for archive, member in _members(file):
            key = _key(member.name)
            sample = samples.setdefault(key, _Sample())
            suffix = PurePosixPath(member.name).suffix.lower()
            if suffix in SUFFIXES:
                sample.image = sample.image or member.name
            elif suffix in {".cls", ".json"} and member.size < _SMALL:
                handle = archive.extractfile(member)
                text = handle.read() if handle is not None else b""
                _learn(sample, suffix, text, f"{file.name}/{member.name}")
        return samples

    def read(self, wanted: AbstractSet[int] | None = None) -> Iterator[EncodedImage]:
        """Yield the wanted images in order, reading each shard once from front to back."""
        for file in self._files:
            for archive, member in _members(file):
                index = self._place.get((file, member.name))
                if index is None or (wanted is not None and index not in wanted):
                    continue
                handle = archive.extractfile(member)
                data = None if handle is None else handle.read()
                error = "is a link, not a file" if data is None else None
                yield EncodedImage(index=index, path=self._entries[index].path, data=data, error=error)


def _members(file: Path) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    """Yield the members of a shard in order."""
    try:
        with tarfile.open(file, "r:") as archive:
            for member in archive:
                if member.isfile():
                    yield archive, member
    except (tarfile.TarError, OSError, EOFError) as problem:
        raise ImagesError(f"{file} is no readable tar file: {problem}") from None


def _key(name: str) -> str:
    path = PurePosixPath(name)
    return str(path.parent / path.name.split(".")[0])


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
