"""An audit: a target, what is known of it and questioned images in, a verdict out. Read `audit` from top to bottom."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onnxmint import __version__
from onnxmint.controls.panel import control_question
from onnxmint.engine.choosing import engine_for
from onnxmint.engine.observations import Engine
from onnxmint.engine.target import target_facts
from onnxmint.evidence.questioned import Look, Questioned, look_at_questioned
from onnxmint.evidence.table import paths_at
from onnxmint.graph.bringing import with_model_here
from onnxmint.images.facts import look_at
from onnxmint.images.known_copies import Looks
from onnxmint.images.sources import Place
from onnxmint.mint.auditor import Auditor
from onnxmint.progress import Stage, quiet
from onnxmint.results.audit import (
    AuditResult,
    IdentityFacts,
    LookFacts,
    QuestionedFacts,
    Verdict,
    named_and_counted,
)
from onnxmint.results.facts import Control, now
from onnxmint.results.next_steps import NextStep
from onnxmint.settings import AuditSettings
from onnxmint.stats.needed import scaled
from onnxmint.stats.share import detectable_share
from onnxmint.stats.strength import Strength
from onnxmint.verdict.gating import gate_and_yardstick
from onnxmint.verdict.judging import Judgement, Sighting, case_of, judge_set, rule_of
from onnxmint.verdict.next_steps import Standing, next_steps
from onnxmint.verdict.opinions import strength_of
from onnxmint.verdict.scores import Named, QuestionedScores, flag_warnings
from onnxmint.verdict.units import Units, as_units
from onnxmint.workflows.foreseeing import power_words, sampled
from onnxmint.workflows.lots import Scored, at_most, sample_words, score_in_lots
from onnxmint.workflows.opening import Before, Known, Ready, open_by_training, open_with_auditor
from onnxmint.workflows.questioning import class_names, what_was_seen
from onnxmint.workflows.remarks import warnings_of
from onnxmint.workflows.stages import JUDGED
from onnxmint.writing.scratch import release

__all__ = ["Known", "audit", "judge"]

_FEWEST = 2  # units on a side, below which there is no variance

Rows = NDArray[np.int64]


@with_model_here
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
    engine = engine or engine_for(model, stage)
    ready = (
        open_by_training(model, images, known, settings, engine, keep, before)
        if isinstance(known, Known)
        else open_with_auditor(model, images, known, settings, before)
    )
    return judge(ready, sampled(settings, ready.foreseen), engine)


def judge(ready: Ready, settings: AuditSettings, engine: Engine, look: Look = look_at) -> AuditResult:
    """Score the questioned images, control them, and reach a verdict.

    Args:
        ready: the auditor, its target and the questioned images.
        settings: of the audit.
        engine: shows the images.
        look: looks at them.
    """
    return conclude(ready, look_and_score(ready, settings, engine, look), settings, engine)


def look_and_score(
    ready: Ready, settings: AuditSettings, engine: Engine, look: Look = look_at, share: float = 1.0
) -> Scored:
    """Look at the questioned images and score them, all or as many as tell; controls come later.

    Args:
        ready: the auditor, its target and the questioned images.
        settings: of the audit.
        engine: shows the images.
        look: looks at them.
        share: of the level that may be spent on lots.
    """
    auditor, rng = ready.auditor, np.random.default_rng(settings.seed)
    traces = auditor.traces
    known = Looks(digest=traces.digest, phash=traces.phash, thumb=traces.thumb)
    asked = look_at_questioned(
        ready.source,
        known,
        traces.is_member,
        rng=rng,
        stage=engine.stage,
        sample=at_most(settings, ready.source),
        seed=settings.seed,
        look=look,
    )

    def decided(scored: QuestionedScores, part: float) -> Verdict:
        sighting = _sighting(ready, asked, scored, _units(ready, asked, scored), (), part)
        return case_of(sighting, auditor.measure, settings).verdict()

    scored, looks, tells = score_in_lots(ready, asked, settings, engine, decided, share)
    return Scored(asked=asked.with_groups(scored.row), scored=scored, looks=looks, tells=tells, rng=rng)


def conclude(ready: Ready, shown: Scored, settings: AuditSettings, engine: Engine) -> AuditResult:
    """Control what was scored, and reach a verdict."""
    asked, scored, looks = shown.asked, shown.scored, shown.looks
    units = _units(ready, asked, scored)
    watched = what_was_seen(ready, asked, scored, units, settings, engine)
    with engine.stage(JUDGED, 0):
        controls = control_question(ready.auditor.controls, watched, shown.rng, wanted=settings.controls)
        release()
        seen = _sighting(ready, asked, scored, units, controls, looks[-1].part if looks else 1.0)
        return _result(ready, asked, seen, settings, scored=scored, looks=looks)


def _units(ready: Ready, asked: Questioned, scored: QuestionedScores) -> Units:
    """Return what counts as one among scored images, and the known ones that it is measured by."""
    auditor, rows = ready.auditor, scored.row
    _, yardstick = gate_and_yardstick(auditor.gate, auditor.yardstick)
    return as_units(
        scored.score,
        rows,
        asked.groups(rows),
        yardstick,
        digest=asked.digest(rows),
        known_digest=auditor.traces.digest[yardstick.number],
    )


def _sighting(
    ready: Ready,
    asked: Questioned,
    scored: QuestionedScores,
    units: Units,
    controls: Sequence[Control],
    part: float,
) -> Sighting:
    """Return what was observed of the scored images, to be judged by a part of the level."""
    rows = scored.row
    whole = len(rows) == len(asked.entries)
    named = Named(
        path=paths_at(asked.entries, rows),
        label=None if asked.labels is None else asked.labels if whole else asked.labels[rows],
    )
    return replace(Sighting.of(scored, units, named, subjects=ready.subjects, controls=controls), part=part)


def _result(
    ready: Ready,
    asked: Questioned,
    seen: Sighting,
    settings: AuditSettings,
    *,
    scored: QuestionedScores,
    looks: tuple[LookFacts, ...],
) -> AuditResult:
    """Return all that an audit says of what was seen; `scored` has the rows of the source."""
    auditor, target, judged = ready.auditor, ready.target, judge_set(seen, ready.auditor.measure, settings)
    named, unnamed = named_and_counted((*seen.scored.skipped, *asked.known))
    return AuditResult(
        version=__version__,
        created=now(),
        target=target_facts(target.model, auditor.method.tensors, target.device),
        preprocess=auditor.preprocess,
        method=auditor.method,
        statistics=judged.statistics,
        evidence=auditor.evidence,
        identity=IdentityFacts(evidence=auditor.traces.identity(auditor.target_sha256), questioned=asked.identity),
        performance=auditor.performance,
        unmeasured=auditor.unmeasured,
        baselines=auditor.baselines,
        questioned=QuestionedFacts(
            images=len(judged.scores.path),
            flagged=int(judged.scores.flagged.sum()),
            alpha=settings.alpha,
            prior=judged.prior,
            skipped=named,
            unnamed=unnamed,
            drawn_from=None if asked.sample is None else asked.sample.drawn_from,
            listed=asked.listed,
            looks=looks,
        ),
        controls=tuple(seen.controls),
        scores=judged.scores,
        verdict=judged.verdict,
        subjects=judged.subjects,
        histogram=judged.histogram,
        calibration=judged.calibration,
        class_names=class_names(ready.source.numbering or auditor.classes, target.model.answer.classes),
        warnings=(
            *auditor.warnings,
            *warnings_of(ready, asked, scored, seen.units, settings),
            *sample_words(asked, looks, len(scored.row), settings),
            *_cost_of_time(ready, seen.units, judged.verdict, settings),
            *flag_warnings(auditor.performance, judged.scores, seen.units, seen.controls),
        ),
        next_steps=_next_steps(ready, seen, judged, settings),
        rule=rule_of(settings),
        basis=seen.basis(asked.sha256(scored.row)),
    )


def _next_steps(ready: Ready, seen: Sighting, judged: Judgement, settings: AuditSettings) -> tuple[NextStep, ...]:
    """Return what would help."""
    standing = Standing(
        verdict=judged.verdict,
        controls=tuple(seen.controls),
        evidence=ready.auditor.evidence,
        method=ready.auditor.method,
        strength=_strength(seen.units),
        auc=judged.auc,
        questioned=len(seen.units.score),
        settings=settings,
    )
    return next_steps(standing)


def _cost_of_time(ready: Ready, units: Units, verdict: Verdict, settings: AuditSettings) -> list[str]:
    """Return what a time limit cost in power, nothing where it cost none."""
    told = ready.foreseen
    if told is None or settings.time is None or told.load == told.full:
        return []
    unlimited, strength = None, _strength(units)
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
