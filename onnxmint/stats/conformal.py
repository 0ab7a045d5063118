"""P-values of single images, and what survives when many are tested at once.

Convention everywhere: a higher score means more like a member, so a small p-value means unlike the non-members.
"""

import numpy as np
from numpy.typing import NDArray

from onnxmint.stats.estimates import FloatArray
from onnxmint.stats.heldout import in_blocks

P_VALUES = ("conservative", "smoothed")
FALSE_DISCOVERY = {"bh": "Benjamini-Hochberg", "storey": "Storey"}
SMALLEST_CLASS = 100  # known non-members of a class, below which its p-values would be too coarse to use
_LAMBDA = 0.5  # p-values above it are taken to be those of non-members (Storey)


def p_values(
    scores: FloatArray,
    known: FloatArray,
    fold: NDArray[np.integer] | None = None,
    *,
    rng: np.random.Generator | None = None,
) -> FloatArray:
    """Return conformal p-values against known non-members: (1 + #{c >= s}) / (n + 1).

    Conservative at ties, or with `rng` smoothed: ties and the image itself count with a uniform weight, so that the
    p-value of a non-member is exactly uniform (Vovk, Gammerman and Shafer 2005, section 2.1). For a non-member
    exchangeable with the known ones P(p <= t) <= t for every t; as a test of outliers: Bates et al. 2023.

    With folds each known image is compared with the score that its own network gives to the questioned one
    (cross-conformal, Vovk 2015; CV+, Barber et al. 2021): P(p <= t) <= 2t + 2(1 - 1/K)/(n/K + 1) always, and close to t
    for networks that one image more or less does not change.

    Args:
        scores: (q,) or (q, K) scores, one column for each network.
        known: (n,) scores of non-members, each by a network that did not learn from it.
        fold: (n,) the network that gave each; None when there is one.
        rng: source of the weights of ties; None is conservative.
    """
    columns = scores.reshape(len(scores), -1)
    fold = np.zeros(len(known), np.int64) if fold is None else fold
    ordered = [np.sort(known[fold == number].astype(np.float64)) for number in range(columns.shape[1])]
    found = np.empty(len(scores))
    for part in in_blocks(len(scores)):
        above, equal = np.zeros(len(columns[part])), np.zeros(len(columns[part]))
        for column, others in zip(columns[part].T, ordered, strict=True):
            upto = np.searchsorted(others, column, side="right")
            above += len(others) - upto
            equal += upto - np.searchsorted(others, column, side="left")
        weight = 1.0 if rng is None else rng.random(len(above))
        found[part] = (above + weight * (equal + 1)) / (len(known) + 1)
    return found


def is_known_enough(classes: NDArray[np.integer], known_classes: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Return (n,) whether the class of each image has at least SMALLEST_CLASS known non-members.

    Args:
        classes: (n,) of the images.
        known_classes: (m,) of the known non-members.
    """
    numbers, counts = np.unique(known_classes, return_counts=True)
    return np.isin(classes, numbers[counts >= SMALLEST_CLASS])


def p_values_by_class(
    scores: FloatArray,
    classes: NDArray[np.int64],
    known: FloatArray,
    known_classes: NDArray[np.int64],
    fold: NDArray[np.integer] | None = None,
    *,
    rng: np.random.Generator | None = None,
) -> FloatArray:
    """Return p-values against the known non-members of the same class (Mondrian, Vovk et al. 2005, section 4.5).

    They hold within every class, not only on average over classes. Images of classes with fewer than SMALLEST_CLASS
    known non-members get 1, as too little is known to say anything of them: small classes taken together would be a
    yardstick of another mix of classes (false discoveries of 10.6% where 5% were promised, in a simulation).

    Args:
        scores: (q,) or (q, K) scores.
        classes: (q,) class of each.
        known: (n,) scores of non-members.
        known_classes: (n,) class of each.
        fold: (n,) as in `p_values`.
        rng: as in `p_values`.
    """
    fold = np.zeros(len(known), np.int64) if fold is None else fold
    found = np.ones(len(scores))
    for number in np.unique(classes[is_known_enough(classes, known_classes)]):
        mine, same = classes == number, known_classes == number
        found[mine] = p_values(scores[mine], known[same], fold[same], rng=rng)
    return found


def q_values(p: FloatArray, method: str = "bh") -> FloatArray:
    """Return adjusted p-values: flagging q <= a keeps the expected share of false flags at most a.

    Benjamini-Hochberg is valid for conformal p-values that share their known non-members (Bates et al. 2023, theorem
    2; for cross-conformal ones there is no proof); Storey's estimate of the share of non-members makes it less
    conservative when members are many, and stays valid as long as it is not cut at 1 (the same, section 2.4; cut, 5.8%
    of sets of five images without a member were flagged at 5%).

    Args:
        p: (q,) p-values.
        method: "bh" or "storey".

    Raises:
        ValueError: another method.
    """
    from scipy.stats import false_discovery_control

    if method not in FALSE_DISCOVERY:
        raise ValueError(f"method must be one of {', '.join(FALSE_DISCOVERY)}, got {method!r}")
    if not len(p):
        return p
    found: FloatArray = false_discovery_control(p, method="bh")
    if method == "bh":
        return found
    adapted = np.minimum(found * _estimate_of_nulls(p), 1.0)
    return np.where(p <= _LAMBDA, adapted, 1.0)  # the proof for finite numbers covers only these


def share_of_nulls(p: FloatArray) -> float:
    """Return Storey's conservative estimate of the share of non-members, at most 1, to be shown."""
    return min(1.0, _estimate_of_nulls(p))


def _estimate_of_nulls(p: FloatArray) -> float:
    """Return (1 + #{p > 1/2}) / (q / 2), which can exceed 1: the proof for finite numbers needs it so."""
    return (1 + int((p > _LAMBDA).sum())) / (len(p) * (1 - _LAMBDA))
