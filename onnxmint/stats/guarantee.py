"""For whom a rate of false alarms holds: for nearly every auditor by itself, or on average over auditors only.

An auditor's known non-members are lucky or not, and serve all its audits. The rank test of Mann and Whitney keeps its
level on average over that luck; of auditors with 500 known non-members one in twenty then has a rate above 20%. Against
a threshold that allows for an unlucky draw, 95% of auditors keep the level each (calibration-conditional validity: Vovk
2012; Bates, Candes, Lei, Romano and Sesia 2023, section 3).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from onnxmint.stats.estimates import FloatArray

Guarantee = Literal["each", "average"]
"""Of which auditors at most `alpha` of innocent sets are called members: "each" of 95%, or all of them on "average"."""
GUARANTEES: tuple[Guarantee, ...] = ("each", "average")
DEFAULT: Guarantee = "each"
AUDITORS = 0.95
"""Share of auditors that keep the level each."""
UNLUCKY = 1.6448536269514722
"""Deviations of luck that so many auditors stay below: the quantile of a normal number."""


_LEAST = 1e-300


@dataclass(frozen=True, slots=True, kw_only=True)
class Luck:
    """Variance of the mean placement of questioned units none of which is a member; numbers, or arrays of one shape.

    Given an auditor, its mean is that of n uniform numbers, so of variance 1 / (12 n): P(S > c) is uniform for each
    known c, whatever the distribution of scores.

    Attributes:
        known: the part that comes from the known non-members: the same for all sets that one auditor judges.
        asked: the part that comes from the questioned units.
        step: half the step of the mean from one rank to the next, for continuity.
    """

    known: FloatArray
    asked: FloatArray
    step: FloatArray

    @classmethod
    def of(
        cls, nonmembers: float, questioned: float, *, inflation: float = 1.0, null: float = 1 / 12, step: float = 0.0
    ) -> "Luck":
        """Return that of one stratum.

        Args:
            nonmembers: known ones.
            questioned: units.
            inflation: of what comes from the known ones.
            null: variance of a non-member's placement among very many known ones.
            step: as in the class.
        """
        return cls(
            known=np.asarray(inflation * null / nonmembers),
            asked=np.asarray(null * (nonmembers + 1) / (nonmembers * questioned)),
            step=np.asarray(step),
        )

    def needed(self, alpha: float, guarantee: Guarantee) -> FloatArray:
        """Return how far above 1/2 the mean placement must be for the level alpha."""
        from scipy.special import ndtri

        reach = -float(ndtri(alpha))
        average = self.step + reach * np.sqrt(self.known + self.asked)
        if guarantee == "average":
            return np.asarray(average)
        return np.maximum(average, self.step + self._unlucky() + reach * np.sqrt(self.asked))

    def p_values(self, excess: FloatArray | float, guarantee: Guarantee) -> FloatArray:
        """Return one-sided p-values of mean placements: the levels at which so much above 1/2 is just needed.

        Without the guarantee of each auditor it is the p-value of the rank test. With it, for 95% of the auditors the
        chance that a set without a member gets a p-value of t or less is at most t, for all t at once; it is never
        smaller than that of the rank test.

        Args:
            excess: mean placement - 1/2.
            guarantee: for whom it holds.
        """
        room = np.asarray(excess) - self.step
        average = _tail(room, self.known + self.asked)
        return average if guarantee == "average" else np.maximum(average, _tail(room - self._unlucky(), self.asked))

    def _unlucky(self) -> FloatArray:
        """Return by how much the mean lies above 1/2 for the unluckiest auditor that is allowed for."""
        return np.asarray(UNLUCKY * np.sqrt(self.known))


def _tail(room: FloatArray, variance: FloatArray) -> FloatArray:
    """Return the chance that a normal number of this variance exceeds the room; 1 where nothing varies."""
    from scipy.special import ndtr

    found: FloatArray = ndtr(-room / np.sqrt(np.maximum(variance, _LEAST)))
    return np.where(variance > 0, found, 1.0)
