"""Columns of millions of rows lie on the disk of the temporary folder, so that memory holds only what is worked on.

The files have no name, so that nothing is left of a killed process. An array here is an ordinary one; `release` lets go
of the memory that its pages take until they are looked at again.
"""

import mmap
import os
import shutil
import tempfile
import weakref
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import DTypeLike, NDArray

from onnxmint.errors import OnnxmintError

LARGE = 16 << 20
"""Bytes from which on a column lies on disk."""
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
    found[...] = values
    release()
    return found


class Spool:
    """Bytes that come one after the other, however many there will be."""

    def __init__(self) -> None:
        """Hold none."""
        self._held, self._size = list[bytes](), 0
        self._file: BinaryIO | None = None

    def add(self, part: bytes) -> None:
        """Put some behind those that are there.

        Raises:
            OnnxmintError: the disk is full.
        """
        self._held.append(part)
        self._size += len(part)
        if sum(map(len, self._held)) >= max(LARGE, 1):
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

    def _to_disk(self) -> None:
        self._file = _file() if self._file is None else self._file
        try:
            self._file.writelines(self._held)
            self._file.flush()
        except OSError as problem:
            raise _no_room(self._size, problem) from None
        self._held.clear()


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
