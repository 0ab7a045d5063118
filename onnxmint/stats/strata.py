"""Like is compared with like: strata of difficulty and class, and what one test sees of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onnxmint.stats.estimates import FloatArray
from onnxmint.stats.heldout import HeldOut, Numbers

UNIFORM = 1 / 12
"""Variance of a non-member's placement among very many known ones without ties."""
MOST = 20  # strata of difficulty; more take nothing away that is left (measured, see tools/study)
_WANTED = 20  # known non-members that a stratum should hold on average


@dataclass(frozen=True, slots=True, kw_only=True)
class Stratifier:
    """A rule that gives every image its stratum, fixed before the questioned images are seen.

    Attributes:
        edges: (s - 1,) rising difficulties between s strata; none where difficulty is left aside.
        by_class: whether classes are kept apart too.
    """

    edges: FloatArray
    by_class: bool

    def of(self, difficulty: FloatArray | None, classes: Numbers | None) -> NDArray[np.int64]:
        """Return (n,) strata of images.

        Args:
            difficulty: (n,) NaN where unknown: such images are a stratum of their own; None leaves difficulty aside.
            classes: (n,) None only where classes are not kept apart.

        Raises:
            ValueError: classes are kept apart, but none are given.
        """
        if self.by_class and classes is None:
            raise ValueError("the strata are of classes too, give the classes of the images")
        if difficulty is None and classes is None:
            raise ValueError("give the difficulty or the classes of the images")
        first = difficulty if difficulty is not None else classes
        count = 0 if first is None else len(first)
        level = np.zeros(count, np.int64) if difficulty is None else _level(difficulty, self.edges)
        if not self.by_class or classes is None:
            return level
        return classes.astype(np.int64) * self.span + level

    @property
    def span(self) -> int:
        """Return how many numbers the strata of one class take up: one is of images of unknown difficulty."""
        return len(self.edges) + 2


def stratify(
    difficulty: FloatArray | None, classes: Numbers | None, *, most: int = MOST, wanted: int = _WANTED
) -> Stratifier:
    """Return strata of about equally many known non-members, as many as these allow.

    Args:
        difficulty: (n,) of known non-members for models not trained on them, NaN where unknown; None leaves it aside.
        classes: (n,) of the same images; None does not keep classes apart.
        most: strata of difficulty at most.
        wanted: non-members that a stratum should hold on average.
    """
    by_class = classes is not None
    if difficulty is None:
        return Stratifier(edges=np.empty(0), by_class=by_class)
    finite = difficulty[np.isfinite(difficulty)]
    kinds = len(np.unique(classes)) if classes is not None else 1
    count = int(np.clip(len(finite) // (wanted * kinds), 1, most))
    edges: FloatArray = np.unique(np.quantile(finite, np.arange(1, count) / count)) if len(finite) else np.empty(0)
    return Stratifier(edges=edges, by_class=by_class)


def _level(difficulty: FloatArray, edges: FloatArray) -> NDArray[np.int64]:
    level: NDArray[np.int64] = np.searchsorted(edges, difficulty, side="right").astype(np.int64)
    return np.where(np.isfinite(difficulty), level, len(edges) + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """The strata in which some questioned units meet known non-members, and what each is worth.

    Attributes:
        numbers: (h,) rising numbers of the strata that questioned units lie in.
        cell: (q,) place of each unit's stratum in the other fields.
        known_cell: (n,) the same of the known non-members, -1 in strata that none is asked of.
        asked: (h,) questioned units.
        known: (h,) known non-members, 0 where a stratum knows none: its units take no part.
        known_ties: (h,) sum of t^3 - t over the scores that t known ones share.
        ties: (h,) the same over known and questioned ones together.
        inflation: of the variance that comes from the known ones.
    """

    numbers: Numbers
    cell: Numbers
    known_cell: Numbers
    asked: FloatArray
    known: FloatArray
    known_ties: FloatArray
    ties: FloatArray
    inflation: float

    @classmethod
    def of(cls, questioned: FloatArray, known: HeldOut, stratum: Numbers | None = None) -> "Cells":
        """Return the cells of questioned units.

        Ties are counted for one network only: for several the variance without ties is an upper bound.

        Args:
            questioned: (q,) or (q, K) scores.
            known: what they are measured by.
            stratum: (q,) where the known ones have strata.
        """
        columns = known.columns(questioned)
        mine, theirs = known.strata(stratum, len(columns))
        numbers = np.unique(mine)
        cell = np.searchsorted(numbers, mine).astype(np.int32)
        place = np.minimum(np.searchsorted(numbers, theirs), len(numbers) - 1)
        met = numbers[place] == theirs
        known_cell, score = place[met].astype(np.int32), known.nonmember[met]
        known_ties = ties = np.zeros(len(numbers))
        if known.networks == 1:
            known_ties = _tied([(score, known_cell)], len(numbers))
            ties = _tied([(columns[:, 0], cell), (score, known_cell)], len(numbers))
        return cls(
            numbers=numbers,
            cell=cell,
            known_cell=np.where(met, place, -1),
            asked=np.bincount(cell, minlength=len(numbers)).astype(np.float64),
            known=np.bincount(known_cell, minlength=len(numbers)).astype(np.float64),
            known_ties=known_ties,
            ties=ties,
            inflation=known.inflation,
        )

    @property
    def compared(self) -> int:
        """Return how many questioned units have known non-members to be compared with."""
        return int(self.asked[self.known > 0].sum())

    @property
    def weight(self) -> FloatArray:
        """Return (h,) what the placement of one unit counts: n / (n + q + 1), best for a common shift (van Elteren)."""
        found: FloatArray = self.known / (self.known + self.asked + 1)
        return found

    @property
    def portion(self) -> FloatArray:
        """Return (h,) the share that each stratum has in the weighted mean; 0 throughout where nothing is compared."""
        share = self.weight * self.asked
        total = float(share.sum())
        return share / total if total else share

    @property
    def each(self) -> FloatArray:
        """Return (q,) what the placement of each unit counts in the weighted mean; they add up to 1, or are all 0."""
        found: FloatArray = (self.portion / np.maximum(self.asked, 1))[self.cell]
        return found

    @property
    def worth(self) -> float:
        """Return how many equal units the questioned ones are worth, as strata weigh differently."""
        square = self.each
        square *= square
        total = float(square.sum())
        return 1 / total if total else 0.0

    def mean_excess(self, placed: FloatArray) -> float:
        """Return by how much the weighted mean of (q,) placements exceeds one half; in place, as there may be many."""
        excess: FloatArray = placed - 0.5
        excess *= self.each
        return float(excess.sum())

    def untied(self, size: int | None = None) -> FloatArray:
        """Return (h,) the share of the variance that ties leave: 1 - sum(t^3 - t) / (N^3 - N).

        Args:
            size: for any so many of the questioned units, an upper bound that only counts ties among the known ones;
                None for all.
        """
        asked, ties = (self.asked, self.ties) if size is None else (np.minimum(self.asked, size), self.known_ties)
        total = self.known + asked
        found: FloatArray = 1 - ties / np.maximum(total**3 - total, 1)
        return found


def _tied(parts: Sequence[tuple[FloatArray, Numbers]], count: int) -> FloatArray:
    """Return (h,) sums of t^3 - t over the distinct scores of each cell, of some (scores, cells) together."""
    scores = np.concatenate([score for score, _ in parts])
    cell = np.concatenate([of for _, of in parts])
    if not len(scores):
        return np.zeros(count)
    if count == 1:  # by far the largest, and needs no order of its own
        scores.sort()
        value, of = scores, cell
    else:
        order = np.lexsort((scores, cell))
        value = scores[order]
        of = cell[order]
        del order
    del scores, cell
    first = np.flatnonzero(np.append(True, (value[1:] != value[:-1]) | (of[1:] != of[:-1])))
    same = np.diff(np.append(first, len(value)))
    tied = same > 1  # others add nothing
    many = same[tied].astype(np.float64)
    return np.bincount(of[first[tied]], weights=many**3 - many, minlength=count).astype(np.float64)
