"""Files that appear under their final name only when they are whole."""

import contextlib
import os
import secrets
import shutil
import tempfile
from pathlib import Path
from typing import BinaryIO

from onnxmint.errors import OnnxmintError
from onnxmint.writing.leftovers import let_rename, temporary_file
from onnxmint.writing.scratch import Content, blocks


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
        raise cannot_write(folder, problem) from None


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
        raise cannot_write(folder, problem) from None


def atomic_write(path: Path, content: Content, *, overwrite: bool = True) -> None:
    """Write a file so that a killed run leaves the old one or the new one, never half of it.

    Args:
        path: where it is to stand.
        content: of the file.
        overwrite: take the place of a file that is there. Without it, a file that came there since somebody looked
            stays, and this one gets another name.

    Raises:
        OnnxmintError: the place cannot be written, or was taken meanwhile.
    """
    try:
        with temporary_file(path.parent) as (temporary, file):
            write_whole(file, content)
            let_rename(file)
            if overwrite:
                temporary.replace(path)
            else:
                _place(temporary, path)
        sync_folder(path.parent)
    except OSError as problem:
        raise cannot_write(path, problem) from None


def write_once(path: Path, content: bytes) -> bool:
    """Write a file that several processes may be about to write: the first one does, and says so.

    Raises:
        OnnxmintError: the place cannot be written.
    """
    try:
        with temporary_file(path.parent) as (temporary, file):
            write_whole(file, content)
            let_rename(file)
            try:
                path.hardlink_to(temporary)
            except FileExistsError:
                return False
            except OSError:  # a file system without links: two processes of one moment have to be equal
                if os.path.lexists(path):
                    return False
                temporary.replace(path)
        sync_folder(path.parent)
    except OSError as problem:
        raise cannot_write(path, problem) from None
    return True


def write_secret(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read, never over another.

    Raises:
        OnnxmintError: it is there already, or cannot be written.
    """
    try:
        with temporary_file(path.parent) as (temporary, file):
            temporary.chmod(0o600)
            write_whole(file, content)
            let_rename(file)
            _place(temporary, path)
        sync_folder(path.parent)
    except OSError as problem:
        raise cannot_write(path, problem) from None


def write_whole(file: BinaryIO, content: Content) -> None:
    """Write a file through to the disk."""
    file.writelines(blocks(content))
    file.flush()
    os.fsync(file.fileno())


def _place(temporary: Path, path: Path) -> None:
    """Give a file its name if nothing has it; else another name, for what took long to make is not thrown away."""
    try:
        path.hardlink_to(temporary)
    except FileExistsError:
        raise _beside(temporary, path) from None
    except OSError:  # a file system without links, where two steps have to do
        if os.path.lexists(path):
            raise _beside(temporary, path) from None
        temporary.replace(path)


def _beside(made: Path, path: Path) -> OnnxmintError:
    kept = free_name(path)
    made.replace(kept)
    return OnnxmintError(f"{path} was made by somebody else meanwhile and left alone; the result is {kept}")


def free_name(path: Path) -> Path:
    """Return a name like this one that nothing has."""
    return path.with_name(f"{path.stem}-{secrets.token_hex(4)}{path.suffix}")


def sync_folder(folder: Path) -> None:
    """Make new names last through a power cut; not every system lets a folder be opened."""
    with contextlib.suppress(PermissionError, IsADirectoryError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def cannot_write(path: Path, problem: OSError) -> OnnxmintError:
    """Return the error for a place that cannot be written."""
    return OnnxmintError(f"cannot write {path}: {problem.strerror or problem}; choose another place with -o")
