"""Files that appear under their final name only when they are whole."""

import contextlib
import os
import secrets
import shutil
import tempfile
from pathlib import Path

from onnxmint.errors import OnnxmintError


def require_writable(folder: Path) -> None:
    """Try to write where a folder is or will be made, before the long work starts; nothing is left behind.

    Raises:
        OnnxmintError: it cannot be written.
    """
    try:
        standing = next(place for place in (folder, *folder.absolute().parents) if place.exists())
        with tempfile.TemporaryFile(dir=standing):
            pass
    except OSError as problem:
        raise _cannot_write(folder, problem) from None


def no_room_for(size: int) -> str | None:
    """Return what the temporary folder has to offer when that is less than `size` bytes, None when it is enough."""
    place = tempfile.gettempdir()
    free = shutil.disk_usage(place).free
    return f"{place} has {free / 1e9:.1f} GB free" if size > free else None


def make_folder(folder: Path) -> None:
    """Make a folder and those above it.

    Raises:
        OnnxmintError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise _cannot_write(folder, problem) from None


def atomic_write(path: Path, content: bytes) -> None:
    """Write a file so that a killed run leaves the old one or the new one, never half of it.

    Raises:
        OnnxmintError: the place cannot be written.
    """
    temporary = path.with_name(f".{path.name}-{secrets.token_hex(6)}")
    try:
        try:
            with temporary.open("xb") as file:  # not mkstemp: the user's umask decides who may read a report
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        _sync_folder(path.parent)
    except OSError as problem:
        raise _cannot_write(path, problem) from None


def _sync_folder(folder: Path) -> None:
    """Make the new name last through a power cut; not every system lets a folder be opened."""
    with contextlib.suppress(PermissionError, IsADirectoryError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _cannot_write(path: Path, problem: OSError) -> OnnxmintError:
    return OnnxmintError(f"cannot write {path}: {problem.strerror or problem}; choose another place with -o")
