"""Copies: the same picture twice is no second vote, and on both sides it makes the evidence contradict itself."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onnxmint.engine.session import usable_cores
from onnxmint.errors import EvidenceError
from onnxmint.evidence.table import MINIMUM, EvidenceTable
from onnxmint.images.duplicates import copies
from onnxmint.images.entries import ImageSource
from onnxmint.images.facts import ImageFacts, look_at
from onnxmint.progress import Stage
from onnxmint.results.facts import Control, CopyFacts

_LOOKED_INTO = 2000  # images of a side whose pixels are described; the classifiers take no more
_FEW = 0.05  # share of copies up to which they are left out; more of them are kept as groups

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """Known images and what they look like, row by row; of images that cannot be decoded nothing is known (NaN)."""

    table: EvidenceTable
    facts: ImageFacts

    def rows_of(self, table: EvidenceTable) -> Rows:
        """Return which rows of a table these are."""
        key = {(int(i), bool(m)): row for row, (i, m) in enumerate(zip(table.index, table.is_member, strict=True))}
        return np.array([key[int(i), bool(m)] for i, m in zip(self.table.index, self.table.is_member, strict=True)])

    def take(self, rows: Rows) -> "Looked":
        """Return some rows."""
        return Looked(table=self.table.take(rows), facts=self.facts.take(rows))


def look_at_known(
    table: EvidenceTable, sources: tuple[ImageSource, ImageSource], *, rng: np.random.Generator, stage: Stage
) -> Looked:
    """Look at all known images without a model.

    Args:
        table: the known images, not yet divided.
        sources: of members and of non-members.
        rng: draws the images whose pixels are described.
        stage: told of the progress.

    Raises:
        EvidenceError: no image of a side can be decoded.
    """
    rows, seen = [], []
    for source, member, words in zip(sources, (True, False), ("members", "non-members"), strict=True):
        mine = np.flatnonzero(table.is_member == member)
        drawn = table.index[rng.permutation(mine)[:_LOOKED_INTO]]
        facts = look_at(
            source,
            wanted=set(table.index[mine].tolist()),
            stage=stage,
            name=f"{words}, looked at",
            threads=usable_cores(),
            pixel_facts=set(drawn.tolist()),
        )
        if not len(facts.index):
            raise EvidenceError(f"none of the known {words} in {source.location} can be decoded; give images that open")
        row_of = dict(zip(table.index[mine].tolist(), mine.tolist(), strict=True))
        missing = sorted(set(row_of) - set(facts.index.tolist()))
        both = ImageFacts.joined([facts, *([_unseen(np.array(missing, np.int64), facts, rng)] if missing else [])])
        rows.append(np.array([row_of[index] for index in both.index.tolist()], np.int64))
        seen.append(both)
    order = np.argsort(np.concatenate(rows))
    return Looked(table=table, facts=ImageFacts.joined(seen).take(order))


def _unseen(index: Rows, like: ImageFacts, rng: np.random.Generator) -> ImageFacts:
    """Return the facts of images that cannot be decoded: no copies of anything; the reader will name them."""
    count = len(index)
    hashes = rng.integers(0, 1 << 63, (2, count), np.uint64)
    return ImageFacts(
        index=index,
        file=np.full((count, like.file.shape[1]), np.nan, np.float32),
        statistics=like.statistics[:0],
        place=np.full(count, -1, np.int32),
        digest=hashes[0],
        phash=hashes[1],
        thumb=np.zeros((count, like.thumb.shape[1]), np.uint8),
    )


def settle_copies(looked: Looked) -> tuple[Looked, Control, Rows]:
    """Leave out or group copies among the known images; say what was done.

    An image that is on both sides is left out of both, a non-member that is a near copy of a member is left out. Of
    copies on one side one stays, unless they are many: then, or where there are groups already, they become groups.

    Returns:
        What is left, what was done, and the rows of the table that were left out.

    Raises:
        EvidenceError: too few are left because members and non-members are the same images.
    """
    table = looked.table
    cluster = copies(looked.facts.digest, looked.facts.phash, looked.facts.thumb)
    both = _on_both_sides(looked.facts.digest, table.is_member)
    near = _on_both_sides(cluster, table.is_member) & ~both & ~table.is_member
    kept = np.flatnonzero(~both & ~near)
    looked, cluster = looked.take(kept), cluster[kept]
    surplus = _surplus(cluster)
    grouped = 0
    if looked.table.groups is not None or surplus.sum() > _FEW * len(surplus):
        looked = _grouped(looked, cluster)
        grouped, removed = int(surplus.sum()), 0
    else:
        removed = int(surplus.sum())
        looked = looked.take(np.flatnonzero(~surplus))
    left = min(int(looked.table.is_member.sum()), int((~looked.table.is_member).sum()))
    on_both = int((both & table.is_member).sum())
    if on_both and left < MINIMUM:
        raise EvidenceError(
            f"{on_both:,} of the known members are given as non-members too, and without them too few are left: an "
            "image cannot be both"
        )
    dropped = np.setdiff1d(np.arange(len(table.index)), looked.rows_of(table))
    return looked, _control(on_both, int(near.sum()), removed, grouped, len(table.index)), dropped


def group_copies(facts: ImageFacts, groups: Rows | None) -> Rows | None:
    """Return (n,) groups of questioned images, near copies joined; None when every image stands for itself.

    Args:
        facts: of the images.
        groups: (n,) what is known to belong together.
    """
    cluster = copies(facts.digest, facts.phash, facts.thumb)
    if groups is None:
        return cluster if _surplus(cluster).any() else None
    return _united(groups, cluster)


def _control(both: int, near: int, removed: int, grouped: int, count: int) -> Control:
    found = []
    if both:
        found.append(f"{both:,} given both as member and as non-member, left out of both")
    if near:
        found.append(f"{near:,} given as non-member but a near copy of a member, left out")
    if removed:
        found.append(f"{removed:,} a copy or near copy of another on its side, left out")
    if grouped:
        found.append(f"{grouped:,} a copy or near copy of another, kept together in every split")
    text = "; ".join(found) if found else "none is a copy or near copy of another"
    copies = CopyFacts(on_both_sides=both, near_copies_of_members=near, left_out=removed, grouped=grouped)
    return Control(name="duplicates", passed=not both, text=f"Of {count:,} known images: {text}.", copies=copies)


def _on_both_sides(number: NDArray[np.generic], is_member: NDArray[np.bool_]) -> NDArray[np.bool_]:
    place = np.unique(number, return_inverse=True)[1]
    inside, outside = (np.bincount(place, weights=side) > 0 for side in (is_member, ~is_member))
    found: NDArray[np.bool_] = (inside & outside)[place]
    return found


def _surplus(cluster: Rows) -> NDArray[np.bool_]:
    """Return which images are not the first of their cluster."""
    found = np.ones(len(cluster), np.bool_)
    found[np.unique(cluster, return_index=True)[1]] = False
    return found


def _grouped(looked: Looked, cluster: Rows) -> Looked:
    from dataclasses import replace

    groups = cluster if looked.table.groups is None else _united(looked.table.groups, cluster)
    return replace(looked, table=replace(looked.table, groups=groups))


def _united(groups: Rows, cluster: Rows) -> Rows:
    """Return the groups after joining those that share a cluster."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    first, second = (np.unique(side, return_inverse=True)[1] for side in (groups, cluster))
    size = int(first.max()) + int(second.max()) + 2
    edges = coo_matrix((np.ones(len(first)), (first, second + int(first.max()) + 1)), shape=(size, size))
    numbers: Rows = connected_components(edges, directed=False)[1][first].astype(np.int64)
    return numbers
