"""A set of image files as one hash, which anybody can make again without this package and which names no file."""

import hashlib
from dataclasses import dataclass
from typing import overload

import numpy as np
from numpy.typing import NDArray

from onnxmint.stats.ranges import Count
from onnxmint.writing.texts import TextColumn

HASH = 32  # bytes of a SHA-256
_BUCKETS, _FEW = 256, 1 << 16  # by the first byte; so few hashes are sorted at once


class Hashes(TextColumn):
    """SHA-256 in hexadecimal, made when asked for."""

    __slots__ = ("_encoded", "_rows")

    def __init__(self, encoded: NDArray[np.uint8], rows: NDArray[np.int64] | None = None) -> None:
        """Keep (n, 32) bytes, and which of them are meant, in this order; None for all."""
        self._encoded, self._rows = encoded, rows

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._encoded) if self._rows is None else len(self._rows)

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[str, ...]: ...
    def __getitem__(self, place: int | slice) -> str | tuple[str, ...]:
        """Return one, or some as a tuple."""
        if isinstance(place, slice):
            some = self._encoded[place if self._rows is None else self._rows[place]]
            return tuple(bytes(one).hex() for one in some)
        return bytes(self._encoded[place if self._rows is None else int(self._rows[place])]).hex()


@dataclass(frozen=True, slots=True, kw_only=True)
class ListFacts:
    """Which image files were given, whatever they are called.

    Attributes:
        images: that could be read, decodable or not.
        bytes: of them together.
        sha256: of their SHA-256 in hexadecimal, sorted, one a line: `sha256sum * | cut -c1-64 | sort | sha256sum`.
    """

    images: Count
    bytes: Count
    sha256: str


def list_facts(
    encoded: NDArray[np.uint8],
    size: NDArray[np.int64],
    more: NDArray[np.uint8] | None = None,
    more_size: NDArray[np.int64] | None = None,
) -> ListFacts:
    """Return the hash of a set of files.

    Args:
        encoded: (n, 32) SHA-256 of each.
        size: (n,) bytes of each; those of 0 could not be read and are left out.
        more: (m, 32) of others that belong to the set.
        more_size: (m,) bytes of these.
    """
    sides = [(encoded, size), *([] if more is None or more_size is None else [(more, more_size)])]
    found, first = hashlib.sha256(), [np.where(sizes > 0, one[:, 0].astype(np.int16), -1) for one, sizes in sides]
    least, step = 0, _BUCKETS if sum(map(len, first)) <= _FEW else 1
    while least < _BUCKETS:
        chosen = [np.flatnonzero((of >= least) & (of < least + step)) for of in first]
        there = np.concatenate([one[rows] for (one, _), rows in zip(sides, chosen, strict=True)])
        words = np.ascontiguousarray(there).view(">u8")
        text = there[np.lexsort(words.T[::-1])].tobytes().hex()
        found.update("".join(f"{text[at : at + 2 * HASH]}\n" for at in range(0, len(text), 2 * HASH)).encode())
        least += step
    return ListFacts(
        images=sum(int((of >= 0).sum()) for of in first),
        bytes=sum(int(sizes.sum()) for _, sizes in sides),
        sha256=found.hexdigest(),
    )
