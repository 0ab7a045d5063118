"""Sequences of texts that are held as columns and made when asked for."""

from collections.abc import Sequence


class TextColumn(Sequence[str]):
    """What compares as the tuple of its texts; a subclass says how long it is and what stands where."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        """Return whether another sequence, of its own class or of texts, holds the same."""
        if not isinstance(other, (type(self), tuple, list)):
            return NotImplemented
        return len(self) == len(other) and all(one == two for one, two in zip(self, other, strict=True))

    def __hash__(self) -> int:
        """Return the hash of the texts as a tuple."""
        return hash(tuple(self))
