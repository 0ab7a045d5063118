"""P-values of single images, and what survives when many are tested at once."""

import numpy as np
from numpy.typing import NDArray

from onnxmint.stats.estimates import FloatArray


def p_values(scores: FloatArray, calibration: NDArray[np.floating]) -> FloatArray:
    """Return conformal p-values against calibration non-members: (1 + #{c >= s}) / (n + 1).

    Conservative at ties. For a non-member exchangeable with the calibration ones, P(p <= t) <= t for every t (Vovk,
    Gammerman and Shafer 2005; as a test of outliers: Bates et al. 2023).

    Args:
        scores: (q,) scores, higher means more like a member.
        calibration: (n,) scores of non-members that nothing was fitted on.
    """
    ordered = np.sort(calibration.astype(np.float64))
    above = len(ordered) - np.searchsorted(ordered, scores, side="left")
    found: FloatArray = (1 + above) / (len(ordered) + 1)
    return found


def q_values(p: FloatArray) -> FloatArray:
    """Return Benjamini-Hochberg adjusted p-values: flagging q <= a keeps the false-discovery rate at most a.

    Valid for conformal p-values that share one calibration set (Bates et al. 2023, theorem 2).
    """
    from scipy.stats import false_discovery_control

    found: FloatArray = false_discovery_control(p, method="bh") if len(p) else p
    return found
