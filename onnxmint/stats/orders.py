"""Exact tests of very few units: all that chance does is to put them in another order within their strata."""

from typing import NamedTuple

import numpy as np

from onnxmint.stats.estimates import FloatArray
from onnxmint.stats.heldout import Numbers

_ORDERS = 4999  # the smallest p-value is 1 / 5,000
_EQUAL = 1e-9  # relative; sums in another order differ by rounding


class Side(NamedTuple):
    """Scores of one side of a comparison, with the stratum of each."""

    score: FloatArray  # (k,)
    cell: Numbers  # (k,) from 0


def p_value_by_orders(asked: Side, known: Side, worth: FloatArray) -> float:
    """Return the chance that a random order within strata ranks the asked ones as high or higher.

    The orders are always the same ones, so that another program finds the same number; they do not depend on the
    scores, so the p-value is exact (Phipson and Smyth 2010).

    Args:
        asked: questioned units.
        known: known non-members.
        worth: (h,) of one rank in each stratum.
    """
    from scipy.stats import rankdata

    rng = np.random.default_rng(0)
    found, drawn = 0.0, np.zeros(_ORDERS)
    for cell, each in enumerate(worth.tolist()):
        mine, theirs = asked.score[asked.cell == cell], known.score[known.cell == cell]
        if not each or not len(mine) or not len(theirs):
            continue
        ranks = each * rankdata(np.concatenate([mine, theirs]))
        found += float(ranks[: len(mine)].sum())
        order = rng.random((_ORDERS, len(ranks))).argpartition(len(mine) - 1, axis=1)[:, : len(mine)]
        drawn += ranks[order].sum(axis=1)
    as_high = int((drawn >= found - _EQUAL * max(abs(found), 1)).sum())
    return (as_high + 1) / (_ORDERS + 1)
