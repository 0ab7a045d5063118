"""Are there members among a set of images? A test for the set, and how many there are at least."""

from dataclasses import dataclass

import numpy as np

from onnxmint.stats.estimates import FloatArray
from onnxmint.stats.heldout import HeldOut

_EXACT = 50  # questioned images up to which one network's test is left to scipy, which is exact for very few


@dataclass(frozen=True, slots=True, kw_only=True)
class SetTest:
    """Result of the test that no member is among the questioned images.

    Attributes:
        p_value: one-sided Mann-Whitney.
        effect: chance that a questioned image scores above a non-member.
        at_least: so many of the questioned images are members, with confidence 1 - alpha.
    """

    p_value: float
    effect: float
    at_least: int


def compare_sets(questioned: FloatArray, known: HeldOut, *, alpha: float) -> SetTest:
    """Test whether questioned images score higher than non-members (Mann and Whitney 1947).

    With several networks (cross-fitting) each questioned image is placed among the non-members of every fold; the
    variance stays that of one network, which is an upper bound, as averaged placements vary less.

    Args:
        questioned: (q,) or (q, K) scores of independent units.
        known: held-out scores of known ones.
        alpha: level of the test; 1 - alpha is the confidence of the lower bound.

    Raises:
        ValueError: no scores on a side, or NaN among them.
    """
    if not len(questioned) or not len(known.nonmember):
        raise ValueError(f"need scores on both sides, got {len(questioned)} and {len(known.nonmember)}")
    placed = known.placements(questioned)
    if known.networks == 1 and len(questioned) <= _EXACT:
        from scipy.stats import mannwhitneyu

        p_value = float(mannwhitneyu(questioned.ravel(), known.nonmember, alternative="greater").pvalue)
    else:
        p_value = float(_p_values(placed.sum(keepdims=True), np.array([len(placed)]), known)[0])
    least = at_least(placed, known, alpha=alpha) if p_value <= alpha else 0
    return SetTest(p_value=p_value, effect=float(placed.mean()), at_least=least)


def at_least(placed: FloatArray, known: HeldOut, *, alpha: float) -> int:
    """Return a lower bound on the number of members, with confidence 1 - alpha.

    Closed testing with Mann-Whitney local tests (Goeman and Solari 2011; with conformal scores Magnani, Sesia and
    Solari 2024): of all subsets of k images, that of the k lowest scores is the least significant; if even it is
    rejected, fewer than k images are non-members.

    Args:
        placed: (q,) placements of the questioned images.
        known: what they were placed among.
        alpha: level.
    """
    size = np.arange(1, len(placed) + 1)
    kept = np.flatnonzero(_p_values(np.cumsum(np.sort(placed)), size, known) > alpha)
    return len(placed) - (int(size[kept[-1]]) if len(kept) else 0)


def _p_values(total: FloatArray, size: np.ndarray, known: HeldOut) -> FloatArray:
    """Return one-sided p-values of sums of placements of so many images: normal, half a rank of continuity.

    The variance is that without ties; ties make it smaller, so that they make the test conservative. A sum of one or
    two placements is not normal: there the p-value is no smaller than that of so many uniform ones.
    """
    from scipy.stats import norm

    n = len(known.nonmember)
    deviation = np.sqrt(size * (n + known.inflation * size + 1) / (12 * n))
    found: FloatArray = norm.sf((total - size / 2 - 0.5 / n) / deviation)
    left = size - total + 1 / n  # of the largest sum; a rank of continuity for the finite number of known ones
    of_two = np.where(left <= 1, left**2 / 2, 1 - np.maximum(2 - left, 0) ** 2 / 2)
    few = np.select([size == 1, size == 2], [left, of_two], 0.0)  # noqa: PLR2004 - images
    bounded: FloatArray = np.minimum(np.maximum(found, few), 1.0)
    return bounded
