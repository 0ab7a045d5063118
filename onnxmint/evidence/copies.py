"""Copies: the same picture twice is no second vote, and on both sides it makes the evidence contradict itself."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from onnxmint.errors import EvidenceError
from onnxmint.evidence.known import Evidence
from onnxmint.evidence.table import MINIMUM
from onnxmint.images.duplicates import copies
from onnxmint.images.known_copies import Looks
from onnxmint.writing import scratch

_FEW = 0.05  # share of copies up to which they are left out; more of them are kept as groups
_NAMED = 1000  # images left out as copies that are named, first ones first

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Copies:
    """What was done about copies among the known images.

    Attributes:
        known: images before.
        on_both_sides: given both as member and as non-member, left out of both.
        near_copies_of_members: given as non-member but a near copy of a member, left out.
        left_out: a copy or near copy of another on its side, left out.
        grouped: a copy or near copy of another, kept together in every split.
        left_out_images: names of those left out, at most a thousand.
    """

    known: int
    on_both_sides: int
    near_copies_of_members: int
    left_out: int
    grouped: int
    left_out_images: tuple[str, ...]


def settle_copies(evidence: Evidence) -> tuple[Evidence, Copies]:
    """Leave out or group copies among the known images; say what was done.

    An image that is on both sides is left out of both, a non-member that is a near copy of a member is left out. Of
    copies on one side one stays, unless they are many: then, or where there are groups already, they become groups.

    Returns:
        What is left, and what was done.

    Raises:
        EvidenceError: too few are left because members and non-members are the same images.
    """
    table, facts = evidence.table, evidence.facts
    cluster = copies(facts.digest, facts.phash, facts.thumb).astype(np.int64)
    both = _on_both_sides(facts.digest, table.is_member)
    near = _on_both_sides(cluster, table.is_member) & ~both & ~table.is_member
    kept = np.flatnonzero(~both & ~near)
    surplus = _surplus(cluster[kept])
    grouped = table.groups is not None or surplus.sum() > _FEW * len(surplus)
    if not grouped:
        kept = kept[~surplus]
    left = evidence.take(kept)
    if grouped:
        left = _grouped(left, cluster[kept])
    fewest = min(int(left.table.is_member.sum()), int((~left.table.is_member).sum()))
    on_both = int((both & table.is_member).sum())
    if on_both and fewest < MINIMUM:
        raise EvidenceError(
            f"{on_both:,} of the known members are given as non-members too, and without them too few are left: an "
            "image cannot be both"
        )
    dropped = np.setdiff1d(np.arange(len(table.index)), kept)[:_NAMED]
    return left, Copies(
        known=len(table.index),
        on_both_sides=on_both,
        near_copies_of_members=int(near.sum()),
        left_out=0 if grouped else int(surplus.sum()),
        grouped=int(surplus.sum()) if grouped else 0,
        left_out_images=tuple(evidence.take(dropped).paths()),
    )


def group_copies(looks: Looks, groups: Rows | None) -> Rows | None:
    """Return (n,) groups of questioned images, near copies joined; None when every image stands for itself.

    Args:
        looks: of the images.
        groups: (n,) what is known to belong together.
    """
    cluster = copies(looks.digest, looks.phash, looks.thumb)
    if groups is not None:
        return _united(groups, cluster.astype(np.int64))
    alone = int(cluster.max(initial=-1)) + 1 == len(cluster)
    return None if alone else scratch.kept(cluster.astype(np.int64))


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


def _grouped(evidence: Evidence, cluster: Rows) -> Evidence:
    """Return the evidence with copies joined into groups."""
    table = evidence.table
    groups = cluster if table.groups is None else _united(table.groups, cluster)
    return replace(evidence, table=replace(table, groups=groups))


def _united(groups: Rows, cluster: Rows) -> Rows:
    """Return the groups after joining those that share a cluster."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    first, second = (np.unique(side, return_inverse=True)[1] for side in (groups, cluster))
    size = int(first.max()) + int(second.max()) + 2
    edges = coo_matrix((np.ones(len(first)), (first, second + int(first.max()) + 1)), shape=(size, size))
    numbers: Rows = connected_components(edges, directed=False)[1][first].astype(np.int64)
    return numbers
