"""Columns of millions of rows lie on the disk of the temporary folder, so that memory holds only what is worked on.

The files have no name, so that nothing is left of a killed process. An array here is an ordinary one; `release` lets go
of the memory that its pages take until they are looked at again.
"""

import hashlib
import mmap
import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import DTypeLike, NDArray

from onnxmint.errors import OnnxmintError

LARGE = 16 << 20
"""Bytes from which on a column lies on disk."""
_ROWS = 1 << 20  # of a column that are copied at once
_MAPS: "weakref.WeakSet[mmap.mmap]" = weakref.WeakSet()


def empty(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """Return room for a column: in memory, or on disk where it is large.

    Raises:
        OnnxmintError: the disk is full.
    """
    kind, count = np.dtype(dtype), int(np.prod(shape, dtype=np.int64))
    size = count * kind.itemsize
    if size < max(LARGE, 1):
        return np.empty(shape, kind)
    with _file() as file:
        try:
            _reserve(file, size)
        except OSError as problem:
            raise _no_room(size, problem) from None
        return np.frombuffer(_mapped(file, size), kind, count).reshape(shape)


def kept(values: NDArray[Any]) -> NDArray[Any]:
    """Return a column as it is, or, where it is large and in memory, its copy on disk.

    Raises:
        OnnxmintError: the disk is full.
    """
    if values.nbytes < max(LARGE, 1) or _is_kept(values):
        return values
    found = empty(values.shape, values.dtype)
    for start in range(0, len(values), _ROWS):
        found[start : start + _ROWS] = values[start : start + _ROWS]
        release()
    return found


class Spool:
    """Bytes that come one after the other, however many there will be."""

    def __init__(self) -> None:
        """Hold none."""
        self._held, self._size, self._waiting = list[bytes](), 0, 0
        self._file: BinaryIO | None = None

    def add(self, part: bytes) -> None:
        """Put some behind those that are there.

        Raises:
            OnnxmintError: the disk is full.
        """
        self._held.append(part)
        self._size += len(part)
        self._waiting += len(part)
        if self._waiting >= max(LARGE, 1):
            self._to_disk()

    def array(self) -> NDArray[np.uint8]:
        """Return all bytes; nothing is added after that.

        Raises:
            OnnxmintError: the disk is full.
        """
        if self._file is None:
            return np.frombuffer(b"".join(self._held), np.uint8)
        self._to_disk()
        found = np.frombuffer(_mapped(self._file, self._size), np.uint8)
        self._file.close()
        return found

    def content(self) -> "Content":
        """Return all bytes as the content of a file; nothing is added after that.

        Raises:
            OnnxmintError: the disk is full.
        """
        return b"".join(self._held) if self._file is None else OnDisk(self.array())

    def _to_disk(self) -> None:
        if self._file is None:
            self._file = _file()
            weakref.finalize(self, self._file.close)
        try:
            self._file.writelines(self._held)
            self._file.flush()
        except OSError as problem:
            raise _no_room(self._size, problem) from None
        self._held.clear()
        self._waiting = 0


class OnDisk:
    """The content of a file that is too large for memory."""

    def __init__(self, data: NDArray[np.uint8]) -> None:
        """Keep (n,) bytes."""
        self._data = data

    def __len__(self) -> int:
        """Return how many bytes there are."""
        return len(self._data)

    def blocks(self) -> Iterator[bytes]:
        """Yield them, few of them in memory at once."""
        for start in range(0, len(self._data), LARGE):
            yield self._data[start : start + LARGE].tobytes()
            release()


Content = bytes | OnDisk
"""What a file holds, in memory or on disk."""


def blocks(content: Content) -> Iterator[bytes]:
    """Yield the bytes of a content."""
    yield from [content] if isinstance(content, bytes) else content.blocks()


def sha256(content: Content) -> str:
    """Return the SHA-256 of a content, in hexadecimal."""
    found = hashlib.sha256()
    for block in blocks(content):
        found.update(block)
    return found.hexdigest()


class Shelf:
    """Rows of bytes on disk, (n, w) uint8, fetched when they are asked for.

    Looked at through memory, a few rows here and there would bring along many others.
    """

    def __init__(self, count: int, width: int) -> None:
        """Make room for so many rows.

        Raises:
            OnnxmintError: the disk is full.
        """
        self.shape, self._file, self._filled = (count, width), _file(), 0
        weakref.finalize(self, self._file.close)
        try:
            _reserve(self._file, count * width)
        except OSError as problem:
            raise _no_room(count * width, problem) from None

    def __len__(self) -> int:
        """Return how many rows there are."""
        return self.shape[0]

    def add(self, rows: NDArray[np.uint8]) -> None:
        """Put rows under those that are there."""
        self._file.seek(self._filled * self.shape[1])
        self._file.write(np.ascontiguousarray(rows).data)
        self._filled += len(rows)

    def done(self) -> "Shelf":
        """Return this, with as many rows as were put there."""
        self._file.flush()
        self.shape = (self._filled, self.shape[1])
        return self

    def __getitem__(self, rows: Any) -> NDArray[np.uint8]:
        """Return some rows: their numbers, a mask or a slice."""
        chosen = np.arange(len(self))[rows]
        width, count = self.shape[1], len(chosen)
        found = np.empty((count, width), np.uint8)
        if count and int(chosen[-1]) - int(chosen[0]) == count - 1 and bool((np.diff(chosen) == 1).all()):
            self._read(int(chosen[0]) * width, found.reshape(-1))
            return found
        for place, row in enumerate(chosen.tolist()):
            self._read(row * width, found[place])
        return found

    def _read(self, start: int, into: NDArray[np.uint8]) -> None:
        self._file.seek(start)
        self._file.readinto(into.data)


def release() -> None:
    """Let go of the memory that columns on disk take; what they hold stays."""
    if hasattr(mmap, "MADV_DONTNEED"):
        for one in tuple(_MAPS):
            one.madvise(mmap.MADV_DONTNEED)


def _file() -> Any:
    return tempfile.TemporaryFile(prefix="onnxmint-")


def _mapped(file: BinaryIO, size: int) -> mmap.mmap:
    found = mmap.mmap(file.fileno(), size)
    _MAPS.add(found)
    return found


def _reserve(file: BinaryIO, size: int) -> None:
    """Make a file so long that what is written to its pages has room: a page without would end the process."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), 0, size)
    else:
        file.truncate(size)


def _is_kept(values: NDArray[Any]) -> bool:
    """Return whether an array, or what it is a part of, lies on disk."""
    base: Any = values
    while isinstance(base, np.ndarray):
        base = base.base
    return isinstance(base, mmap.mmap) or (isinstance(base, memoryview) and isinstance(base.obj, mmap.mmap))


def _no_room(size: int, problem: OSError) -> OnnxmintError:
    place = tempfile.gettempdir()
    free = shutil.disk_usage(place).free
    return OnnxmintError(
        f"cannot keep {size / 1e9:.1f} GB in {place}: {problem.strerror or problem} ({free / 1e9:.1f} GB free); name a "
        "folder with more room by TMPDIR"
    )
