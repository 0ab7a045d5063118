"""Are there members among a set of images? A test for the set, and how many there are at least."""

from dataclasses import dataclass

import numpy as np

from onnxmint.stats.estimates import FloatArray
from onnxmint.stats.guarantee import AUDITORS, DEFAULT, GUARANTEES, UNLUCKY, Guarantee, Luck
from onnxmint.stats.heldout import HeldOut, Numbers, in_blocks
from onnxmint.stats.orders import Side, p_value_by_orders
from onnxmint.stats.strata import UNIFORM, Cells

METHOD: dict[Guarantee, str] = {
    "average": "one-sided Mann-Whitney test with ties, by strata where there are any (van Elteren 1960)",
    "each": (
        "one-sided Mann-Whitney test with ties, by strata where there are any (van Elteren 1960), against a threshold "
        "that lets 95% of auditors keep the level each (calibration-conditional, Bates et al. 2023)"
    ),
}
AT_LEAST = "closed testing with local tests of the same kind (Goeman and Solari 2011)"
_FEW = 8  # units of a side up to which no sum of placements is taken to be normal
_LARGEST = 200  # known units that are put in random orders; among more the few asked ones are nearly independent
_PAIR = 2
_TINY = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class SetTest:
    """Result of the test that no member is among the questioned images.

    Attributes:
        p_value: one-sided, for whom `guarantee` says: see `guarantee.Luck.p_values`.
        average: the p-value of the rank test, which holds on average over auditors; never larger.
        effect: chance that a questioned image scores above a non-member (of its stratum).
        needed: the effect from which on the test finds members.
        at_least: so many of the questioned images are members, with confidence 1 - alpha.
        compared: units with known non-members in their stratum; the others take no part.
        guarantee: "each" or "average".
    """

    p_value: float
    average: float
    effect: float
    needed: float
    at_least: int
    compared: int
    guarantee: Guarantee


def compare_sets(
    questioned: FloatArray,
    known: HeldOut,
    *,
    alpha: float,
    strata: Numbers | None = None,
    guarantee: Guarantee = DEFAULT,
) -> SetTest:
    """Test whether questioned images score higher than non-members (Mann and Whitney 1947; van Elteren 1960).

    Images are compared within their strata only; a stratum without a known non-member takes no part. With several
    networks (cross-fitting) each questioned image is placed among the non-members of every fold; the variance stays
    that of one network, which is an upper bound, as averaged placements vary less.

    Args:
        questioned: (q,) or (q, K) scores of independent units.
        known: held-out scores of known ones; members are not needed.
        alpha: level of the test, below 1/2; 1 - alpha is the confidence of the lower bound.
        strata: (q,) of the questioned, where the known ones have strata.
        guarantee: of which auditors the level holds.

    Raises:
        ValueError: no scores on a side, strata on one side only, or NaN.
    """
    if not len(questioned) or not len(known.nonmember):
        raise ValueError(f"need scores on both sides, got {len(questioned)} and {len(known.nonmember)}")
    cells = Cells.of(questioned, known, strata)
    if not cells.compared:
        return SetTest(p_value=1.0, average=1.0, effect=0.5, needed=1.0, at_least=0, compared=0, guarantee=guarantee)
    placed, reached = known.standing(questioned, strata)
    luck = luck_of(cells)
    excess = cells.mean_excess(placed)
    normal = {kind: float(luck.p_values(excess, kind)) for kind in GUARANTEES}
    bounded = {kind: _of_few(reached, cells, kind).get(cells.compared, normal[kind]) for kind in GUARANTEES}
    average = _average(questioned, known, cells, bounded["average"])
    p_value = average if guarantee == "average" else max(average, bounded["each"])
    least = _at_least(placed, reached, cells, alpha=alpha, guarantee=guarantee) if p_value <= alpha else 0
    return SetTest(
        p_value=p_value,
        average=average,
        effect=0.5 + excess,
        needed=0.5 + float(luck.needed(alpha, guarantee)),
        at_least=least,
        compared=cells.compared,
        guarantee=guarantee,
    )


def luck_of(cells: Cells) -> Luck:
    """Return the variance of the weighted mean placement of the questioned units, were none a member."""
    known, portion, used = np.maximum(cells.known, 1), cells.portion, cells.known > 0
    variance = UNIFORM * cells.untied() * portion**2 * used
    return Luck(
        known=np.asarray((cells.inflation * variance / known).sum()),
        asked=np.asarray((variance * (known + 1) / (known * np.maximum(cells.asked, 1))).sum()),
        step=np.asarray((0.5 / known * portion / np.maximum(cells.asked, 1)).max()),
    )


def _at_least(placed: FloatArray, reached: FloatArray, cells: Cells, *, alpha: float, guarantee: Guarantee) -> int:
    """Return a lower bound on the number of members, with confidence 1 - alpha; the set as a whole was rejected.

    Closed testing (Goeman and Solari 2011; with conformal scores Magnani, Sesia and Solari 2024). The local test of a
    subset adds up its weighted placements; its variance is the largest that a subset of that size can have, so that of
    all subsets of k images that of the k lowest is the least significant. If even it is rejected, fewer than k images
    are non-members. So the bound is at least 1 wherever the whole set is rejected.
    """
    part = (cells.known > 0)[cells.cell]
    total = placed - 0.5
    for some in in_blocks(len(total)):
        total[some] *= cells.weight[cells.cell[some]]
    total = total if part.all() else total[part]
    total.sort()
    np.cumsum(total, out=total)
    few, largest = _of_few(reached, cells, guarantee), 0
    for some in in_blocks(cells.compared - 1):
        size = np.arange(some.start + 1, min(some.stop, cells.compared - 1) + 1)
        p_value = _largest_luck(cells, size).p_values(total[size - 1], guarantee)
        for count, bound in few.items():
            p_value[size == count] = bound
        kept = np.flatnonzero(p_value > alpha)
        largest = int(size[kept[-1]]) if len(kept) else largest
    return cells.compared - largest


def _largest_luck(cells: Cells, size: np.ndarray) -> Luck:
    """Return the largest variance of a sum of weighted placements, over all subsets of these sizes.

    A stratum gives its part in proportion to the units it lends, at the price of all that it could lend; the dearest
    strata lend first.
    """
    used = cells.known > 0
    known, asked, weight = cells.known[used], cells.asked[used], cells.weight[used]
    lent = np.minimum(asked, size[:, None])
    total = known + lent
    untied = 1 - cells.known_ties[used] / np.maximum(total**3 - total, 1)
    each = UNIFORM * untied * weight**2
    return Luck(
        known=_dearest(cells.inflation * each * lent / known, asked, size),
        asked=_dearest(each * (known + 1) / known, asked, size),
        step=np.asarray((0.5 * weight / known).max()),
    )


def _dearest(price: FloatArray, room: FloatArray, size: np.ndarray) -> FloatArray:
    """Return (k,) the largest sum of prices of so many units, of which each stratum has only so many.

    Args:
        price: (k, h) of one unit.
        room: (h,) units.
        size: (k,) units to be paid.
    """
    order = np.argsort(-price, axis=1, kind="stable")
    each = room[order]
    taken = np.clip(size[:, None] - (np.cumsum(each, axis=1) - each), 0, each)
    found: FloatArray = (taken * np.take_along_axis(price, order, axis=1)).sum(axis=1)
    return found


def _of_few(reached: FloatArray, cells: Cells, guarantee: Guarantee) -> dict[int, float]:
    """Return the largest p-values of subsets of one and of two units, whose sums are not normal.

    One unit: its rank among the known ones, or the upper limit of the share of non-members that score so high (Clopper
    and Pearson 1934), which 95% of auditors do not exceed. Two: the sum of two uniform numbers, a rank of continuity.
    """
    alone, left = [0.0], [np.empty(0)]
    for some in in_blocks(len(reached)):
        one, two = _few_of(reached[some], cells, cells.cell[some], guarantee)
        alone.append(float(one.max(initial=0.0)))
        left = [np.sort(np.concatenate([*left, two]))[-_PAIR:]]
    found = {1: max(alone)}
    if len(left[0]) >= _PAIR:
        pair = float(left[0].sum())
        found[_PAIR] = pair**2 / 2 if pair <= 1 else 1 - max(_PAIR - pair, 0.0) ** 2 / 2
    return found


def _few_of(reached: FloatArray, cells: Cells, cell: Numbers, guarantee: Guarantee) -> tuple[FloatArray, FloatArray]:
    """Return of units in strata that know some: the p-value of each alone, and what it adds to that of two."""
    from scipy.special import betaincinv

    known = cells.known[cell]
    reached, known = reached[known > 0], known[known > 0]
    above = np.rint(reached * known)
    alone, left = (above + 1) / (known + 1), above / known + 0.5 / known
    if guarantee == "each":
        free = np.maximum(known - above, _TINY)
        alone = np.where(above < known, betaincinv(above + 1, free, AUDITORS), 1.0)
        left = left + UNLUCKY * np.sqrt(cells.inflation * UNIFORM / known)
    return alone, left


def _average(questioned: FloatArray, known: HeldOut, cells: Cells, otherwise: float) -> float:
    """Return the p-value of the rank test where one side has very few units: exact, or by random orders."""
    outside = int(cells.known.sum())
    if cells.compared == 1 or min(cells.compared, outside) > _FEW or known.networks > 1:
        return otherwise
    score = known.columns(questioned)[:, 0]
    if len(cells.asked) == 1 and not cells.ties.any():
        from scipy.stats import mannwhitneyu

        return float(mannwhitneyu(score, known.nonmember, alternative="greater", method="exact").pvalue)
    if outside > _LARGEST:
        return otherwise
    cell = cells.known_cell
    worth = cells.weight / np.maximum(cells.known, 1)
    return p_value_by_orders(Side(score, cells.cell), Side(known.nonmember[cell >= 0], cell[cell >= 0]), worth)
