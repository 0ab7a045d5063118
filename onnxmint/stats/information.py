"""How much a classifier's answers say of their images, without knowing which answer is right."""

import numpy as np
from numpy.typing import NDArray

_SATURATED = 30.0  # nats between the top two classes: no model trained by cross-entropy is typically surer

FloatArray = NDArray[np.float64]


def entropy(p: FloatArray) -> FloatArray:
    """Return (n,) entropies in nats of (n, classes) probabilities."""
    found: FloatArray = -(p * np.log(np.maximum(p, np.finfo(np.float64).tiny))).sum(axis=1)
    return found


def told(log_p: FloatArray) -> FloatArray:
    """Return (n,) how much each answer says of its image; the mean, 0 to 1, ranks preparations without labels.

    The mean is the mutual information of image and class, H(mean of p) - mean of H(p), over log(classes): high only
    when answers are sure and differ between images (the logarithm of the inception score, Salimans 2016). Inputs of a
    wrong scale make a network of rectifiers as various and far surer, so answers whose top two classes are typically
    more than 30 nats apart count as saturated and score 0. Scales that are wrong by a small factor can still score
    higher than the right one: this is a hint, not a proof.

    Args:
        log_p: (n, classes) log-probabilities.
    """
    p = np.exp(log_p)
    top = np.partition(log_p, -2, axis=1)
    if np.median(top[:, -1] - top[:, -2]) > _SATURATED:
        return np.zeros(len(p))
    usual = np.log(np.maximum(p.mean(axis=0), np.finfo(np.float64).tiny))
    found: FloatArray = (-(p @ usual) - entropy(p)) / np.log(p.shape[1])
    return found
