"""The members of tar shards, whatever a shard claims: where their bytes are, and the small ones' content."""

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from onnxmint.errors import ImagesError
from onnxmint.images.entries import require_file, too_large
from onnxmint.places.remote import AnyPath

_SMALL = 1 << 20  # bytes of a .cls or .json member that are worth reading, and of a long name
_PADDING = 4 << 20  # bytes of zeros that are looked at behind the end; what writes tars fills up a few kB
_PACKED = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd", b"PK\3\4": "zip"}
_HOLDING_NAMES = (
    tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Place:
    """Where the bytes of an image are, so that reading goes straight to them."""

    file: AnyPath
    name: str
    start: int
    size: int
    error: str | None  # why they are not read


@dataclass(frozen=True, slots=True)
class Member:
    """One member of a shard."""

    place: Place
    regular: bool  # a file, not a link or device
    text: bytes | None  # content of one that is asked for and small


class _Bounded(tarfile.TarInfo):
    """A member whose name is not read when it claims gigabytes."""

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        if self.type in _HOLDING_NAMES and self.size > _SMALL:
            raise tarfile.ReadError(f"a name of {self.size:,} bytes")
        found: tarfile.TarInfo = super()._proc_member(archive)  # type: ignore[misc]  # the documented place to extend
        return found


def members_of(file: AnyPath, with_text: frozenset[str]) -> Iterator[Member]:
    """Yield the members of a shard in order, folders left out.

    Args:
        file: the shard.
        with_text: suffixes of members whose content is given.

    Raises:
        ImagesError: it is no tar file, or damaged.
    """
    require_file(file)
    try:
        with file.open("rb") as content, tarfile.open(fileobj=content, mode="r:", tarinfo=_Bounded) as archive:
            for info in archive:
                archive.members = []  # type: ignore[attr-defined]  # tarfile remembers all that it has seen
                if not info.isdir():
                    yield _member(file, archive, info, with_text)
            _require_end(file, content, archive.offset)
    except (tarfile.TarError, OSError, EOFError, ValueError) as problem:
        raise ImagesError(f"{file} is no readable tar file: {_packed(file) or problem}") from None


def _packed(file: AnyPath) -> str | None:
    """Return how a file is compressed and what to do about it, None when it is not."""
    try:
        with file.open("rb") as handle:
            start = handle.read(8)
    except OSError:
        return None
    kind = next((words for mark, words in _PACKED.items() if start.startswith(mark)), None)
    return None if kind is None else f"it is compressed ({kind}); unpack it first, and give the .tar file"


def _member(file: AnyPath, archive: tarfile.TarFile, info: tarfile.TarInfo, with_text: frozenset[str]) -> Member:
    error = "is stored as a sparse file" if info.issparse() else too_large(info.size)
    text = None
    if info.isfile() and info.size < _SMALL and info.name.rpartition(".")[2].lower() in with_text:
        handle = archive.extractfile(info)
        text = handle.read() if handle is not None else None
    place = Place(file, info.name, info.offset_data, info.size, error)
    return Member(place, regular=info.isfile(), text=text)


def _require_end(file: AnyPath, content: BinaryIO, offset: int) -> None:
    """Refuse a shard that goes on behind its end: tarfile takes a damaged header for the end, silently.

    So it takes the blocks of zeros between two shards that were joined to one file.
    """
    content.seek(offset)
    if any(content.read(tarfile.BLOCKSIZE)):
        raise ImagesError(
            f"{file} is damaged at byte {offset:,}, so the images behind it cannot be found; make the shard again"
        )
    rest = content.read(_PADDING)
    if rest.strip(b"\0"):
        place = offset + tarfile.BLOCKSIZE + len(rest) - len(rest.lstrip(b"\0"))
        raise ImagesError(
            f"{file} goes on behind its end, at byte {place:,}, as two shards in one file do; give each as a file of "
            "its own"
        )
