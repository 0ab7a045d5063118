"""Questioned images judged: what counts as one, their p-values, likelihood ratios, probabilities and flags."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxmint.errors import UsageError
from onnxmint.results.audit import Histogram, ScoreTable
from onnxmint.results.facts import Control, Skipped, StatisticsFacts
from onnxmint.settings import AuditSettings
from onnxmint.stats import conformal, likelihood, set_test, share
from onnxmint.stats.estimates import Estimate, FloatArray, Performance
from onnxmint.verdict.answer import CHANCE, stopped_by
from onnxmint.verdict.units import Units
from onnxmint.verdict.yardstick import Yardstick
from onnxmint.writing.scratch import kept

NOBODY = "none, as no members are known"
_BINS = 48
_DRAWN = (0.02, 0.999)  # quantiles between which scores are drawn in their own bins

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionedScores:
    """What the auditor said of the questioned images that could be read.

    Attributes:
        row: (n,) rows of the source's entries, ascending.
        score: (n, K) by each network.
        predicted: (n,) the target's top classes.
        skipped: the others.
        free: (n, K) label-free scores; None where the auditor is told no labels.
        level: (n,) mean log-odds over all views; None with fewer than two.
        free_level: (n,) those of the target's own top classes; None where no labels are told.
        hardness: (n,) log-odds by references; None where the score does not compare with these.
    """

    row: Rows
    score: FloatArray
    predicted: Rows
    skipped: tuple[Skipped, ...]
    free: FloatArray | None = None
    level: FloatArray | None = None
    free_level: FloatArray | None = None
    hardness: FloatArray | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """What is known of scored images without a model.

    Attributes:
        path: (n,) names, as reports give them.
        label: (n,) int64 classes; None where not all are known.
    """

    path: Sequence[str]
    label: Rows | None


def prior_of(
    settings: AuditSettings, found: Estimate | None, count: int, *, alone: bool = False
) -> tuple[float | None, str]:
    """Return the probability of membership before a score is seen, and where it comes from; `alone` knows no members.

    Raises:
        UsageError: one was given that is of no use.
    """
    if alone and settings.prior is not None:
        raise UsageError(
            "--prior needs known members: without them a score says nothing of how probable membership is; leave it out"
        )
    if alone:
        return None, NOBODY
    if settings.prior is not None:
        return settings.prior, "given"
    if found is None:
        return 0.5, "one half, as the share could not be estimated"
    edge = 0.5 / max(count, 1)  # an estimate of none or all is never certainty
    return float(np.clip(found.value, edge, 1 - edge)), "the estimated share of members"


def judge(
    scored: QuestionedScores,
    named: Named,
    units: Units,
    settings: AuditSettings,
    prior: float | None,
    told: Rows | None,
    rng: np.random.Generator,
) -> ScoreTable:
    """Judge every image, or its group where it has one.

    Args:
        scored: the images.
        named: their names and labels.
        units: what counts as one.
        settings: how they are judged.
        prior: None where no members are known, so that there are no likelihood ratios.
        told: labels that the auditor was told.
        rng: for ties.
    """
    p_unit = kept(_p_values(scored, units, settings, told, rng))
    q_unit = kept(conformal.q_values(p_unit, settings.false_discovery))
    ratio = None if prior is None else kept(likelihood.likelihood_ratios(scored.score, units.known.images()))

    def of_images(values: NDArray[Any]) -> NDArray[Any]:
        # Without groups a unit has its image's number; groups of one image each may be numbered in any order.
        return kept(values if units.place is units.unit else values[units.unit])

    return ScoreTable(
        path=named.path,
        score=kept(scored.score.mean(axis=1)),
        p_value=of_images(p_unit),
        q_value=of_images(q_unit),
        flagged=of_images(q_unit <= settings.alpha),
        likelihood_ratio=ratio,
        probability=None if ratio is None or prior is None else kept(likelihood.probabilities(ratio, prior)),
        label=named.label,
        predicted=scored.predicted,
    )


def classes_of(scored: QuestionedScores, units: Units, labels: Rows | None) -> Rows:
    """Return (u,) classes of units, that of `Yardstick.category`: labels where these are told, else top classes.

    Raises:
        UsageError: units are made of several images.
    """
    if units.size > 1:
        raise UsageError("--per-class judges single images, but these come in groups: leave it out")
    top = dict(zip(scored.row.tolist(), scored.predicted.tolist(), strict=True))
    category = np.array([top[row] for row in units.row.tolist()], np.int64) if labels is None else labels[units.row]
    return units.of_units(category)


def _p_values(
    scored: QuestionedScores, units: Units, settings: AuditSettings, labels: Rows | None, rng: np.random.Generator
) -> FloatArray:
    """Return the p-value of every unit against held-out non-members of the same kind."""
    smooth = rng if settings.p_values == "smoothed" else None
    if settings.per_class:
        outside = units.known.nonmembers
        return conformal.p_values_by_class(
            units.score,
            classes_of(scored, units, labels),
            outside.score.astype(np.float64),
            outside.category.astype(np.int64),
            outside.fold,
            rng=smooth,
        )
    known = units.known.groups()
    return conformal.p_values(units.score, known.nonmember, known.nonmember_fold, rng=smooth)


def statistics(folds: int, settings: AuditSettings, units: Units, prior_words: str) -> StatisticsFacts:
    """Name the methods behind the numbers."""
    alone = not units.known.is_member.any()
    crossed = ", each by the network of its fold (cross-conformal)" if folds > 1 else ""
    of_class = " of the same class" if settings.per_class else ""
    return StatisticsFacts(
        p_values=f"conformal, {settings.p_values} at ties, against held-out non-members{of_class}{crossed}",
        false_discovery=conformal.FALSE_DISCOVERY[settings.false_discovery],
        set_test=set_test.METHOD[settings.guarantee],
        at_least=set_test.AT_LEAST,
        share_of_members=NOBODY if alone else share.METHOD,
        likelihood_ratio=NOBODY if alone else likelihood.METHOD,
        prior=prior_words,
        units="groups" if units.grouped else "images",
    )


def calibration_of(yardstick: Yardstick) -> likelihood.Calibration | None:
    """Return how probabilities hold on the test part, made from the calibration part; None where either is missing."""
    parts = [yardstick.take(yardstick.is_test == tested).groups() for tested in (False, True)]
    return likelihood.calibration(*parts)


def histogram(yardstick: Yardstick, questioned: FloatArray) -> Histogram:
    """Count scores in common bins; the outermost ones take the tails, so that odd scores do not squeeze the rest."""
    members, nonmembers = (yardstick.test_scores(member=member) for member in (True, False))
    every = np.concatenate([members, nonmembers, questioned])
    low, high = np.quantile(every, _DRAWN)
    edges = np.linspace(low, high if high > low else low + 1, _BINS + 1)
    member, nonmember, asked = (
        np.histogram(np.clip(scores, edges[0], edges[-1]), edges)[0].astype(np.int64)
        for scores in (members, nonmembers, questioned)
    )
    return Histogram(edges=edges, member=member, nonmember=nonmember, questioned=asked)


def flag_warnings(
    performance: Performance | None, scores: ScoreTable, units: Units, controls: Sequence[Control]
) -> list[str]:
    """Say when flags of single images must not be read as findings."""
    found, flagged = [], int(scores.flagged.sum())
    failed = ", ".join(control.name for control in stopped_by(controls))
    if flagged and failed:
        found.append(f"{flagged} images are flagged, but a control failed ({failed}): do not read them as findings.")
    elif flagged and performance is not None and performance.auc.low <= CHANCE:
        found.append(
            f"{flagged} images are flagged although this audit could not tell members from non-members on known "
            "images: do not read them as findings."
        )
    if flagged and units.grouped:
        number = len(np.unique(units.unit[scores.flagged]))
        found.append(
            f"Images that belong together are judged together: the {flagged} flagged images are {number} groups."
        )
    return found
