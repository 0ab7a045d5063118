"""Numbers that carry their uncertainty: the values every statistic of this package comes back as."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onnxmint.stats.ranges import Count, Share

FloatArray = NDArray[np.float64]

FPRS = (0.1, 0.01, 0.001)
"""False-positive rates at which true-positive rates are reported."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A value with its 95% interval.

    Attributes:
        value: point estimate.
        low: lower end of the 95% interval.
        high: upper end of the 95% interval.
    """

    value: Share
    low: Share
    high: Share


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A number of any size, a difference say, that may have no interval.

    Attributes:
        value: point estimate.
        low, high: ends of the 95% interval; None where none can be given.
        no_interval: why none can be given, None where there is one.
        thin: true when the value rests on so few observations (fewer than 10 expected false alarms) that it must not be
            used as a headline.
    """

    value: float
    low: float | None = None
    high: float | None = None
    no_interval: str | None = None
    thin: bool = False

    def __post_init__(self) -> None:
        """Refuse an interval that is missing without a reason, or half there."""
        if (self.low is None) != (self.high is None) or (self.low is None) != (self.no_interval is not None):
            raise ValueError("need both ends of the interval, or the reason why there is none")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate(Measured):
    """A true-positive rate at a low false-positive rate."""

    value: Share
    low: Share | None = None
    high: Share | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Performance:
    """How well one score tells members from non-members, measured on a test part that nothing was fitted on.

    Attributes:
        auc: area under the ROC curve.
        balanced_accuracy: mean of the true-positive and true-negative rate at `threshold`.
        precision: share of members among the images called members at `threshold`, both sets weighing the same.
        tpr_at_fpr: true-positive rate at a false-positive rate; keys are FPRS as text.
        threshold: the score from which an image is called a member; chosen on the calibration part.
        roc_fpr, roc_tpr: (k,) points of the ROC curve, k <= 400, dense at low false-positive rates.
        members, nonmembers: images in the test part.
    """

    auc: Estimate
    balanced_accuracy: Estimate
    precision: Estimate
    tpr_at_fpr: dict[str, Rate]
    threshold: float
    roc_fpr: FloatArray
    roc_tpr: FloatArray
    members: Count
    nonmembers: Count

    def __post_init__(self) -> None:
        """Refuse what no report can draw."""
        if self.tpr_at_fpr.keys() != {str(fpr) for fpr in FPRS}:
            raise ValueError(f"need rates at {FPRS}, got {', '.join(self.tpr_at_fpr)}")
        if len(self.roc_fpr) != len(self.roc_tpr):
            raise ValueError(f"the curve has {len(self.roc_fpr)} and {len(self.roc_tpr)} coordinates")
