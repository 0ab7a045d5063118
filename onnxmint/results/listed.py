"""A set of image files as one hash, which anybody can make again without this package and which names no file."""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onnxmint.stats.ranges import Count

HASH = 32  # bytes of a SHA-256


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


def list_facts(encoded: NDArray[np.uint8], size: NDArray[np.int64]) -> ListFacts:
    """Return the hash of a set of files.

    Args:
        encoded: (n, 32) SHA-256 of each.
        size: (n,) bytes of each; those of 0 could not be read and are left out.
    """
    there = encoded[size > 0]
    words = np.ascontiguousarray(there).view(">u8")
    text = there[np.lexsort(words.T[::-1])].tobytes().hex()
    lines = "".join(f"{text[start : start + 2 * HASH]}\n" for start in range(0, len(text), 2 * HASH))
    return ListFacts(images=len(there), bytes=int(size.sum()), sha256=hashlib.sha256(lines.encode()).hexdigest())
