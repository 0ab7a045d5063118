"""An audit: a target, what is known of it and questioned images in, a verdict out. Read `audit` from top to bottom."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onnxmint import __version__
from onnxmint.controls.panel import control_question
from onnxmint.engine.local import Local
from onnxmint.engine.observations import Engine
from onnxmint.engine.target import target_facts
from onnxmint.evidence.questioned import Questioned, look_at_questioned
from onnxmint.images.known_copies import Looks
from onnxmint.images.sources import Place
from onnxmint.mint.auditor import Auditor
from onnxmint.preprocess.declaring import orientation_note
from onnxmint.progress import Stage, quiet
from onnxmint.results.audit import AuditResult, IdentityFacts, QuestionedFacts, SubjectsFacts, Verdict
from onnxmint.results.facts import Control, now
from onnxmint.settings import AuditSettings
from onnxmint.stats.estimates import Estimate
from onnxmint.stats.needed import scaled
from onnxmint.stats.share import Strength, detectable_share
from onnxmint.verdict.case import Case
from onnxmint.verdict.findings import Question
from onnxmint.verdict.gating import gate_and_yardstick
from onnxmint.verdict.next_steps import Standing, next_steps
from onnxmint.verdict.opinions import second_scores, strength_of
from onnxmint.verdict.scores import (
    QuestionedScores,
    calibration_of,
    classes_of,
    flag_warnings,
    histogram,
    judge,
    prior_of,
    statistics,
)
from onnxmint.verdict.subjects import judge_subjects
from onnxmint.verdict.units import Units, as_units
from onnxmint.verdict.yardstick import Traces, Yardstick
from onnxmint.workflows.foreseeing import power_words, sampled
from onnxmint.workflows.lots import at_most, sample_words, score_in_lots
from onnxmint.workflows.opening import Before, Known, Ready, open_by_training, open_with_auditor
from onnxmint.workflows.questioning import class_names, what_was_seen

__all__ = ["Known", "audit"]

_FEWEST = 2  # units on a side, below which there is no variance

Rows = NDArray[np.int64]


def audit(
    model: str | Path,
    images: Place | Sequence[Place],
    known: Auditor | Known,
    *,
    settings: AuditSettings | None = None,
    stage: Stage = quiet,
    keep: Callable[[Auditor], None] | None = None,
    before: Before | None = None,
    engine: Engine | None = None,
) -> AuditResult:
    """Say which of the questioned images a target was trained on, with error rates.

    Args:
        model: the target classifier, an ONNX file.
        images: the questioned images (folder, image file, Parquet, CSV or tar); several places are one set.
        known: an auditor of this target, or known images to train one on.
        settings: level, prior, labels, groups, references, device; the defaults when None.
        stage: told of the progress.
        keep: given the auditor as soon as it is trained, so that whatever happens next costs no second training.
        before: told what will be done, how long that takes here, and what would help, before anything long begins.
        engine: shows the images and has a stage of its own; this process when None.

    Raises:
        OnnxmintError: one of its kinds, for files, options and devices that do not serve.
    """
    settings = settings or AuditSettings()
    engine = engine or Local(stage)
    ready = (
        open_by_training(model, images, known, settings, engine, keep, before)
        if isinstance(known, Known)
        else open_with_auditor(model, images, known, settings, before)
    )
    return _judge(ready, sampled(settings, ready.foreseen), engine)


def _judge(ready: Ready, settings: AuditSettings, engine: Engine) -> AuditResult:
    """Score the questioned images, control them, and reach a verdict."""
    auditor, target, rng = ready.auditor, ready.target, np.random.default_rng(settings.seed)
    traces, (gate, yardstick) = auditor.traces, gate_and_yardstick(auditor.gate, auditor.yardstick)
    known = Looks(digest=traces.digest, phash=traces.phash, thumb=traces.thumb)
    asked = look_at_questioned(
        ready.source,
        known,
        traces.is_member,
        rng=rng,
        stage=engine.stage,
        sample=at_most(settings, ready.source),
        seed=settings.seed,
    )
    told = asked.labels if auditor.method.labels else None
    auc = gate.auc if gate is not None else None if auditor.performance is None else auditor.performance.auc

    def decided(scored: QuestionedScores, part: float) -> Verdict:
        return _case(scored, _units(scored, asked, yardstick, traces), told, settings, auc, (), part).verdict()

    scored, looks = score_in_lots(ready, asked, settings, engine, decided)
    units = _units(scored, asked, yardstick, traces)
    seen = what_was_seen(ready, asked, scored, units, settings, engine)
    controls = control_question(auditor.controls, seen, rng, wanted=settings.controls)
    case = _case(scored, units, told, settings, auc, controls, looks[-1].part if looks else 1.0)
    verdict = case.verdict()
    prior, prior_words = prior_of(settings, verdict.share_of_members, len(scored.row), alone=auc is None)
    scores = judge(scored, asked, units, settings, prior, told, rng)
    return AuditResult(
        version=__version__,
        created=now(),
        target=target_facts(target.model, auditor.method.tensors, target.device),
        preprocess=auditor.preprocess,
        method=auditor.method,
        statistics=statistics(auditor.method.folds, settings, units, prior_words),
        evidence=auditor.evidence,
        identity=IdentityFacts(evidence=traces.identity(auditor.target_sha256), questioned=asked.identity),
        performance=auditor.performance,
        unmeasured=auditor.unmeasured,
        baselines=auditor.baselines,
        questioned=QuestionedFacts(
            images=len(scores.path),
            flagged=int(scores.flagged.sum()),
            alpha=settings.alpha,
            prior=prior,
            skipped=(*scored.skipped, *asked.known),
            drawn_from=None if asked.sample is None else asked.sample.drawn_from,
            looks=looks,
        ),
        controls=controls,
        scores=scores,
        verdict=verdict,
        subjects=_subjects(ready, case, scored, units, settings),
        histogram=histogram(auditor.yardstick, scores.score),
        calibration=calibration_of(auditor.yardstick),
        class_names=class_names(ready.source.numbering or auditor.classes, target.model.answer.classes),
        warnings=(
            *auditor.warnings,
            *_warnings(ready, asked, scored, units, settings),
            *sample_words(asked, looks, len(scored.row), settings),
            *_cost_of_time(ready, units, verdict, settings),
            *flag_warnings(auditor.performance, scores, units, controls),
        ),
        next_steps=next_steps(
            Standing(
                verdict=verdict,
                controls=controls,
                evidence=auditor.evidence,
                method=auditor.method,
                strength=_strength(units),
                auc=auc,
                questioned=len(units.score),
                settings=settings,
            )
        ),
    )


def _cost_of_time(ready: Ready, units: Units, verdict: Verdict, settings: AuditSettings) -> list[str]:
    """Return what a time limit cost in power, nothing where it cost none."""
    told, strength = ready.foreseen, _strength(units)
    if told is None or settings.time is None or told.load == told.full:
        return []
    unlimited = None
    if strength is not None:
        more = max(told.full.members / max(told.load.members, 1), 1.0)
        asked = told.full.questioned / told.load.questioned * len(units.score)
        unlimited = detectable_share(scaled(strength, more), asked, alpha=settings.alpha, guarantee=settings.guarantee)
    seen = verdict.detectable_share
    return [power_words(told.full, told.load, seconds=settings.time, seen=seen, unlimited=unlimited)]


def _strength(units: Units) -> Strength | None:
    """Return how well known members stand out in the test of the set, None where there are too few to say."""
    known = units.known.groups()
    return strength_of(units.known) if min(len(known.member), len(known.nonmember)) >= _FEWEST else None


def _units(scored: QuestionedScores, asked: Questioned, yardstick: Yardstick, traces: Traces) -> Units:
    """Return what counts as one among scored images, and the known ones that it is measured by."""
    return as_units(
        scored.score,
        scored.row,
        asked.groups(scored.row),
        yardstick,
        digest=asked.digest(scored.row),
        known_digest=traces.digest[yardstick.number],
    )


def _case(
    scored: QuestionedScores,
    units: Units,
    told: Rows | None,
    settings: AuditSettings,
    auc: Estimate | None,
    controls: tuple[Control, ...],
    part: float,
) -> Case:
    """Return the whole set with what the settings ask of it, within classes where they say so."""
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
            part=part,
        ),
        known=units.known.groups(None if classes is None else units.known.category.astype(np.int64)),
        auc=auc,
        controls=controls,
        second=second_scores(units, scored.row, free=scored.free, level=scored.level, free_level=scored.free_level),
    )


def _subjects(
    ready: Ready, case: Case, scored: QuestionedScores, units: Units, settings: AuditSettings
) -> SubjectsFacts | None:
    """Ask the same of every subject's images, where the settings tell subjects apart."""
    if ready.subjects is None or settings.subject is None:
        return None
    names = [ready.subjects[row] for row in scored.row.tolist()]
    return judge_subjects(case, units, names, by=settings.subject, first=settings.subject_first)


def _warnings(
    ready: Ready, asked: Questioned, scored: QuestionedScores, units: Units, settings: AuditSettings
) -> list[str]:
    yardstick, device = ready.auditor.yardstick, ready.target.device
    found = [*ready.source.notes]
    turned = orientation_note(asked.facts.turned, len(asked.facts.index), ready.target.spec, ready.source.location)
    if turned is not None:
        found.append(turned)
    if scored.skipped:
        found.append(
            f"{len(scored.skipped)} of {len(asked.entries)} questioned images were skipped; the report names them."
        )
    if asked.known:
        found.append(
            f"{len(asked.known)} questioned images are known images of the evidence, or near copies of such; they were "
            "not judged."
        )
    if yardstick.group is not None and not units.grouped:
        found.append(
            "The evidence has groups but the questioned images have none (--group): they were measured by one image of "
            "each known group, and if many of them are near copies that were not noticed, the p-value is too small."
        )
    if settings.group is not None and yardstick.group is None:
        found.append(
            "The questioned images have groups but the evidence has none: one image of each group was taken, that of "
            "the smallest digest, to be measured by single known images; with groups in the evidence more may count."
        )
    if settings.device == "auto" and device.kind == "cpu" and "driver" not in device.reason:
        found.append(f"Ran on the CPU: {device.reason}.")
    known = units.known.groups().nonmember
    smallest = 1 / (len(known) + 1)
    if smallest > settings.alpha / 10:
        found.append(
            f"With {len(known)} held-out non-members no p-value can be below {smallest:.3g}, so single images can "
            "hardly be flagged; bring more known non-members."
        )
    return found
