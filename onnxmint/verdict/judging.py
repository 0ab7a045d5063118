"""From what was observed of the questioned images to all that an audit says of them, by one rule.

An audit judges what it has just observed; a check of a run judges what the run kept, and must reach the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from onnxmint.results.audit import Histogram, ScoreTable, SubjectsFacts, Verdict
from onnxmint.results.basis import Basis, RuleFacts
from onnxmint.results.facts import Control, StatisticsFacts
from onnxmint.settings import AuditSettings
from onnxmint.stats.estimates import Estimate, Performance
from onnxmint.stats.gate import Gate
from onnxmint.stats.likelihood import Calibration
from onnxmint.verdict.case import Case
from onnxmint.verdict.findings import Question
from onnxmint.verdict.gating import gate_and_yardstick
from onnxmint.verdict.opinions import second_scores
from onnxmint.verdict.scores import (
    Named,
    QuestionedScores,
    calibration_of,
    classes_of,
    histogram,
    judge,
    prior_of,
    statistics,
)
from onnxmint.verdict.subjects import judge_subjects
from onnxmint.verdict.units import Units
from onnxmint.verdict.yardstick import Yardstick
from onnxmint.writing.scratch import kept, release

Rows = NDArray[np.int64]
_TIES = 1  # of the seed's streams that of random weights at ties, which nothing else draws from


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """What an auditor measures questioned images by.

    Attributes:
        yardstick: held-out known images, all of them.
        gate: whether members can be told at all; None where there are no images for it alone.
        performance: on the test part; None where no members are known.
        folds: number of networks.
        labels: whether the auditor is told labels.
    """

    yardstick: Yardstick
    gate: Gate | None
    performance: Performance | None
    folds: int
    labels: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """What was observed of the questioned images.

    Attributes:
        scored: by the auditor; `row` counts them from 0.
        units: what counts as one, in the same rows.
        named: names and labels.
        subjects: (n,) whose each is; None where no subjects are told apart.
        controls: what could explain a difference.
        part: of the level that may be spent on them, where there are several looks.
    """

    scored: QuestionedScores
    units: Units
    named: Named
    subjects: tuple[str | None, ...] | None
    controls: Sequence[Control]
    part: float = 1.0

    @classmethod
    def of(
        cls,
        scored: QuestionedScores,
        units: Units,
        named: Named,
        *,
        subjects: Sequence[str | None] | None,
        controls: Sequence[Control],
    ) -> "Sighting":
        """Return it of images that have other rows in their source.

        Args:
            scored: as they were scored.
            units: of them.
            named: (n,) of the scored ones.
            subjects: of every row of the source.
            controls: of the audit.
        """
        row = kept(np.arange(len(scored.row)))
        same = units.row is scored.row
        return cls(
            scored=replace(scored, row=row),
            units=replace(units, row=row if same else kept(np.searchsorted(scored.row, units.row))),
            named=named,
            subjects=None if subjects is None else tuple(subjects[row] for row in scored.row.tolist()),
            controls=controls,
        )

    def basis(self, sha256: Sequence[str]) -> Basis:
        """Return what a run keeps of it beside the score table; `sha256` are the hashes of the files."""
        scored, counted = self.scored, np.zeros(len(self.scored.row), np.bool_)
        counted[self.units.row] = True
        return Basis(
            networks=scored.score,
            free=scored.free,
            level=_flat(scored.level),
            free_level=_flat(scored.free_level),
            unit=self.units.unit,
            counted=counted,
            sha256=sha256,
            subject=self.subjects,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """All that is said of the questioned images."""

    verdict: Verdict
    scores: ScoreTable
    prior: float | None
    statistics: StatisticsFacts
    subjects: SubjectsFacts | None
    histogram: Histogram
    calibration: Calibration | None
    auc: Estimate | None  # by which it is judged whether members can be told at all


def case_of(seen: Sighting, measure: Measure, settings: AuditSettings) -> Case:
    """Return the whole set with what the settings ask of it, within classes where they say so."""
    gate, _ = gate_and_yardstick(measure.gate, measure.yardstick)
    performance = measure.performance
    auc = gate.auc if gate is not None else None if performance is None else performance.auc
    scored, units = seen.scored, seen.units
    told = seen.named.label if measure.labels else None
    classes = classes_of(scored, units, told) if settings.per_class else None
    return Case(
        question=Question(
            scores=units.score,
            images=len(scored.row),
            grouped=units.grouped,
            alpha=settings.alpha,
            relevant_share=settings.relevant_share,
            guarantee=settings.guarantee,
            strata=classes,
            like="" if classes is None else "of the same class",
            part=seen.part,
        ),
        known=units.known.groups(None if classes is None else units.known.category.astype(np.int64)),
        auc=auc,
        controls=seen.controls,
        second=second_scores(units, scored.row, free=scored.free, level=scored.level, free_level=scored.free_level),
    )


def judge_set(seen: Sighting, measure: Measure, settings: AuditSettings) -> Judgement:
    """Reach the verdict on a set, and judge every image of it and every subject."""
    case, scored, units = case_of(seen, measure, settings), seen.scored, seen.units
    told, verdict = seen.named.label if measure.labels else None, case.verdict()
    prior, prior_words = prior_of(settings, verdict.share_of_members, len(scored.row), alone=case.auc is None)
    release()
    table = judge(scored, seen.named, units, settings, prior, told, np.random.default_rng((settings.seed, _TIES)))
    release()
    return Judgement(
        verdict=verdict,
        scores=table,
        prior=prior,
        statistics=statistics(measure.folds, settings, units, prior_words),
        subjects=_subjects(seen, case, settings),
        histogram=histogram(measure.yardstick, table.score),
        calibration=calibration_of(measure.yardstick),
        auc=case.auc,
    )


def rule_of(settings: AuditSettings) -> RuleFacts:
    """Return of the settings what a verdict follows from."""
    return RuleFacts(**{name: getattr(settings, name) for name in RuleFacts.__slots__})


def _subjects(seen: Sighting, case: Case, settings: AuditSettings) -> SubjectsFacts | None:
    """Ask the same of every subject's images, where the settings tell subjects apart."""
    if seen.subjects is None or settings.subject is None:
        return None
    return judge_subjects(case, seen.units, seen.subjects, by=settings.subject, first=settings.subject_first)


def _flat(values: NDArray[np.float64] | None) -> NDArray[np.float64] | None:
    """Return one number an image of what a graph may give as a column."""
    return None if values is None else values.reshape(len(values))
