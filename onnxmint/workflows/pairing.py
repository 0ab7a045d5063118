"""A step of a comparison: sets of images that both models were shown, number by number and image by image."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onnxmint.errors import EvidenceError
from onnxmint.evidence.known import Evidence
from onnxmint.methods.measuring import KnownScores, check_left
from onnxmint.results.comparison import ComparedScores, ComparedSet, ModelFacts, SetName
from onnxmint.results.facts import Skipped
from onnxmint.stats import paired
from onnxmint.stats.estimates import FloatArray

_FEWEST = 5  # images of a set that both models gave a number for

Rows = NDArray[np.int64]
Sets = Mapping[SetName, Rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What one model said of all images.

    Attributes:
        model: it.
        held: what was kept of its answers.
        score: (n,) what is compared, NaN where it gave no number.
        skipped: images that it gave none for.
    """

    model: ModelFacts
    held: KnownScores
    score: FloatArray
    skipped: tuple[Skipped, ...]


def rows_of_sets(evidence: Evidence, shown: Sequence[Shown], forgotten: NDArray[np.bool_]) -> Sets:
    """Return the rows of each set that both models gave a number for, the one that is judged first.

    Raises:
        EvidenceError: too few are left of one.
    """
    both = np.logical_and.reduce([one.held.read & np.isfinite(one.score) for one in shown])
    is_member, found = evidence.table.is_member, dict[SetName, Rows]()
    if forgotten.any():
        found["forget"] = np.flatnonzero(both & forgotten)
    if (is_member & ~forgotten).any():
        found["members"] = np.flatnonzero(both & is_member & ~forgotten)
    found["non-members"] = np.flatnonzero(both & ~is_member)
    check_left([int((both & is_member).sum()), len(found["non-members"])], "to compare")
    for name, rows in found.items():
        if len(rows) < _FEWEST:
            raise EvidenceError(
                f"both models gave a number for only {len(rows)} images of the set {name!r}, once copies were left "
                f"out: give at least {_FEWEST}, better hundreds"
            )
    return found


def compared_set(
    name: SetName, rows: Sets, shown: Sequence[Shown], evidence: Evidence, rng: np.random.Generator
) -> ComparedSet:
    """Compare one set with held-out images in both models.

    Args:
        name: of the set.
        rows: of every set.
        shown: both models.
        evidence: the images.
        rng: source of the resamples.
    """
    scores, groups = np.stack([one.score for one in shown]), evidence.table.groups

    def side(of: SetName, values: FloatArray = scores) -> paired.Side:
        chosen = rows[of]
        return paired.Side(score=values[:, chosen], groups=None if groups is None else groups[chosen])

    members = side("members") if name == "forget" and "members" in rows else None
    found = () if name == "non-members" else paired.changes(side(name), side("non-members"), members, rng)
    right = [one.held.correct for one in shown]
    if all(one is not None for one in right):
        found = (*found, paired.accuracy_change(side(name, np.stack([np.asarray(one) for one in right])), rng))
    return ComparedSet(name=name, images=len(rows[name]), changes=found, alike=_alike(scores[:, rows[name]]))


def _alike(scores: FloatArray) -> float | None:
    from scipy.stats import rankdata

    ranks = [rankdata(side) for side in scores]
    if any(np.ptp(side) == 0 for side in ranks):
        return None
    return float(np.clip(np.corrcoef(ranks[0], ranks[1])[0, 1], -1, 1))


def compared_scores(evidence: Evidence, shown: Sequence[Shown], rows: Sets) -> ComparedScores:
    """Return what both models say of every image."""
    paths, outside = evidence.paths(), rows["non-members"]
    every = [(row, name) for name in rows for row in rows[name].tolist()]
    index = np.array([row for row, _ in every], np.int64)
    above = [_above(one.score[index], one.score[outside]) for one in shown]
    return ComparedScores(
        path=tuple(paths[row] for row, _ in every),
        set=tuple(name for _, name in every),
        before=shown[0].score[index],
        after=shown[1].score[index],
        above_before=above[0],
        above_after=above[1],
    )


def _above(score: FloatArray, outside: FloatArray) -> FloatArray:
    """Return (n,) share of held-out scores below each, ties counting half."""
    ordered = np.sort(outside)
    below, upto = (np.searchsorted(ordered, score, side=side) for side in ("left", "right"))
    found: FloatArray = (below + upto) / (2 * len(ordered))
    return found
