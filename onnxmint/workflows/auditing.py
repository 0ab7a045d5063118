"""An audit: a target, what is known of it and questioned images in, a verdict out. Read `audit` from top to bottom."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

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
from onnxmint.results.audit import AuditResult, QuestionedFacts
from onnxmint.results.facts import now
from onnxmint.results.listed import list_facts
from onnxmint.settings import AuditSettings
from onnxmint.verdict.gating import gate_and_yardstick
from onnxmint.verdict.judging import Sighting, judge_set, rule_of
from onnxmint.verdict.scores import Named, QuestionedScores, flag_warnings
from onnxmint.verdict.units import Units, as_units
from onnxmint.workflows.opening import Known, Ready, open_by_training, open_with_auditor
from onnxmint.workflows.questioning import score, what_was_seen

__all__ = ["Known", "audit"]


def audit(
    model: str | Path,
    images: Place | Sequence[Place],
    known: Auditor | Known,
    *,
    settings: AuditSettings | None = None,
    stage: Stage = quiet,
    keep: Callable[[Auditor], None] | None = None,
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
        engine: shows the images and has a stage of its own; this process when None.

    Raises:
        OnnxmintError: one of its kinds, for files, options and devices that do not serve.
    """
    settings = settings or AuditSettings()
    engine = engine or Local(stage)
    ready = (
        open_by_training(model, images, known, settings, engine, keep)
        if isinstance(known, Known)
        else open_with_auditor(model, images, known, settings)
    )
    return _judge(ready, settings, engine)


def _judge(ready: Ready, settings: AuditSettings, engine: Engine) -> AuditResult:
    """Score the questioned images, control them, and reach a verdict."""
    auditor, target, rng = ready.auditor, ready.target, np.random.default_rng(settings.seed)
    traces, (_, yardstick) = auditor.traces, gate_and_yardstick(auditor.gate, auditor.yardstick)
    known = Looks(digest=traces.digest, phash=traces.phash, thumb=traces.thumb)
    asked = look_at_questioned(ready.source, known, traces.is_member, rng=rng, stage=engine.stage)
    scored = score(ready, asked, settings, engine)
    rows = scored.row
    units = as_units(
        scored.score,
        rows,
        asked.groups(rows),
        yardstick,
        digest=asked.digest(rows),
        known_digest=traces.digest[yardstick.number],
    )
    watched = what_was_seen(ready, asked, scored, units, settings, engine)
    controls = control_question(auditor.controls, watched, rng, wanted=settings.controls)
    named = Named(
        path=tuple(asked.entries[row].path for row in rows.tolist()),
        label=None if asked.labels is None else asked.labels[rows],
    )
    seen = Sighting.of(scored, units, named, subjects=ready.subjects, controls=controls)
    judged = judge_set(seen, auditor.measure, settings)
    return AuditResult(
        version=__version__,
        created=now(),
        target=target_facts(target.model, auditor.method.tensors, target.device),
        preprocess=auditor.preprocess,
        method=auditor.method,
        statistics=judged.statistics,
        evidence=auditor.evidence,
        performance=auditor.performance,
        unmeasured=auditor.unmeasured,
        baselines=auditor.baselines,
        questioned=QuestionedFacts(
            images=len(judged.scores.path),
            flagged=int(judged.scores.flagged.sum()),
            alpha=settings.alpha,
            prior=judged.prior,
            skipped=(*scored.skipped, *asked.known),
            listed=list_facts(*asked.facts.files()),
        ),
        controls=controls,
        scores=judged.scores,
        verdict=judged.verdict,
        subjects=judged.subjects,
        histogram=judged.histogram,
        warnings=(
            *auditor.warnings,
            *_warnings(ready, asked, scored, units, settings),
            *flag_warnings(auditor.performance, judged.scores, units, controls),
        ),
        rule=rule_of(settings),
        basis=seen.basis(asked.sha256(rows)),
    )


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
