"""Membership scores with reference models: how the target's answer compares with models that know the task as well.

Reference models know how hard an image is; what the target knows beyond them points to membership. All scores are
(n,) float64, higher meaning more like a member.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from onnxmint.stats.estimates import FloatArray

_LEAST = 1e-6  # a deviation below this is taken as this: identical references must not make an image infinitely odd
_FEW = 0.05  # share of images of which one model of a side is enough: their spread is that of all
_TWO = 2  # models whose spread can be estimated
GAMMA = 2.0  # by how much an image's likelihood ratio must exceed that of a non-member (RMIA, section 3)
OFFLINE_A = 0.3  # RMIA's correction of p(x) when no reference was trained on x (its appendix, for CIFAR-10)

Mask = NDArray[np.bool_]


def lira_online(phi: FloatArray, reference: FloatArray, trained: Mask, *, fixed_variance: bool) -> FloatArray:
    """Return the log-likelihood ratio of the models trained on an image against those not (LiRA, arXiv 2112.03570).

    Args:
        phi: (n,) log-odds by the target.
        reference: (r, n) log-odds by the references.
        trained: (r, n) which reference was trained on which image.
        fixed_variance: one variance for all images, of models trained on an image and of those not.

    Raises:
        ValueError: an image has too few references of a side.
    """
    _require(trained, 1 if fixed_variance else _TWO)
    inside, outside = (_gaussian(reference, mask, fixed_variance=fixed_variance) for mask in (trained, ~trained))
    found: FloatArray = norm.logpdf(phi, *inside) - norm.logpdf(phi, *outside)
    return found


def lira_offline(phi: FloatArray, reference: FloatArray, trained: Mask, *, fixed_variance: bool) -> FloatArray:
    """Return how many deviations an image is above the models not trained on it: the order of LiRA's one-sided test.

    Args and errors are those of `lira_online`; models trained on an image are left out for it.
    """
    _require(trained, 1 if fixed_variance else _TWO, both=False)
    mean, deviation = _gaussian(reference, ~trained, fixed_variance=fixed_variance)
    found: FloatArray = (phi - mean) / deviation
    return found


def rmia(
    log_p: FloatArray, reference: FloatArray, trained: Mask, population: NDArray[np.int64], *, gamma: float = GAMMA
) -> FloatArray:
    """Return the share of non-members over which an image dominates (RMIA, arXiv 2312.03262, equations 3 and 10).

    The image's likelihood ratio is p(x | target) / p(x), p(x) being the mean over references; half of the corrected
    offline mean where an image is there that none was trained on. Then it is so for all images: if only some were
    taken so, the lists of what references learned from would tell members by themselves.

    Args:
        log_p: (n,) log-probability of the label by the target.
        reference: (r, n) the same by the references.
        trained: (r, n) which reference was trained on which image.
        population: rows of non-members to compare with.
        gamma: by how much the ratio must exceed theirs.

    Raises:
        ValueError: an image has no reference that was not trained on it, or the population is empty.
    """
    _require(trained, 1, both=False)
    if not len(population):
        raise ValueError("need non-members to compare with, got none")
    p = np.exp(reference)
    outside = np.where(~trained, p, 0).sum(axis=0) / (~trained).sum(axis=0)
    count = trained.sum(axis=0)
    inside = np.where(trained, p, 0).sum(axis=0) / np.maximum(count, 1)
    corrected = ((1 + OFFLINE_A) * outside + 1 - OFFLINE_A) / 2
    ratio = log_p - np.log((inside + outside) / 2 if count.all() else corrected)
    others = np.sort(ratio[population])
    found: FloatArray = np.searchsorted(others, ratio - np.log(gamma), side="right") / len(others)
    return found


def calibrated(score: FloatArray, reference: FloatArray, trained: Mask) -> FloatArray:
    """Return a score minus its mean over the models not trained on the image (Watson et al. 2022, arXiv 2111.08440).

    Args:
        score: (n,) by the target.
        reference: (r, n) the same score by the references.
        trained: (r, n) which reference was trained on which image.

    Raises:
        ValueError: an image has no reference that was not trained on it.
    """
    _require(trained, 1, both=False)
    found: FloatArray = score - np.where(trained, 0, reference).sum(axis=0) / (~trained).sum(axis=0)
    return found


def _gaussian(reference: FloatArray, mask: Mask, *, fixed_variance: bool) -> tuple[FloatArray, FloatArray]:
    """Return (n,) means and deviations over the models of the mask; with a single model the deviation is pooled."""
    count = mask.sum(axis=0)
    mean = np.where(mask, reference, 0).sum(axis=0) / count
    squares = np.where(mask, np.square(reference - mean), 0).sum(axis=0)
    free = int((count - 1).sum())
    pooled = squares.sum() / free if free else float(np.var(reference[mask]))
    variance = squares / np.maximum(count - 1, 1)
    kept = np.where(fixed_variance | (count < _TWO), pooled, variance)
    return mean, np.maximum(np.sqrt(kept), _LEAST)


def _require(trained: Mask, least: int, *, both: bool = True) -> None:
    """Refuse to score images for which too few references speak; a few with a single one do not decide for all."""
    sides = {"not trained": ~trained, **({"trained": trained} if both else {})}
    for words, mask in sides.items():
        count = mask.sum(axis=0)
        fewest = int(count.min(initial=least))
        if fewest < 1 or (count < least).mean() > _FEW:
            models = "reference model" if least == 1 else "reference models"
            raise ValueError(f"needs {least} {models} {words} on each image, one image has {fewest}")
