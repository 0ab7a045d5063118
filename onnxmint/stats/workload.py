"""How many images and views of them fit into a given time, chosen so that as little power as possible is lost."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from onnxmint.stats.needed import USUAL_AUC, expected
from onnxmint.stats.share import detectable_share, power

# AUC - 1/2 of `views` by the number of views, as a share of that with all of them: one target, tools/study/README.md.
EFFECT = {26: 1.0, 14: 0.98, 2: 0.92}
_GRID = tuple(0.8**number for number in range(20))
_FEWEST_KNOWN, _FEWEST_QUESTIONED = 100, 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """What an audit shows to a model.

    Attributes:
        members: number of known ones.
        nonmembers: number of known ones.
        questioned: number of images.
        views: of each image.
    """

    members: int
    nonmembers: int
    questioned: int
    views: int


def fitted_into(
    full: Workload,
    budget: float,
    seconds: Callable[[Workload], float],
    *,
    views: tuple[int, ...],
    known: bool = True,
    asked: bool = True,
) -> Workload:
    """Return the workload that finds the smallest share of members among those that end in time.

    Args:
        full: all that was given.
        budget: seconds.
        seconds: that a workload takes.
        views: numbers of views that may be taken.
        known: whether known images may be left out.
        asked: whether questioned ones may.

    Returns:
        The full one if it ends in time; the smallest that there is where none does.
    """
    if seconds(full) <= budget:
        return full
    every = list(_smaller(full, views, known=known, asked=asked))
    fitting = [one for one in every if seconds(one) <= budget]
    if not fitting:
        return min(every, key=seconds)
    # What a larger one of as many views includes need not be weighed.
    return min(_largest(fitting), key=_blindness)


def _smaller(full: Workload, views: tuple[int, ...], *, known: bool, asked: bool) -> Iterator[Workload]:
    for number in views:
        for share in _GRID if known else (1.0,):
            for part in _GRID if asked else (1.0,):
                yield replace(
                    full,
                    members=_cut(full.members, share, _FEWEST_KNOWN),
                    nonmembers=_cut(full.nonmembers, share, _FEWEST_KNOWN),
                    questioned=_cut(full.questioned, part, _FEWEST_QUESTIONED),
                    views=number,
                )


def _cut(count: int, share: float, fewest: int) -> int:
    return min(count, max(int(count * share), fewest))


def _largest(found: list[Workload]) -> list[Workload]:
    """Return for each number of views and of known images the one with the most questioned ones."""
    best: dict[tuple[int, int], Workload] = {}
    for one in found:
        key = (one.views, one.members + one.nonmembers)
        if key not in best or best[key].questioned < one.questioned:
            best[key] = one
    return list(best.values())


def _blindness(load: Workload) -> float:
    """Return the smallest share that is found at a usual AUC; above 1, the larger the likelier even all are missed."""
    auc = 0.5 + (USUAL_AUC - 0.5) * EFFECT.get(load.views, 1.0)
    strength = expected(auc, load.members, load.nonmembers)
    share = detectable_share(strength, load.questioned, alpha=0.05)
    if share is not None:
        return share
    return 2 - float(power(strength, load.questioned, np.ones(1), alpha=0.05)[0])
