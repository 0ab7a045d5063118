"""Files read whole that others may have put there: no link out of a folder, no pipe that never ends, nothing absurd."""

import os
import stat
from pathlib import Path

LARGEST = 1 << 31
"""Bytes of a file of results; ten million images take less."""
_PEEK = getattr(os, "O_NONBLOCK", 0)  # a pipe that took the place meanwhile is opened, found out, and not waited for


def regular_bytes(path: Path, *, most: int = LARGEST, links: bool = False) -> bytes:
    """Return the content of a regular file.

    Args:
        path: of it.
        most: bytes that it may have.
        links: whether it may be a link, as what a user names may; a file of results may not.

    Raises:
        ValueError: it is none, or too long; in words that follow the name.
        OSError: it is not there, or cannot be read.
    """
    require_regular(path, links=links)
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | _PEEK)) as file:
        facts = os.fstat(file.fileno())
        if not stat.S_ISREG(facts.st_mode):
            raise ValueError(f"{path.name} is no regular file")
        if facts.st_size > most:
            raise ValueError(f"{path.name} has {facts.st_size >> 20:,} MiB (allowed {most >> 20:,})")
        return file.read(most)


def require_regular(path: Path, *, links: bool = False) -> None:
    """Refuse what is no regular file: a link, which may lead anywhere, or a pipe or device, which may never end.

    Raises:
        ValueError: it is none.
        OSError: it is not there.
    """
    facts = path.stat() if links else path.lstat()
    if not stat.S_ISREG(facts.st_mode):
        raise ValueError(f"{path.name} is no regular file")
