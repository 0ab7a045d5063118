"""One question asked several ways, so that what deceives one test does not deceive all.

Images can be chosen because they are easy: so they are compared with known ones that the model is equally sure of,
averaged over all views. Among these the choice of easy ones gains nothing, while a model stays surer of the very
picture it was trained on than of its moved and mirrored copies. Labels can be the model's own, or wrong: the label-free
score, among images of equal label-free confidence, does not know them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from onnxmint.results.facts import OpinionFacts, OpinionName
from onnxmint.stats.estimates import FloatArray
from onnxmint.stats.guarantee import DEFAULT, Guarantee
from onnxmint.stats.heldout import HeldOut, Numbers
from onnxmint.stats.opinions import SecondOpinion, compare_effects, second_opinion
from onnxmint.stats.set_test import SetTest, compare_sets
from onnxmint.stats.strata import stratify
from onnxmint.stats.strength import Strength, strength_for
from onnxmint.verdict.units import Units
from onnxmint.verdict.yardstick import Yardstick
from onnxmint.writing.scratch import kept, release

SECOND = ("free", "level", "free_level")
"""Outputs of an auditor, and columns of its yardstick, that only second opinions need."""
_FEWEST = 2  # members, below which there is no variance
_LEVELS = 10  # strata of confidence; 5 to 20 do alike (tools/study/validity)


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondScores:
    """What else was observed of the units of a set.

    Attributes:
        free: (u, K) label-free scores; None where no labels are told.
        level: (u,) mean log-odds over all views; None with fewer than two.
        free_level: (u,) that of the model's own top classes; None where no labels are told.
        known_free: held-out known units by their label-free scores.
        known_level: (m,) of the known members, and (n,) of the known non-members, in the order of the yardstick.
        known_free_level: the same of the label-free ones.
    """

    free: FloatArray | None = None
    level: FloatArray | None = None
    free_level: FloatArray | None = None
    known_free: HeldOut | None = None
    known_level: tuple[FloatArray, FloatArray] | None = None
    known_free_level: tuple[FloatArray, FloatArray] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """Units, and the known ones that they are compared with: those of their stratum.

    Attributes:
        score: (u, K) of the units.
        known: held-out known units.
        strata: (u,) where the known ones have strata.
        part: of a level that this look may spend.
    """

    score: FloatArray
    known: HeldOut
    strata: Numbers | None
    part: float = 1.0

    def test(self, alpha: float, guarantee: Guarantee = DEFAULT) -> SetTest:
        """Ask whether members are among the units; p-values are those that all looks together give."""
        level = alpha * self.part
        found = compare_sets(self.score, self.known, alpha=level, strata=self.strata, guarantee=guarantee)
        if self.part == 1:
            return found
        p_value, average = (min(1.0, value / self.part) for value in (found.p_value, found.average))
        return replace(found, p_value=p_value, average=average)

    def beside_equals(
        self, level: FloatArray | None, known_level: tuple[FloatArray, FloatArray] | None
    ) -> "Compared | None":
        """Return them compared only with units that the model is equally sure of; None where that is unknown.

        Args:
            level: (u,) how sure it is of the units.
            known_level: (m,) and (n,) of the known members and non-members, whose quantiles make the strata.
        """
        if level is None or known_level is None:
            return None
        member, nonmember = known_level
        levels = stratify(nonmember, self.known.nonmember_stratum, most=_LEVELS)
        known = replace(
            self.known,
            member_stratum=levels.of(member, self.known.member_stratum),
            nonmember_stratum=levels.of(nonmember, self.known.nonmember_stratum),
            levels=levels.span,
        )
        return replace(self, known=known, strata=levels.of(level, self.strata))


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinions:
    """What other ways to ask say of a set.

    Attributes:
        labels: without labels; None where none are told.
        together: all compared with all, whatever the model's confidence; None where the first test is that.
        strength: how well known members stand out without labels; None where none are told, or too few members known.
        without_members: whether no member is known.
    """

    labels: SecondOpinion | None
    together: SetTest | None
    strength: Strength | None = None
    without_members: bool = False

    def facts(self, alpha: float) -> tuple[OpinionFacts, ...]:
        """Return what a result keeps of them."""
        level = {"without labels": label_free_level(alpha, without_members=self.without_members)}
        asked: dict[OpinionName, SetTest | None] = {
            "without labels": None if self.labels is None else self.labels.free,
            "whatever the confidence": self.together,
        }
        return tuple(
            OpinionFacts(name=name, p_value=test.average, finds=test.average <= level.get(name, alpha))
            for name, test in asked.items()
            if test is not None
        )


def second_scores(
    units: Units,
    row: NDArray[np.int64],
    *,
    free: FloatArray | None = None,
    level: FloatArray | None = None,
    free_level: FloatArray | None = None,
) -> SecondScores:
    """Return what else was observed of units; what the yardstick does not have either is left out.

    Args:
        units: of the scored images.
        row: (n,) rows of the scored images, ascending.
        free: (n, K) label-free scores of them.
        level: (n,) mean log-odds of them.
        free_level: (n,) those of the model's own top classes.
    """
    place, known = np.searchsorted(row, units.row), units.known
    counts = np.maximum(np.bincount(units.place), 1)

    def means(values: FloatArray) -> FloatArray:
        columns = values[place].reshape(len(place), -1)
        release()
        sums = [np.bincount(units.place, weights=column) for column in columns.T]
        found: FloatArray = np.stack(sums, axis=1, dtype=np.float64)
        found /= counts[:, None]
        return kept(found)

    both: Mapping[str, FloatArray] = {
        name: values
        for name, values in (("free", free), ("level", level), ("free_level", free_level))
        if values is not None and getattr(known, name) is not None
    }
    of_known = {name: _by(known, name) for name in both}
    sides = {name: (found.member, found.nonmember) for name, found in of_known.items()}
    return SecondScores(
        free=means(both["free"]) if "free" in both else None,
        level=means(both["level"])[:, 0] if "level" in both else None,
        free_level=means(both["free_level"])[:, 0] if "free_level" in both else None,
        known_free=of_known.get("free"),
        known_level=sides.get("level"),
        known_free_level=sides.get("free_level"),
    )


def _by(known: Yardstick, column: str) -> HeldOut:
    """Return the known units with the values of another column in place of their scores."""
    return replace(known, score=getattr(known, column)).groups()


def strength_of(yardstick: Yardstick) -> Strength:
    """Return how well known members stand out in the weakest of the tests that a finding needs.

    Were questioned images sure as members are.

    Args:
        yardstick: held-out known images, at least two of them members.
    """
    levels = (("score", "level"), ("free", "free_level"))
    found = [_strength(yardstick, *names) for names in levels if getattr(yardstick, names[0]) is not None]
    return weakest(*found)


def weakest(*strengths: Strength | None) -> Strength:
    """Return the strength of the test in which members stand out least; there is at least one."""
    return min((one for one in strengths if one is not None), key=lambda one: one.effect)


def _strength(yardstick: Yardstick, column: str, level: str) -> Strength:
    known = _by(yardstick, column)
    if getattr(yardstick, level) is None:
        return Strength.measured(known)
    sure = _by(yardstick, level)
    asked = Compared(score=np.repeat(known.member[:, None], known.networks, axis=1), known=known, strata=None)
    equals = asked.beside_equals(sure.member, (sure.member, sure.nonmember)) or asked
    return strength_for(equals.score, equals.known, equals.strata)[0]


def label_free_level(alpha: float, *, without_members: bool) -> float:
    """Return the level of the label-free opinion: half where no member is known, and nothing else looks at the labels.

    Labels that the target itself gave are noticed by how often it is right, and by how much they add to a finding: both
    take known members. Alone, the opinion would be wrong in one such set of twenty on average, more by some auditors
    (`tools/study/validity`, part "alone").
    """
    return alpha / 2 if without_members else alpha


def second_opinions(compared: Compared, test: SetTest, asked: SecondScores, *, alpha: float, equal: bool) -> Opinions:
    """Ask the same question without labels, and, where it was asked within equal confidence, of all together.

    Args:
        compared: the units as they were asked for, confidence left aside.
        test: of the set.
        asked: what else was observed.
        alpha: level of the tests; that of a second opinion is held on average over auditors, as the first allows for
            an unlucky one.
        equal: whether the test was within equal confidence.
    """
    labels = strength = None
    unknown = not len(compared.known.member)
    if asked.free is not None and asked.known_free is not None:
        strata = compared.known
        alike = replace(
            asked.known_free, member_stratum=strata.member_stratum, nonmember_stratum=strata.nonmember_stratum
        )
        blind = replace(compared, score=asked.free, known=alike)
        within = blind.beside_equals(asked.free_level, asked.known_free_level) or blind
        free = within.test(alpha)
        if len(alike.member) >= _FEWEST:
            strength, _ = strength_for(within.score, within.known, within.strata)
        ratio = compare_effects((compared.score, compared.known), (asked.free, asked.known_free))
        labels = second_opinion(test, free, ratio, alpha=alpha, level=label_free_level(alpha, without_members=unknown))
    together = compared.test(alpha) if equal else None
    return Opinions(labels=labels, together=together, strength=strength, without_members=unknown)
