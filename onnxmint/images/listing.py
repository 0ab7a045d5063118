"""The images of a source as columns: of millions each takes some tens of bytes, and is an object when asked for."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from onnxmint.images.entries import ImageEntry
from onnxmint.writing.scratch import Spool
from onnxmint.writing.texts import TextColumn

Rows = NDArray[np.int64]
_BLOCK = 1 << 14  # texts handled at once


class Texts(TextColumn):
    """Texts, as the bytes of all of them one after the other.

    Attributes:
        data: (b,) uint8 bytes of all texts, in UTF-8.
        ends: (n + 1,) int64 where each begins, and the end.
        rows: (m,) which of them are meant, in this order; None for all.
    """

    __slots__ = ("data", "ends", "rows")

    def __init__(self, data: NDArray[np.uint8], ends: Rows, rows: Rows | None = None) -> None:
        """Keep the columns."""
        self.data, self.ends, self.rows = data, ends, rows

    @classmethod
    def of(cls, texts: Iterable[str]) -> "Texts":
        """Return some texts, of which few are in memory at once."""
        every, made = iter(texts), _Coded()
        while some := list(itertools.islice(every, _BLOCK)):
            made.add(some)
        return made.texts()

    def take(self, rows: Rows) -> "Texts":
        """Return some of them, in the order of the row numbers."""
        if self.rows is not None:
            rows = self.rows[rows]
        elif len(rows) == len(self) and (not len(rows) or bool((np.diff(rows) == 1).all() and rows[0] == 0)):
            return self
        return Texts(self.data, self.ends, rows)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.ends) - 1 if self.rows is None else len(self.rows)

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[str, ...]: ...
    def __getitem__(self, place: int | slice) -> str | tuple[str, ...]:
        """Return one, or some as a tuple."""
        if isinstance(place, slice):
            return tuple(self.some(range(len(self))[place]))
        return self.some(range(len(self))[place : place + 1 or None])[0]

    def __iter__(self) -> Iterator[str]:
        """Yield them."""
        for start in range(0, len(self), _BLOCK):
            yield from self.some(range(start, min(start + _BLOCK, len(self))))

    def some(self, places: range) -> list[str]:
        """Return those of some places."""
        if not len(places):
            return []
        if self.rows is not None or places.step != 1:
            rows = np.array(places, np.int64)
            chosen = rows if self.rows is None else self.rows[rows]
            spans = zip(self.ends[chosen].tolist(), self.ends[chosen + 1].tolist(), strict=True)
            return [self.data[start:end].tobytes().decode("utf-8", "surrogatepass") for start, end in spans]
        ends = self.ends[places.start : places.stop + 1].tolist()
        data = self.data[ends[0] : ends[-1]].tobytes()
        pairs = itertools.pairwise(end - ends[0] for end in ends)
        return [data[start:end].decode("utf-8", "surrogatepass") for start, end in pairs]


class _Coded:
    """Texts that are being put together."""

    def __init__(self) -> None:
        self._data, self._ends, self._start = Spool(), Spool(), 0
        self._ends.add(np.zeros(1, np.int64).tobytes())

    def add(self, texts: Sequence[str]) -> None:
        coded = [text.encode("utf-8", "surrogatepass") for text in texts]
        ends = self._start + np.cumsum(np.fromiter(map(len, coded), np.int64, len(coded)))
        self._data.add(b"".join(coded))
        self._ends.add(ends.tobytes())
        self._start = int(ends[-1]) if len(ends) else self._start

    def texts(self) -> Texts:
        return Texts(self._data.array(), self._ends.array().view(np.int64))


class Listed(NamedTuple):
    """What is known of an image before it is read, but for its place."""

    path: str
    label: int | None
    group: str | None


class Listing(Sequence[ImageEntry]):
    """Entries of a source, each at its own position.

    Attributes:
        paths: of all.
        label: (n,) int64, 0 where there is none.
        labelled: (n,) bool, whether there is one.
        groups: of all, empty where there is none; None where no image has one.
        grouped: (n,) bool, whether there is one.
    """

    __slots__ = ("grouped", "groups", "label", "labelled", "paths")

    def __init__(self, listed: Iterable[Listed]) -> None:
        """Put the images into columns, few of them in memory at once."""
        paths, groups = _Coded(), _Coded()
        label, labelled, grouped = Spool(), Spool(), Spool()
        every = iter(listed)
        while some := list(itertools.islice(every, _BLOCK)):
            paths.add([one.path for one in some])
            groups.add([one.group or "" for one in some])
            label.add(np.array([one.label or 0 for one in some], np.int64).tobytes())
            labelled.add(np.array([one.label is not None for one in some], np.bool_).tobytes())
            grouped.add(np.array([one.group is not None for one in some], np.bool_).tobytes())
        self.paths, self.label = paths.texts(), label.array().view(np.int64)
        self.labelled, self.grouped = labelled.array().view(np.bool_), grouped.array().view(np.bool_)
        self.groups = groups.texts() if self.grouped.any() else None

    def __len__(self) -> int:
        """Return how many images there are."""
        return len(self.paths)

    @overload
    def __getitem__(self, place: int) -> ImageEntry: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[ImageEntry, ...]: ...
    def __getitem__(self, place: int | slice) -> ImageEntry | tuple[ImageEntry, ...]:
        """Return one, or some as a tuple."""
        chosen = range(len(self))[place]
        if isinstance(chosen, int):
            return next(self._entries(range(chosen, chosen + 1)))
        return tuple(self._entries(chosen))

    def __iter__(self) -> Iterator[ImageEntry]:
        """Yield them."""
        for start in range(0, len(self), _BLOCK):
            yield from self._entries(range(start, min(start + _BLOCK, len(self))))

    def __eq__(self, other: object) -> bool:
        """Return whether another sequence holds the same entries."""
        if not isinstance(other, (Listing, tuple, list)):
            return NotImplemented
        return len(self) == len(other) and all(one == two for one, two in zip(self, other, strict=True))

    def __hash__(self) -> int:
        """Return the hash of the entries as a tuple."""
        return hash(tuple(self))

    def _entries(self, places: range) -> Iterator[ImageEntry]:
        rows = np.array(places, np.int64)
        label = zip(self.label[rows].tolist(), self.labelled[rows].tolist(), strict=True)
        group = self.groups.some(places) if self.groups is not None else itertools.repeat("", len(places))
        names = zip(self.paths.some(places), label, group, self.grouped[rows].tolist(), strict=True)
        for index, (path, (number, told), belongs, among) in zip(places, names, strict=True):
            yield ImageEntry(index=index, path=path, label=number if told else None, group=belongs if among else None)


def has_label(entries: Sequence[ImageEntry]) -> NDArray[np.bool_]:
    """Return (n,) whether each image has a label."""
    if isinstance(entries, Listing):
        return entries.labelled
    return np.array([entry.label is not None for entry in entries], np.bool_)


class Span(AbstractSet[int]):
    """All positions of a source, as a set that takes no room."""

    __slots__ = ("_count",)

    def __init__(self, count: int) -> None:
        """Hold 0 to count - 1."""
        self._count = count

    def __len__(self) -> int:
        """Return how many there are."""
        return self._count

    def __iter__(self) -> Iterator[int]:
        """Yield them, rising."""
        return iter(range(self._count))

    def __contains__(self, value: object) -> bool:
        """Return whether a position is one of them."""
        return isinstance(value, int) and 0 <= value < self._count

    @classmethod
    def _from_iterable(cls, values: Iterable[int]) -> frozenset[int]:  # type: ignore[override]
        return frozenset(values)
