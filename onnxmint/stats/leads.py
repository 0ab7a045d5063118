"""Whether one way leads another beyond noise, when both were tried on the same images."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_Z = 1.959964  # of a 95% interval
_MOST = 10_000_000  # images; a lead that takes more is none

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lead:
    """How far one way is ahead of another, in the unit of what was compared.

    Attributes:
        value: mean difference; below 0 where the other is ahead.
        low: lower end of the 95% interval.
        high: upper end.
        enough: images that would settle a lead of this size; None where there is none, or no number would.
    """

    value: float
    low: float
    high: float
    enough: int | None

    @property
    def settled(self) -> bool:
        """Return whether the interval leaves no doubt of who leads.

        Of the two best of many, too: that the best leads the second is wrong in at most 5 of 100 samples, however many
        were tried (rank verification, Hung and Fithian 2019).
        """
        return self.low > 0


def lead_of_rates(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> Lead:
    """Return how far one share of right images is ahead of another (Agresti and Min 2005: half an image a cell).

    Args:
        first: (n,) which images one way gets right.
        second: (n,) the same of the other.
    """
    count = len(first)
    won, lost = int((first & ~second).sum()), int((second & ~first).sum())
    more = count + 2
    middle = (won - lost) / more
    half = _Z * math.sqrt(won + lost + 1 - (won - lost) ** 2 / more) / more
    return _lead((won - lost) / max(1, count), (middle - half, middle + half), count)


def lead_of_means(first: FloatArray, second: FloatArray) -> Lead:
    """Return how far one mean is ahead of another, by the normal interval of paired differences.

    Args:
        first: (n,) what each image adds under one way.
        second: (n,) the same under the other.
    """
    difference = first - second
    count, value = len(difference), float(difference.mean())
    half = _Z * float(difference.std(ddof=1)) / math.sqrt(count) if count > 1 else math.inf
    return _lead(value, (value - half, value + half), count)


def _lead(value: float, ends: tuple[float, float], count: int) -> Lead:
    """Return a lead; `count` images gave the interval."""
    low, high = (end if math.isfinite(end) else math.copysign(1.0, end) for end in ends)
    needed = count * ((high - low) / 2 / value) ** 2 if value > 0 else math.inf
    return Lead(value=value, low=low, high=high, enough=math.ceil(needed) if needed <= _MOST else None)
