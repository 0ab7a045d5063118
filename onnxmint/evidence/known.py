"""The known images: which they are, where they are and what they look like, row by row."""

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from onnxmint.evidence.table import EvidenceTable
from onnxmint.images.chosen import Images, Part
from onnxmint.images.entries import ImageSource
from onnxmint.images.facts import HASH, ImageFacts
from onnxmint.images.known_copies import Looks
from onnxmint.results.listed import ListFacts, list_facts

Rows = NDArray[np.int64]

SIDES = ((True, "members"), (False, "non-members"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Others:
    """Images that were given for known and are no rows: of them is kept what copies of them are told by.

    Attributes:
        looks: of (n,) images.
        is_member: (n,) bool, the side that each was given for.
        unseen: images that were too many to be looked at, so that copies of them cannot be told.
    """

    looks: Looks
    is_member: NDArray[np.bool_]
    unseen: int = 0


_NONE = Others(
    looks=Looks(digest=np.empty(0, np.uint64), phash=np.empty(0, np.uint64), thumb=np.empty((0, 192), np.uint8)),
    is_member=np.empty(0, np.bool_),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """The files of known images as they were given, used or not, decodable or not.

    Attributes:
        index: (n,) position in its source.
        is_member: (n,) bool.
        encoded: (n, 32) uint8, SHA-256.
        size: (n,) int64, bytes; 0 where a file could not be read.
    """

    index: Rows = field(default_factory=lambda: np.empty(0, np.int64))
    is_member: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, np.bool_))
    encoded: NDArray[np.uint8] = field(default_factory=lambda: np.empty((0, HASH), np.uint8))
    size: Rows = field(default_factory=lambda: np.empty(0, np.int64))

    @classmethod
    def of(cls, facts: ImageFacts, *, is_member: NDArray[np.bool_]) -> "Files":
        """Return the files of known images, a row an image: those that cannot be decoded are rows too."""
        return cls(index=facts.index, is_member=is_member, encoded=facts.encoded, size=facts.size)

    def and_more(self, facts: ImageFacts, *, member: bool) -> "Files":
        """Return them with those of other images of one side, those that cannot be decoded too."""
        encoded, size = facts.files()
        index = np.concatenate([facts.index, np.array([one.index for one in facts.unreadable], np.int64)])
        return Files(
            index=np.concatenate([self.index, index]),
            is_member=np.concatenate([self.is_member, np.full(len(index), member)]),
            encoded=np.concatenate([self.encoded, encoded]),
            size=np.concatenate([self.size, size]),
        )

    def without(self, *, member: bool) -> "Files":
        """Return those of the other side: where some were not looked at, a list would not be whole."""
        kept = self.is_member != member
        return Files(
            index=self.index[kept], is_member=self.is_member[kept], encoded=self.encoded[kept], size=self.size[kept]
        )

    def listed(self, *, member: bool) -> ListFacts | None:
        """Return which files were given for one side, None where none were."""
        mine = self.is_member == member
        return list_facts(self.encoded[mine], self.size[mine]) if mine.any() else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Known members and non-members.

    Attributes:
        table: which they are, one row an image.
        sources: where members and non-members are.
        facts: what they look like, row by row; of images that cannot be decoded nothing is known (NaN).
        others: what was given and left out: copies, and what a limit did not draw.
        files: of all that was looked at.
    """

    table: EvidenceTable
    sources: tuple[ImageSource, ...]
    facts: ImageFacts
    others: Others = _NONE
    files: Files = Files()

    def take(self, rows: Rows) -> "Evidence":
        """Return some rows, in this order."""
        return replace(self, table=self.table.take(rows), facts=self.facts.take(rows))

    def images(self, *parts: int) -> Images:
        """Return the images of some parts, to be shown; of all parts when none is named."""
        table = self.table
        chosen = parts or tuple(np.unique(table.part).tolist())
        return self.chosen(table.rows(*chosen))

    def chosen(self, rows: Rows) -> Images:
        """Return the images of some rows, ascending, to be shown."""
        table, found = self.table, []
        for source, (member, name) in zip(self.sources, SIDES, strict=True):
            mine = rows[table.is_member[rows] == member]
            label = None if table.labels is None else table.labels[mine]
            found.append(Part(name=name, source=source, index=table.index[mine], row=mine, label=label))
        return Images(parts=tuple(found), count=len(table.index))

    def some(self, most: int, rng: np.random.Generator) -> tuple["Evidence", Rows]:
        """Return at most so many images of a side, drawn at random, and their rows."""
        table = self.table
        drawn = [rng.permutation(np.flatnonzero(table.is_member == member))[:most] for member, _ in SIDES]
        rows = np.sort(np.concatenate(drawn))
        return self.take(rows), rows

    def paths(self) -> list[str]:
        """Return (n,) names of the images, as reports name them."""
        return names_of(self.table, self.sources)


def names_of(table: EvidenceTable, sources: tuple[ImageSource, ...]) -> list[str]:
    """Return (n,) names of the images of a table, as reports name them."""
    names = [{entry.index: entry.path for entry in source.entries()} for source in sources]
    sides = np.where(table.is_member, 0, 1).tolist()
    return [names[side][index] for side, index in zip(sides, table.index.tolist(), strict=True)]
