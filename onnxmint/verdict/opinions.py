"""Second opinions: the same question asked so that what deceives the first test does not deceive this one.

Labels can be the model's own, or wrong: the label-free score does not know them. Images can be chosen because they are
easy: within images that the model is equally sure of, averaged over all views, choice of easy ones gains nothing, while
a model stays surer of the very picture it was trained on than of its moved and mirrored copies.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from onnxmint.results.facts import OpinionFacts
from onnxmint.stats.estimates import FloatArray
from onnxmint.stats.heldout import HeldOut, Numbers
from onnxmint.stats.opinions import SecondOpinion, compare_effects, second_opinion
from onnxmint.stats.set_test import SetTest, compare_sets
from onnxmint.stats.strata import stratify
from onnxmint.verdict.units import Units

_LEVELS = 10  # strata of confidence; 5 to 20 do alike (tools/study/validity)


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondScores:
    """What else was observed of the units of a set.

    Attributes:
        free: (u, K) label-free scores; None where no labels are told.
        level: (u,) mean log-odds over all views; None with fewer than two.
        known_free: held-out known units by their label-free scores.
        known_level: (m,) of the known members, and (n,) of the known non-members, in the order of the yardstick.
    """

    free: FloatArray | None = None
    level: FloatArray | None = None
    known_free: HeldOut | None = None
    known_level: tuple[FloatArray, FloatArray] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinions:
    """What second opinions say of a set.

    Attributes:
        labels: None where no labels are told.
        equal: the test within equal confidence; None where the target was shown fewer than two views.
    """

    labels: SecondOpinion | None
    equal: SetTest | None

    def facts(self, alpha: float) -> tuple[OpinionFacts, ...]:
        """Return what a result keeps of them."""
        found = []
        if self.labels is not None:
            free = self.labels.free
            found.append(OpinionFacts(name="without labels", p_value=free.average, finds=free.average <= alpha))
        if self.equal is not None:
            equal = self.equal
            found.append(OpinionFacts(name="equal confidence", p_value=equal.average, finds=equal.average <= alpha))
        return tuple(found)


def second_scores(
    units: Units, row: NDArray[np.int64], free: FloatArray | None, level: FloatArray | None
) -> SecondScores:
    """Return what else was observed of units.

    Args:
        units: of the scored images.
        row: (n,) rows of the scored images, ascending.
        free: (n, K) label-free scores of them, or None.
        level: (n,) mean log-odds of them, or None.
    """
    place, known = np.searchsorted(row, units.row), units.known
    counts = np.maximum(np.bincount(units.place), 1)

    def means(values: FloatArray) -> FloatArray:
        columns = values[place].reshape(len(place), -1)
        sums = [np.bincount(units.place, weights=column) for column in columns.T]
        found: FloatArray = np.stack(sums, axis=1) / counts[:, None]
        return found

    known_free = None if known.free is None else replace(known, score=known.free).groups()
    of_level = None if known.level is None else replace(known, score=known.level).groups()
    return SecondScores(
        free=None if free is None or known_free is None else means(free),
        level=None if level is None or of_level is None else means(level)[:, 0],
        known_free=known_free,
        known_level=None if of_level is None else (of_level.member, of_level.nonmember),
    )


def second_opinions(
    scores: FloatArray,
    known: HeldOut,
    test: SetTest,
    asked: SecondScores,
    *,
    alpha: float,
    strata: Numbers | None = None,
) -> Opinions:
    """Ask the same question without labels, and within equal confidence.

    Args:
        scores: (u,) or (u, K) of the units.
        known: held-out known units.
        test: of the set.
        asked: what else was observed.
        alpha: level of the tests; that of a second opinion is held on average over auditors, as the first allows for
            an unlucky one.
        strata: (u,) where the known units have strata.
    """
    labels = None
    if asked.free is not None and asked.known_free is not None:
        alike = replace(
            asked.known_free, member_stratum=known.member_stratum, nonmember_stratum=known.nonmember_stratum
        )
        free = compare_sets(asked.free, alike, alpha=alpha, strata=strata)
        ratio = compare_effects((scores, known), (asked.free, asked.known_free))
        labels = second_opinion(test, free, ratio, alpha=alpha)
    equal = None
    if asked.level is not None and asked.known_level is not None:
        member, nonmember = asked.known_level
        levels = stratify(nonmember, known.nonmember_stratum, most=_LEVELS)
        like = replace(
            known,
            member_stratum=levels.of(member, known.member_stratum),
            nonmember_stratum=levels.of(nonmember, known.nonmember_stratum),
        )
        equal = compare_sets(scores, like, alpha=alpha, strata=levels.of(asked.level, strata), guarantee="average")
    return Opinions(labels=labels, equal=equal)
