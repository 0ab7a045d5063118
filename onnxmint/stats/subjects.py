"""Many sets with one yardstick: which persons' images are among those that were trained on?

All sets are measured by the same known non-members, so their p-values go up and down together.

bh      Benjamini and Hochberg (1995). Where p-values hold for each auditor they are, given its known non-members,
        independent between subjects and valid, so that the false-discovery rate of 95% of auditors is at most the level
        each. On average over auditors the statistics are normal with correlations above 0 in large samples, for which
        it holds too (Benjamini and Yekutieli 2001); for few images there is no proof.
ebh     e-BH (Wang and Ramdas 2022): holds under any dependence, also where subjects share images or strata differ, and
        finds less. E-values are those of the p-values by the calibrator 1 / (2 sqrt(p)) (Vovk and Wang 2021).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from onnxmint.stats.conformal import q_values
from onnxmint.stats.estimates import FloatArray
from onnxmint.stats.guarantee import DEFAULT, Guarantee
from onnxmint.stats.heldout import HeldOut, Numbers
from onnxmint.stats.set_test import SetTest, compare_sets

Rule = Literal["bh", "ebh"]
RULES: dict[Rule, str] = {
    "bh": "Benjamini-Hochberg over subjects",
    "ebh": "e-BH over subjects (Wang and Ramdas 2022), e-values 1 / (2 sqrt(p))",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What was found of one subject.

    Attributes:
        number: of the subject.
        units: of the subject.
        test: of its set; `at_least` holds for this subject alone, not for all found ones together.
        q_value: found at every level of false discoveries from here on.
        found: whether members are among its images, at the level that was asked for.
    """

    number: int
    units: int
    test: SetTest
    q_value: float
    found: bool


def subjects(
    scores: FloatArray,
    subject: Numbers,
    known: HeldOut,
    *,
    alpha: float,
    strata: Numbers | None = None,
    guarantee: Guarantee = DEFAULT,
    rule: Rule = "bh",
) -> tuple[Subject, ...]:
    """Return every subject, by number; of those found at most a share alpha is expected to be false.

    Args:
        scores: (q,) or (q, K) scores of independent units.
        subject: (q,) number of the subject of each.
        known: held-out scores of known units; members are not needed.
        alpha: expected share of false ones among the found.
        strata: (q,) where the known ones have strata.
        guarantee: of which auditors the p-values hold.
        rule: "bh" or "ebh", see above.

    Raises:
        ValueError: another rule, or as many subjects as units are not given.
    """
    if rule not in RULES:
        raise ValueError(f"rule must be one of {', '.join(RULES)}, got {rule!r}")
    if len(subject) != len(scores):
        raise ValueError(f"need the subjects of {len(scores)} units, got {len(subject)}")
    numbers = np.unique(subject)
    tests = [
        compare_sets(
            scores[subject == number],
            known,
            alpha=alpha,
            strata=None if strata is None else strata[subject == number],
            guarantee=guarantee,
        )
        for number in numbers
    ]
    q = adjusted(np.array([test.p_value for test in tests]), rule)
    units = [int((subject == number).sum()) for number in numbers]
    rows: Sequence[tuple[int, int, SetTest, float]] = list(zip(numbers.tolist(), units, tests, q.tolist(), strict=True))
    return tuple(
        Subject(number=number, units=count, test=test, q_value=value, found=value <= alpha)
        for number, count, test, value in rows
    )


def adjusted(p: FloatArray, rule: Rule = "bh") -> FloatArray:
    """Return q-values of the p-values of subjects: of those with q <= a at most a share a is expected to be false.

    Args:
        p: (k,) one a subject.
        rule: "bh" or "ebh", see above.
    """
    if not len(p):
        return np.empty(0)
    return q_values(p) if rule == "bh" else _of_e_values(e_values(p))


def e_values(p: FloatArray) -> FloatArray:
    """Return e-values, whose mean is at most 1 where nothing is to be found: 1 / (2 sqrt(p)) (Vovk and Wang 2021)."""
    found: FloatArray = 0.5 / np.sqrt(np.maximum(p, np.finfo(np.float64).tiny))
    return found


def _of_e_values(e: FloatArray) -> FloatArray:
    """Return the smallest levels at which e-BH finds each: the k-th largest has to be K / (k level) or more."""
    order = np.argsort(-e, kind="stable")
    level = len(e) / (np.arange(1, len(e) + 1) * e[order])
    found = np.empty(len(e))
    found[order] = np.minimum(np.minimum.accumulate(level[::-1])[::-1], 1.0)
    return found
