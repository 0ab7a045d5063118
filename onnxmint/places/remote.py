"""Files and folders of a store, with the few things that are asked of a path here."""

import io
import os
import threading
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from onnxmint.places.calls import PlaceError, again
from onnxmint.places.reading import RemoteFile
from onnxmint.places.stores import connected
from onnxmint.places.words import Address, local_path, uri_of

BUFFER = 4 << 20  # bytes read at once; small members of a shard come along with the one before, large ones are skipped
_LISTINGS: dict["RemotePath", tuple["Facts", ...]] = {}
_LOCK = threading.Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """A file below a folder, as it was listed.

    Attributes:
        name: path below the folder.
        size: bytes, None where the store does not say.
    """

    name: str
    size: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RemotePath:
    """A file or folder of a store; as text it is its address without secrets.

    Attributes:
        address: of the place that a user named.
        below: path below it, empty for itself.
        seen: what was opened first, so that no other content is taken for it later.
    """

    address: Address
    below: str = ""
    seen: list[Hashable] = field(default_factory=list, compare=False, repr=False)

    def __str__(self) -> str:
        """Return its address, to be shown."""
        return f"{self.address}/{self.below}" if self.below else str(self.address)

    def __truediv__(self, name: str) -> "RemotePath":
        """Return what lies below."""
        return RemotePath(address=self.address, below=f"{self.below}/{name}" if self.below else name)

    @property
    def name(self) -> str:
        """Return the last part."""
        return PurePosixPath(self.below or self.address.key or self.address.host).name

    @property
    def suffix(self) -> str:
        """Return the suffix of the name."""
        return PurePosixPath(self.name).suffix

    @property
    def parent(self) -> "RemotePath":
        """Return the folder that holds it."""
        if self.below:
            return RemotePath(address=self.address, below=self.below.rpartition("/")[0])
        one = self.address
        key = one.key.rpartition("/")[0]
        return RemotePath(address=Address(scheme=one.scheme, authority=one.authority, key=key, options=one.options))

    @property
    def identity(self) -> Hashable:
        """Return what it is, the same for every way to name it."""
        return str(self), self.address.options

    def exists(self) -> bool:
        """Return whether there is such a file or folder.

        Raises:
            OSError: nobody can tell; the bucket is missing or closed.
        """
        refused = None
        try:
            if self._kind() != "nothing":
                return True
        except PlaceError as problem:
            refused = problem
        try:
            found = bool(self.files())  # only this says that the bucket is missing, or why something is refused
        except FileNotFoundError:
            found = False
        if refused is not None:
            raise refused
        return found

    def is_dir(self) -> bool:
        """Return whether it is a folder."""
        return self._kind() == "folder"

    def is_file(self) -> bool:
        """Return whether it is a file."""
        return self._kind() == "file"

    def size(self) -> int:
        """Return how many bytes it holds."""
        store, path = connected(self.address)
        found = again(lambda: store.get_file_info(self.within(path)), str(self))
        return int(found.size or 0)

    def __lt__(self, other: "RemotePath") -> bool:
        """Return whether it comes before another, in the order of the names."""
        return str(self) < str(other)

    def glob(self, pattern: str) -> list["RemotePath"]:
        """Return the files right in a folder whose names end as a pattern `*END` does."""
        return [self / one.name for one in self.files() if "/" not in one.name and one.name.endswith(pattern[1:])]

    def files(self) -> tuple[Facts, ...]:
        """Return all files below a folder, in no order; asked of the store once.

        Raises:
            OSError: it cannot be listed.
        """
        with _LOCK:
            if self in _LISTINGS:
                return _LISTINGS[self]
        found = self.listed()
        with _LOCK:
            _LISTINGS[self] = found
        return found

    def open(self, mode: str = "rb", buffering: int = BUFFER) -> io.BufferedReader:
        """Open a file for reading at any place.

        Raises:
            OSError: it cannot be read.
        """
        if mode != "rb":
            raise ValueError(f"a remote file is opened to be read, not {mode!r}")
        return io.BufferedReader(self.reader(), buffering)

    def reader(self) -> RemoteFile:
        """Open a file for reading without a buffer.

        Raises:
            OSError: it cannot be read.
        """
        store, path = connected(self.address)
        return RemoteFile(lambda: store.open_input_file(self.within(path)), str(self), self.seen)

    def read_bytes(self) -> bytes:
        """Return all of a file.

        Raises:
            OSError: it cannot be read.
        """
        with self.reader() as file:
            return file.whole()

    def _kind(self) -> str:
        from pyarrow.fs import FileType

        store, path = connected(self.address)
        found = again(lambda: store.get_file_info(self.within(path)), str(self))
        return {FileType.File: "file", FileType.Directory: "folder"}.get(found.type, "nothing")

    def listed(self) -> tuple[Facts, ...]:
        """Return all files below a folder as they are now, in no order.

        Raises:
            OSError: it cannot be listed.
        """
        from pyarrow.fs import FileSelector, FileType

        store, path = connected(self.address)
        base = self.within(path)
        found = again(lambda: store.get_file_info(FileSelector(base, recursive=True)), str(self))
        start = len(base.strip("/")) + 1
        return tuple(
            Facts(name=one.path.lstrip("/")[start:], size=one.size) for one in found if one.type == FileType.File
        )

    def within(self, path: str) -> str:
        """Return what a path of the place's address is for it."""
        return f"{path}/{self.below}" if self.below else path


AnyPath = Path | RemotePath
"""A file or folder here or in a store."""


def path_of(place: str | Path) -> AnyPath:
    """Return what a place without a query means."""
    uri = uri_of(place)
    return Path(local_path(str(place))) if uri is None else RemotePath(address=Address.of(uri))


def files_in(folder: AnyPath, suffix: str) -> list[AnyPath]:
    """Return the files right in a folder that have a suffix, in the order of their names; a file is alone."""
    if not folder.is_dir():
        return [folder]
    if isinstance(folder, RemotePath):
        return sorted(folder.glob(f"*{suffix}"))
    return sorted(folder.glob(f"*{suffix}"))


def exists(path: AnyPath) -> bool:
    """Return whether there is something, whatever its name is.

    Raises:
        OSError: a store cannot tell.
        PermissionError: a folder above it lets nobody look, which is another thing than nothing there.
    """
    if isinstance(path, RemotePath):
        return path.exists()
    try:
        os.stat(path)  # noqa: PTH116 - as for the names of any length that os.path.exists takes
    except (OSError, ValueError) as problem:
        if isinstance(problem, PermissionError):
            raise
        return False
    return True


def forget_listings() -> None:
    """Ask stores again what lies where."""
    with _LOCK:
        _LISTINGS.clear()


def below(folder: AnyPath) -> Iterator[str]:
    """Yield the paths of all files below a folder, hidden folders left out, in the order of a walk."""
    if isinstance(folder, RemotePath):
        yield from sorted(one.name for one in folder.files() if not _hidden_above(one.name))
        return
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            yield (Path(place) / name).relative_to(folder).as_posix()


def _hidden_above(name: str) -> bool:
    return any(part.startswith(".") for part in name.split("/")[:-1])
