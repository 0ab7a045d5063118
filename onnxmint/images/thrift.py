"""Thrift's compact protocol, in which Parquet writes its footer and the headers of its pages: read as far as needed.

pyarrow reads the same, but ends the process where a stranger's numbers contradict each other.
"""

from collections.abc import Mapping
from typing import Any

_DEEPEST = 12  # structures within each other; a footer has seven
_TRUE, _FALSE, _BYTE, _SHORT, _INT, _LONG, _DOUBLE, _BYTES, _LIST, _SET, _STRUCT = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12
_WHOLE = (_SHORT, _INT, _LONG)

Wanted = Mapping[int, Any]
"""Fields that are wanted of a structure, by number: each with what is wanted of the structures inside, or None."""


class ThriftError(ValueError):
    """What stands there is no such structure."""


class Compact:
    """Reads one structure after the other.

    Attributes:
        place: where the next byte is.
    """

    def __init__(self, content: bytes) -> None:
        """Start at the first byte."""
        self._content = content
        self.place = 0

    def structure(self, wanted: Wanted, depth: int = 0) -> dict[int, Any]:
        """Return the wanted fields of the structure that begins here: numbers, bytes, lists, structures.

        Raises:
            ThriftError: it is none.
            IndexError: it does not end within the content.
        """
        if depth > _DEEPEST:
            raise ThriftError("nested too deep")
        found: dict[int, Any] = {}
        field = 0
        while byte := self._byte():
            step, kind = byte >> 4, byte & 15
            field = field + step if step else self._signed()
            if field in wanted:
                found[field] = self._value(kind, wanted[field] or {}, depth)
            else:
                self._value(kind, None, depth)
        return found

    def _value(self, kind: int, wanted: Wanted | None, depth: int, *, listed: bool = False) -> Any:
        """Return a value of a kind, or pass it where nothing is wanted of it."""
        if kind in (_TRUE, _FALSE):  # of a field, the kind says it
            return self._byte() == _TRUE if listed else kind == _TRUE
        if kind in _WHOLE:
            return self._signed()
        if kind in (_BYTE, _DOUBLE, _BYTES):
            return self._bytes({_BYTE: 1, _DOUBLE: 8}.get(kind) or self._unsigned(), keep=wanted is not None)
        if kind in (_LIST, _SET):
            return self._list(wanted, depth)
        if kind == _STRUCT:
            return self.structure(wanted or {}, depth + 1)
        raise ThriftError(f"no kind of value: {kind}")

    def _list(self, wanted: Wanted | None, depth: int) -> list[Any]:
        if depth > _DEEPEST:
            raise ThriftError("nested too deep")
        byte = self._byte()
        count = byte >> 4 if byte >> 4 < 15 else self._unsigned()  # noqa: PLR2004 - then it follows
        if count > len(self._content) - self.place:  # each takes a byte at least
            raise IndexError
        values = [self._value(byte & 15, wanted, depth + 1, listed=True) for _ in range(count)]
        return values if wanted is not None else []

    def _bytes(self, count: int, *, keep: bool) -> bytes:
        start = self.place
        self.place += count
        if self.place > len(self._content):
            raise IndexError
        return self._content[start : self.place] if keep else b""

    def _byte(self) -> int:
        self.place += 1
        return self._content[self.place - 1]

    def _unsigned(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:  # noqa: PLR2004 - the last one
                return value
            if shift > 63:  # noqa: PLR2004 - longer than any number
                raise ThriftError("an endless number")

    def _signed(self) -> int:
        value = self._unsigned()
        return (value >> 1) ^ -(value & 1)
