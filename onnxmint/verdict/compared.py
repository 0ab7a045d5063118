"""What follows from the scores of two models: the changes of every set of images, and where each image stands.

A comparison makes this of what it has just observed, a check of a run of what the run kept.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from onnxmint.results.comparison import ComparedScores, ComparedSet, SetName
from onnxmint.stats import paired
from onnxmint.stats.estimates import FloatArray

_RESAMPLES = 1  # of the seed's streams that of resampled images, which nothing else draws from

Rows = NDArray[np.int64]


def compared_sets(scores: ComparedScores, seed: int) -> tuple[ComparedSet, ...]:
    """Compare every set with held-out images in both models.

    Args:
        scores: of all images that both models gave a number for, one set after the other.
        seed: of the comparison.

    Raises:
        ValueError: there are no held-out images, or scores that cannot be.
    """
    rng = np.random.default_rng((seed, _RESAMPLES))
    names = dict.fromkeys(scores.set)
    rows: dict[SetName, Rows] = {name: np.flatnonzero(np.array(scores.set) == name) for name in names}
    if "non-members" not in rows:
        raise ValueError("no images are held out")
    return tuple(_compared(name, rows, scores, rng) for name in rows)


def with_places(scores: ComparedScores) -> ComparedScores:
    """Return scores with the share of held-out images that each stands above, in both models."""
    outside = np.array(scores.set) == "non-members"
    before, after = (_above(score, score[outside]) for score in (scores.before, scores.after))
    return replace(scores, above_before=before, above_after=after)


def _compared(
    name: SetName, rows: Mapping[SetName, Rows], scores: ComparedScores, rng: np.random.Generator
) -> ComparedSet:
    """Compare one set.

    Args:
        name: of the set.
        rows: of every set.
        scores: of all images.
        rng: source of the resamples.
    """
    both = np.stack([scores.before, scores.after])

    def side(of: SetName, values: FloatArray = both) -> paired.Side:
        chosen = rows[of]
        return paired.Side(score=values[:, chosen], groups=None if scores.group is None else scores.group[chosen])

    members = side("members") if name == "forget" and "members" in rows else None
    found = () if name == "non-members" else paired.changes(side(name), side("non-members"), members, rng)
    if scores.right_before is not None and scores.right_after is not None:
        right = np.stack([scores.right_before, scores.right_after]).astype(np.float64)
        found = (*found, paired.accuracy_change(side(name, right), rng))
    return ComparedSet(name=name, images=len(rows[name]), changes=found, alike=_alike(both[:, rows[name]]))


def _alike(scores: FloatArray) -> float | None:
    from scipy.stats import rankdata

    ranks = [rankdata(side) for side in scores]
    if any(np.ptp(side) == 0 for side in ranks):
        return None
    return float(np.clip(np.corrcoef(ranks[0], ranks[1])[0, 1], -1, 1))


def _above(score: FloatArray, outside: FloatArray) -> FloatArray:
    """Return (n,) share of held-out scores below each, ties counting half."""
    ordered = np.sort(outside)
    below, upto = (np.searchsorted(ordered, score, side=side) for side in ("left", "right"))
    found: FloatArray = (below + upto) / (2 * len(ordered))
    return found
