"""Questioned images: listed, looked at without a model, held against the known ones."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from onnxmint.cores import usable_cores
from onnxmint.errors import ImagesError
from onnxmint.evidence.copies import group_copies
from onnxmint.evidence.table import groups_of, index_at, labels_of, rows_at
from onnxmint.images.chosen import Images, Part
from onnxmint.images.entries import ImageEntry, ImageSource
from onnxmint.images.facts import ImageFacts, look_at
from onnxmint.images.known_copies import Looks, known_already
from onnxmint.images.listing import Span
from onnxmint.progress import Stage
from onnxmint.results.facts import Skipped
from onnxmint.results.listed import Hashes, ListFacts, list_facts
from onnxmint.stats.sampling import bottom
from onnxmint.writing.scratch import kept, release

_LOOKED_INTO = 2000  # questioned images that a classifier compares with the known non-members
_BLOCK = 1 << 18  # digests looked up at once

Rows = NDArray[np.int64]
Look = Callable[..., ImageFacts]
"""Looks at images, or knows what was seen of them: takes what `look_at` takes."""


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
        sample: what was drawn of them; None when all are to be judged.
        listed: which files were given.
        grouped: some rows and their groups, where these are known already.
    """

    source: ImageSource
    entries: Sequence[ImageEntry]
    labels: Rows | None
    facts: ImageFacts
    described: Rows
    known: tuple[Skipped, ...]
    known_row: Rows
    sample: "Sample | None" = None
    listed: ListFacts | None = None
    grouped: "tuple[Rows, Rows | None] | None" = None

    @property
    def to_judge(self) -> Rows:
        """Return the rows that are not known already, of a sample only its own."""
        if self.sample is not None:
            return self.sample.row
        free = np.ones(len(self.entries), np.bool_)
        free[self.known_row] = False
        return kept(np.flatnonzero(free))

    @property
    def identity(self) -> str:
        """Return the SHA-256 of the pixels of all images that can be decoded, whatever their order and files."""
        ordered = np.sort(self.facts.digest).astype("<u8", copy=False)
        return hashlib.sha256(np.ascontiguousarray(ordered).data).hexdigest()

    def images(self, rows: Rows) -> Images:
        """Return the images of some rows, ascending, to be shown."""
        label = None if self.labels is None else self.labels if self._all(rows) else self.labels[rows]
        index = index_at(self.entries, rows)
        part = Part(name="questioned", source=self.source, index=index, row=rows, label=label)
        return Images(parts=(part,), count=len(self.entries))

    def groups(self, rows: Rows) -> Rows | None:
        """Return groups of some rows, ascending, near copies joined; None when each image stands for itself."""
        if self.grouped is not None and np.array_equal(self.grouped[0], rows):
            return self.grouped[1]
        seen = self._seen(rows)
        looks = Looks(digest=self.facts.digest, phash=self.facts.phash, thumb=self.facts.thumb)
        return group_copies(looks if seen is None else looks.take(seen), groups_of(self.entries, rows))

    def with_groups(self, rows: Rows) -> "Questioned":
        """Return the same, with the groups of some rows at hand: of millions they take long to find."""
        return replace(self, grouped=(rows, self.groups(rows)))

    def digest(self, rows: Rows) -> NDArray[np.uint64]:
        """Return (n,) digests of the pixels of some rows that can be decoded."""
        seen = self._seen(rows)
        return self.facts.digest if seen is None else self.facts.digest[seen]

    def drawn(self, count: int, seed: int) -> Rows:
        """Return the rows to judge of so many different images or groups, ascending: the first ones of the sample."""
        rows = self.to_judge
        groups = groups_of(self.entries, rows)
        return rows[bottom(self.digest(rows), count, seed=seed, groups=groups)]

    def sha256(self, rows: Rows) -> Hashes:
        """Return (n,) hashes of the files of some rows that can be decoded, in hexadecimal."""
        return Hashes(self.facts.encoded, self._seen(rows))

    def _all(self, rows: Rows) -> bool:
        """Return whether rows, ascending, are all there are."""
        return len(rows) == len(self.entries)

    def _seen(self, rows: Rows) -> Rows | None:
        """Return the rows of `facts` that some rows, ascending, are; None where they are all, in this order.

        Raises:
            ImagesError: an image was not decoded when it was looked at, and was later.
        """
        if self._all(rows) and len(self.facts.index) == len(rows):
            return None
        index = index_at(self.entries, rows)
        place = np.searchsorted(self.facts.index, index)
        there = place < len(self.facts.index)
        there[there] = self.facts.index[place[there]] == index[there]
        if not there.all():
            path = self.entries[int(rows[~there][0])].path
            raise ImagesError(f"{path} could not be decoded at first, and could later: it was changed; run again")
        return place

    def row_of(self, index: Rows) -> Rows:
        """Return the rows of some positions in the source."""
        return rows_at(self.entries, index)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Questioned images of which only some are judged.

    Attributes:
        row: (s,) rows of those, ascending.
        units: different images, or groups, that they are.
        drawn_from: different images, or groups, that they stand for.
        unreadable: images that could not be drawn, as they cannot be decoded.
    """

    row: Rows
    units: int
    drawn_from: int
    unreadable: tuple[Skipped, ...]


def look_at_questioned(
    source: ImageSource,
    known: Looks,
    is_member: NDArray[np.bool_],
    *,
    rng: np.random.Generator,
    stage: Stage,
    sample: int | None = None,
    seed: int = 0,
    look: Look = look_at,
) -> Questioned:
    """Look at the questioned images without a model, and find the ones that are known already.

    Args:
        source: where they are.
        known: every known image; without perceptual hashes only exact copies of it are recognised.
        is_member: (n,) of each.
        rng: draws the images whose pixels are described.
        stage: told of the progress.
        sample: different images (or groups) that are judged at most; None judges all.
        seed: of the sample.
        look: looks at them.
    """
    entries = source.entries()
    drawn = to_describe(len(entries), rng)
    facts = look(
        source,
        wanted=Span(len(entries)),
        stage=stage,
        name="questioned, looked at",
        threads=usable_cores(),
        pixel_facts=drawn if sample is None or sample >= len(entries) else set(),
    )
    reasons = _known_already(facts, known, is_member)
    seen = np.array(sorted(reasons), np.int64)
    rows = rows_at(entries, facts.index[seen])
    release()
    asked = Questioned(
        source=source,
        entries=entries,
        labels=labels_of(entries),
        facts=facts,
        described=facts.described[~np.isin(facts.described, seen)],
        known=tuple(
            Skipped(path=entries[row].path, reason=f"is {reasons[place]} of the evidence: nothing to test")
            for row, place in zip(rows.tolist(), seen.tolist(), strict=True)
        ),
        known_row=rows,
        listed=list_facts(facts.encoded, facts.size, *facts.undecodable()),
    )
    release()
    return asked if sample is None else _sampled(asked, sample, seed=seed, stage=stage, look=look)


def to_describe(count: int, rng: np.random.Generator) -> frozenset[int]:
    """Draw the images whose pixels are described, of a source of so many."""
    return frozenset(rng.permutation(count)[:_LOOKED_INTO].tolist())


def _sampled(asked: Questioned, count: int, *, seed: int, stage: Stage, look: Look) -> Questioned:
    """Draw a sample of what is not known already, and look at its pixels."""
    free = asked.facts.take(~np.isin(asked.facts.index, index_at(asked.entries, asked.known_row)))
    rows = asked.row_of(free.index)
    groups = groups_of(asked.entries, rows)
    draw = partial(bottom, free.digest, seed=seed, groups=groups)
    chosen, every = draw(count), draw(len(rows))
    facts = free.take(chosen)
    if count < len(asked.entries):
        facts = look(
            asked.source,
            wanted=set(facts.index.tolist()),
            stage=stage,
            name="questioned, sample",
            threads=usable_cores(),
            pixel_facts=set(free.index[draw(min(count, _LOOKED_INTO))].tolist()),
        )

    def units(places: Rows) -> int:
        return len(places) if groups is None else len(np.unique(groups[places]))

    return replace(
        asked,
        facts=facts,
        described=facts.described,
        sample=Sample(
            row=rows[chosen],
            units=units(chosen),
            drawn_from=units(every),
            unreadable=tuple(Skipped(path=one.path, reason=one.reason) for one in asked.facts.unreadable),
        ),
    )


def _known_already(facts: ImageFacts, known: Looks, is_member: NDArray[np.bool_]) -> dict[int, str]:
    """Return which images are known ones, or near copies of such, by their rows, in words."""
    exact = [_among(facts.digest, known.digest[side]) for side in (is_member, ~is_member)]
    near = np.full(len(facts.digest), -1, np.int32)
    if len(known.phash):
        near = known_already(Looks(digest=facts.digest, phash=facts.phash, thumb=facts.thumb), known)
    found = {}
    for place in np.flatnonzero(exact[0] | exact[1] | (near >= 0)).tolist():
        if exact[0][place] or exact[1][place]:
            found[place] = "a known member" if exact[0][place] else "a known non-member"
        else:
            found[place] = f"a near copy of a known {'member' if is_member[near[place]] else 'non-member'}"
    return found


def _among(digest: NDArray[np.uint64], known: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Return (n,) whether each is one of the known, `_BLOCK` of them at a time."""
    found, ordered = np.zeros(len(digest), np.bool_), np.sort(known)
    for start in range(0, len(digest) if len(known) else 0, _BLOCK):
        some = digest[start : start + _BLOCK]
        place = np.minimum(np.searchsorted(ordered, some), len(ordered) - 1)
        found[start : start + _BLOCK] = ordered[place] == some
    return found
