"""The bytes of a file in a store, as of a file here: any place can be gone to, and only what is asked for is read."""

import io
import os
from collections.abc import Callable, Hashable
from typing import Any

from onnxmint.places.calls import ChangedError, again


class RemoteFile(io.RawIOBase):
    """The bytes of a remote file; a read that fails is repeated where it stopped, on the same content only."""

    def __init__(self, ask: Callable[[], Any], place: str, seen: list[Hashable]) -> None:
        """Open it.

        Args:
            ask: opens it, as pyarrow's file.
            place: as shown.
            seen: what was opened first of it; filled here if that is nothing yet.

        Raises:
            OSError: it cannot be read.
        """
        super().__init__()
        self._ask, self._where, self._seen = ask, place, seen
        self._place = 0
        self._handle: Any = None
        self.size = again(self._open, place)

    def _open(self) -> int:
        """Open, and make sure that it is what was opened before."""
        self._handle = self._ask()
        size = int(self._handle.size())
        stamp = size, _version(self._handle)
        if not self._seen:
            self._seen.append(stamp)
        if stamp != self._seen[0]:
            raise ChangedError("it was changed since it was listed; run again when nobody writes there")
        return size

    def _some(self, many: int) -> bytes:
        if self._handle is None:
            self._open()
        handle, self._handle = self._handle, None  # that of a failed call is not used again
        found: bytes = handle.read_at(many, self._place)
        if len(found) < many:
            raise OSError(f"Connection ended early: {len(found):,} of {many:,} bytes")
        self._handle = handle
        return found

    def whole(self) -> bytes:
        """Return the whole content, by one call.

        Raises:
            OSError: it cannot be read.
        """
        self._place = 0
        return again(lambda: self._some(self.size), self._where) if self.size else b""

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer."""
        many = min(len(buffer), max(self.size - self._place, 0))
        if many:
            buffer[:many] = again(lambda: self._some(many), self._where)
            self._place += many
        return many

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place."""
        self._place = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self.size}[whence]
        return self._place

    def tell(self) -> int:
        """Return the place."""
        return self._place

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def seekable(self) -> bool:
        """Return that any place can be gone to."""
        return True


def _version(handle: Any) -> Hashable:
    """Return what changes with the content, where the store says such a thing."""
    try:
        facts = handle.metadata()
    except (AttributeError, NotImplementedError, OSError):
        return None
    return next((value for name, value in (facts or {}).items() if str(name).lower() == "etag"), None)
