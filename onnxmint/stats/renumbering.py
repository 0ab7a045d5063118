"""Whether labels and outputs number the same classes differently: the renumbering under which they agree best."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

IMAGES_PER_CLASS = 5  # with fewer, a free renumbering fits noise
_SHIFTS = (-1, 1)
AS_GOOD = 0.05  # an order this close to the best free renumbering explains it
_SHUFFLES = 20

Labels = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Renumbering:
    """A one-to-one renumbering of labels.

    Attributes:
        pairs: (label, output) of every label that was seen and has an output.
        accuracy: share of right answers once labels are renumbered.
        shift: what to add to every label, None when the renumbering is no shift.
    """

    pairs: tuple[tuple[int, int], ...]
    accuracy: float
    shift: int | None


def best_renumbering(labels: Labels, predicted: Labels, classes: int) -> Renumbering:
    """Return the renumbering with the highest accuracy: a shift by one, or any, where images suffice for that.

    Args:
        labels: (n,) labels, also such as no output has.
        predicted: (n,) outputs.
        classes: number of outputs.
    """
    shifted = max((_shifted(labels, predicted, classes, by) for by in _SHIFTS), key=lambda found: found.accuracy)
    seen, row = np.unique(labels, return_inverse=True)
    if not enough_for_any(labels):
        return shifted
    agreeing = np.zeros((len(seen), classes), np.int64)
    np.add.at(agreeing, (row, predicted), 1)
    from scipy.optimize import linear_sum_assignment  # here: what only scores images needs results, and not SciPy

    rows, outputs = linear_sum_assignment(agreeing, maximize=True)
    accuracy = float(agreeing[rows, outputs].sum() / len(labels))
    if shifted.accuracy >= accuracy - AS_GOOD:
        return shifted
    pairs = tuple(zip(seen[rows].tolist(), outputs.tolist(), strict=True))
    return Renumbering(pairs=pairs, accuracy=accuracy, shift=None)


def accuracy_by_chance(labels: Labels, predicted: Labels, classes: int, rng: np.random.Generator) -> float:
    """Return the highest accuracy that renumbering reached when predictions were shuffled: what fitting noise gives."""
    return max(best_renumbering(labels, rng.permutation(predicted), classes).accuracy for _ in range(_SHUFFLES))


def enough_for_any(labels: Labels) -> bool:
    """Return whether there are enough images a class to look for any renumbering."""
    return len(labels) >= IMAGES_PER_CLASS * len(np.unique(labels))


def label_without_output(labels: Labels | None, classes: int) -> int | None:
    """Return a label that no output has, None when there is none."""
    if labels is None:
        return None
    odd = labels[(labels < 0) | (labels >= classes)]
    return int(odd[0]) if len(odd) else None


def _shifted(labels: Labels, predicted: Labels, classes: int, by: int) -> Renumbering:
    pairs = tuple((label, label + by) for label in np.unique(labels).tolist() if 0 <= label + by < classes)
    return Renumbering(pairs=pairs, accuracy=float((labels + by == predicted).mean()), shift=by)
