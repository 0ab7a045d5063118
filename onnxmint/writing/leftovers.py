"""Temporary files and folders that are locked while their process lives: what a killed one leaves, the next removes.

A lock ends with its process, however that ended; process numbers come round again, and containers that share a disk do
not share them. Where nothing can be locked (Windows, some network disks), nothing is ever taken for a left-over.
"""

import contextlib
import errno
import os
import re
import secrets
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_OURS = re.compile(r"\.?onnxmint-\d+-[0-9a-f]{12}")
Rescue = Callable[[], bool]
_TRIES = (True, True, True, False)  # whether there is another one
_PEEK = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)  # neither links nor a pipe that would block


def clear(folder: str | Path) -> None:
    """Remove from a folder what killed processes of this user left there."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for name in [entry.name for entry in entries if is_own(entry.name)]:
            remove_abandoned(Path(folder, name))


def clear_temporary() -> None:
    """Do so in the folder for temporary files; that there is none is for those to say who need it."""
    with contextlib.suppress(OSError):
        clear(tempfile.gettempdir())


@contextlib.contextmanager
def temporary_file(folder: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """Open a new file in a folder, gone at the end unless it was renamed; the user's umask decides who may read it.

    Raises:
        OSError: it cannot be made.
    """
    for again in _TRIES:
        path = folder / f".{_own_name()}"
        with path.open("xb") as file:
            if not _locked(path, file.fileno()) and again:
                continue
            try:
                yield path, file
            finally:
                path.unlink(missing_ok=True)
            return


def let_rename(file: BinaryIO) -> None:
    """Close a file where no open one can be renamed (Windows); elsewhere it stays locked until it has its name."""
    if fcntl is None:
        file.close()


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """Make a folder for temporary files that only this user may read, gone at the end.

    Raises:
        OSError: it cannot be made.
    """
    with own_folder(Path(tempfile.gettempdir(), _own_name()), mode=0o700) as path:
        yield path


@contextlib.contextmanager
def own_folder(path: Path, *, mode: int = 0o777, rescue: Rescue | None = None) -> Iterator[Path]:
    """Make a folder of this name, as the only one who does; gone at the end. An abandoned one is removed first.

    Args:
        path: its name.
        mode: who may do what with it, less the user's umask.
        rescue: called before this one or an abandoned one is removed, by nobody else meanwhile; False if it must stay.

    Raises:
        FileExistsError: there is one, and it is not known to be abandoned.
        OSError: it cannot be made.
    """
    for again in _TRIES:
        try:
            path.mkdir(mode)
        except FileExistsError:
            if not again or not remove_abandoned(path, rescue):
                raise
            continue
        with _opened(path) as handle:
            if not (fcntl is None if handle is None else _locked(path, handle)):
                continue
            try:
                yield path
            finally:
                _remove(path, rescue)
            return
    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))


def remove_abandoned(path: Path, rescue: Rescue | None = None) -> bool:
    """Remove a file or folder whose process is gone, after the rescue, and say whether it is gone now."""
    with _opened(path) as handle:
        # First the lock, then the name: only who has the lock may change what the name means.
        if handle is not None and _abandoned(handle) and _is(path, handle):
            _remove(path, rescue)
    return not os.path.lexists(path)


def _remove(path: Path, rescue: Rescue | None) -> None:
    if rescue is not None and not rescue():
        return
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def is_own(name: str) -> bool:
    """Say whether a name is of the kind that temporary files and folders get here."""
    return _OURS.fullmatch(name) is not None


def _own_name() -> str:
    return f"onnxmint-{os.getpid()}-{secrets.token_hex(6)}"


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int | None]:
    """Open a file or folder to lock it; None where that cannot be."""
    try:
        handle = os.open(path, os.O_RDONLY | _PEEK)
    except OSError:
        yield None
        return
    try:
        yield handle
    finally:
        os.close(handle)


def _locked(path: Path, handle: int) -> bool:
    """Lock something new until the handle is closed; False when somebody took it for a left-over just before."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a disk without locks
        return True
    return _is(path, handle)


def _abandoned(handle: int) -> bool:
    """Say whether a file or folder is this user's and nobody has it locked; from then on it is locked."""
    facts = os.fstat(handle)
    if (
        fcntl is None
        or facts.st_uid != os.geteuid()
        or not (stat.S_ISREG(facts.st_mode) or stat.S_ISDIR(facts.st_mode))
    ):
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _is(path: Path, handle: int) -> bool:
    """Say whether a name still means what was opened by it."""
    try:
        return os.path.samestat(os.lstat(path), os.fstat(handle))
    except FileNotFoundError:
        return False
