"""A step of a comparison: sets of images that both models were shown, number by number and image by image."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onnxmint.errors import EvidenceError
from onnxmint.evidence.known import Evidence
from onnxmint.methods.measuring import KnownScores, check_left
from onnxmint.results.comparison import ComparedScores, ModelFacts, SetName
from onnxmint.results.facts import Skipped
from onnxmint.stats.estimates import FloatArray
from onnxmint.verdict.compared import with_places

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


def compared_scores(evidence: Evidence, shown: Sequence[Shown], rows: Sets) -> ComparedScores:
    """Return what both models say of every image."""
    paths, groups = evidence.paths(), evidence.table.groups
    every = [(row, name) for name in rows for row in rows[name].tolist()]
    index = np.array([row for row, _ in every], np.int64)
    right = [one.held.correct for one in shown]
    told = all(one is not None for one in right)
    before, after = (None if one is None or not told else np.asarray(one[index], np.bool_) for one in right)
    empty = np.zeros(len(index))
    return with_places(
        ComparedScores(
            path=tuple(paths[row] for row, _ in every),
            set=tuple(name for _, name in every),
            before=shown[0].score[index],
            after=shown[1].score[index],
            above_before=empty,
            above_after=empty,
            group=None if groups is None else groups[index],
            right_before=before,
            right_after=after,
        )
    )
