"""Questioned images: listed, looked at without a model, held against the known ones."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onnxmint.cores import usable_cores
from onnxmint.errors import ImagesError
from onnxmint.evidence.copies import group_copies
from onnxmint.evidence.table import groups_of, labels_of
from onnxmint.images.chosen import Images, Part
from onnxmint.images.entries import ImageEntry, ImageSource
from onnxmint.images.facts import ImageFacts, look_at
from onnxmint.progress import Stage
from onnxmint.results.facts import Skipped

_LOOKED_INTO = 2000  # questioned images that a classifier compares with the known non-members

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Questioned:
    """Questioned images as they were looked at; rows are those of `entries`.

    Attributes:
        source: where they are.
        entries: all of them.
        labels: (n,) int64 classes, None when not all are known.
        facts: of those that can be decoded.
        described: rows of `facts` whose pixels were described.
        known: copies of known images, which are not judged.
        known_row: (k,) their rows.
    """

    source: ImageSource
    entries: Sequence[ImageEntry]
    labels: Rows | None
    facts: ImageFacts
    described: Rows
    known: tuple[Skipped, ...]
    known_row: Rows

    @property
    def to_judge(self) -> Rows:
        """Return the rows that are not known already."""
        return np.setdiff1d(np.arange(len(self.entries)), self.known_row)

    def images(self, rows: Rows) -> Images:
        """Return the images of some rows, ascending, to be shown."""
        index = np.array([self.entries[row].index for row in rows.tolist()], np.int64)
        label = None if self.labels is None else self.labels[rows]
        part = Part(name="questioned", source=self.source, index=index, row=rows, label=label)
        return Images(parts=(part,), count=len(self.entries))

    def groups(self, rows: Rows) -> Rows | None:
        """Return groups of some rows, ascending, near copies joined; None when each image stands for itself."""
        return group_copies(self.facts.take(self._seen(rows)), groups_of([self.entries[row] for row in rows.tolist()]))

    def digest(self, rows: Rows) -> NDArray[np.uint64]:
        """Return (n,) digests of the pixels of some rows that can be decoded."""
        return self.facts.digest[self._seen(rows)]

    def _seen(self, rows: Rows) -> Rows:
        """Return the rows of `facts` that some rows are.

        Raises:
            ImagesError: an image was not decoded when it was looked at, and was later.
        """
        index = np.array([self.entries[row].index for row in rows.tolist()], np.int64)
        place = np.searchsorted(self.facts.index, index)
        there = np.isin(index, self.facts.index)
        if not there.all():
            path = self.entries[rows[~there][0]].path
            raise ImagesError(f"{path} could not be decoded at first, and could later: it was changed; run again")
        return place

    def row_of(self, index: Rows) -> Rows:
        """Return the rows of some positions in the source."""
        of = {entry.index: row for row, entry in enumerate(self.entries)}
        return np.array([of[number] for number in index.tolist()], np.int64)


def look_at_questioned(
    source: ImageSource,
    digest: NDArray[np.uint64],
    is_member: NDArray[np.bool_],
    *,
    rng: np.random.Generator,
    stage: Stage,
) -> Questioned:
    """Look at the questioned images without a model, and find the ones that are known already.

    Args:
        source: where they are.
        digest: (n,) of the pixels of every known image.
        is_member: (n,) of each.
        rng: draws the images whose pixels are described.
        stage: told of the progress.
    """
    entries = source.entries()
    index = np.array([entry.index for entry in entries], np.int64)
    drawn = set(rng.permutation(index)[:_LOOKED_INTO].tolist())
    facts = look_at(
        source,
        wanted=set(index.tolist()),
        stage=stage,
        name="questioned, looked at",
        threads=usable_cores(),
        pixel_facts=drawn,
    )
    member, nonmember = (np.isin(facts.digest, digest[side]) for side in (is_member, ~is_member))
    seen = np.flatnonzero(member | nonmember)
    row_of = {entry.index: row for row, entry in enumerate(entries)}
    rows = np.array([row_of[number] for number in facts.index[seen].tolist()], np.int64)
    return Questioned(
        source=source,
        entries=entries,
        labels=labels_of(entries),
        facts=facts,
        described=facts.described[~np.isin(facts.described, seen)],
        known=tuple(
            Skipped(path=entries[row].path, reason=f"is a known {side} of the evidence: nothing to test")
            for row, side in zip(rows.tolist(), np.where(member[seen], "member", "non-member").tolist(), strict=True)
        ),
        known_row=rows,
    )
