"""The known images: which they are, where they are and what they look like, row by row."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from onnxmint.evidence.table import EvidenceTable
from onnxmint.images.chosen import Images, Part
from onnxmint.images.entries import ImageSource
from onnxmint.images.facts import ImageFacts
from onnxmint.images.known_copies import Looks

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
class Evidence:
    """Known members and non-members.

    Attributes:
        table: which they are, one row an image.
        sources: where members and non-members are.
        facts: what they look like, row by row; of images that cannot be decoded nothing is known (NaN).
        others: what was given and left out: copies, and what a limit did not draw.
    """

    table: EvidenceTable
    sources: tuple[ImageSource, ...]
    facts: ImageFacts
    others: Others = _NONE

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
