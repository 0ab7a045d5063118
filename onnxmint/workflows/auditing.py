"""An audit: a target, an auditor and questioned images in, a verdict out. Read `audit` from top to bottom."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onnxmint import __version__
from onnxmint.controls.exchangeability import (
    Questioned,
    exchangeability_control,
    look_at_questioned,
    question_the_reference,
)
from onnxmint.controls.panel import ORDER
from onnxmint.engine.local import Reader, to_numpy
from onnxmint.engine.session import Device, choose_device
from onnxmint.engine.target import Prepared, batch_for, check_labels, prepared_with, target_facts
from onnxmint.errors import EvidenceError, ModelError, UsageError
from onnxmint.evidence.table import labels_of
from onnxmint.graph.load import TargetModel, load_target, model_sha256
from onnxmint.images.sources import open_source
from onnxmint.methods.references import Reference, open_references
from onnxmint.mint.auditor import Auditor
from onnxmint.progress import Stage, quiet
from onnxmint.results.audit import AuditResult, QuestionedFacts
from onnxmint.results.facts import Control, Skipped, now
from onnxmint.settings import AuditSettings, EvidenceSettings
from onnxmint.verdict.answer import Question, reach_verdict
from onnxmint.verdict.scores import Scored, flag_warnings, histogram, judge, prior_of, statistics, units_of
from onnxmint.verdict.units import Units

Rows = NDArray[np.int64]


def audit(
    model: str | Path,
    images: str | Path,
    auditor: Auditor,
    *,
    settings: AuditSettings | None = None,
    stage: Stage = quiet,
) -> AuditResult:
    """Score questioned images with an auditor of the target and reach a verdict.

    Args:
        model: the target, the same file that the auditor was trained on.
        images: the questioned images (folder, Parquet, CSV or tar).
        auditor: from `train` or `load_auditor`.
        settings: level, prior, labels, groups, references, device; the defaults when None.
        stage: told of the progress.

    Raises:
        OnnxmintError: one of its kinds, for files, options and devices that do not serve.
    """
    settings = settings or AuditSettings()
    rng = np.random.default_rng(settings.seed)
    prepared = _prepare_its_target(model, auditor, settings)
    source = open_source(images, group=settings.group, labels=settings.labels)
    labels = labels_of(source.entries())
    check_labels(labels, prepared.target.answer.classes, source.location)
    told = _labels_to_tell(auditor, labels, source.location)
    references = _references(prepared, auditor, settings)

    asked = look_at_questioned(source, auditor.traces, rng=rng, stage=stage)
    scored = _score(auditor, asked, prepared, settings, stage, told)
    units = units_of(scored, asked, auditor.yardstick, rng)
    controls = _controls(auditor, asked, units, prepared, references, settings, stage)
    verdict = reach_verdict(
        Question(
            scores=units.score,
            images=len(scored.row),
            grouped=units.grouped,
            alpha=settings.alpha,
            relevant_share=settings.relevant_share,
        ),
        units.known.groups(),
        performance=auditor.performance,
        controls=controls,
    )
    prior, prior_words = prior_of(settings, verdict.share_of_members, len(scored.row))
    scores = judge(scored, asked, units, settings, prior, told, labels, rng)
    return AuditResult(
        version=__version__,
        created=now(),
        target=target_facts(prepared.target, auditor.method.tensors, prepared.device),
        preprocess=auditor.preprocess,
        method=auditor.method,
        statistics=statistics(auditor, settings, units, prior_words),
        evidence=auditor.evidence,
        performance=auditor.performance,
        baselines=auditor.baselines,
        questioned=QuestionedFacts(
            images=len(scores.path),
            flagged=int(scores.flagged.sum()),
            alpha=settings.alpha,
            prior=prior,
            skipped=(*scored.skipped, *asked.known),
        ),
        verdict=verdict,
        controls=controls,
        histogram=histogram(auditor.yardstick, scores.score),
        scores=scores,
        warnings=(
            *auditor.warnings,
            *_warnings(auditor, asked, scored, units, prepared.device, settings),
            *flag_warnings(auditor, scores, units, controls),
        ),
    )


def _prepare_its_target(model: str | Path, auditor: Auditor, settings: AuditSettings) -> Prepared:
    """Load the target; refuse one that the auditor was not trained for."""
    digest = model_sha256(Path(model))  # before anything of the auditor is looked for in it
    if digest != auditor.target_sha256:
        raise ModelError(
            f"the auditor was trained for another model (SHA-256 {auditor.target_sha256[:12]}...), {Path(model).name} "
            f"has {digest[:12]}...: give that model, or train an auditor for this one"
        )
    target: TargetModel = load_target(model, answer=auditor.method.answer)
    return prepared_with(target, auditor.preprocess, choose_device(settings.device))


def _labels_to_tell(auditor: Auditor, labels: Rows | None, place: str) -> Rows | None:
    """Return the labels that the auditor has to be told: those of known and questioned images, or of neither."""
    if not auditor.method.labels:
        return None
    if labels is None:
        raise EvidenceError(
            f"the auditor was calibrated with labels, but not all images in {place} have one, so their scores would "
            "not compare: give labels, or train an auditor with --no-labels"
        )
    return labels


def _references(prepared: Prepared, auditor: Auditor, settings: AuditSettings) -> list[Reference]:
    """Open the references, which must be those that the auditor was trained with."""
    trained = {reference.sha256: reference for reference in auditor.method.references}  # a file may be renamed
    given = {path: hashlib.sha256(_content(path)).hexdigest() for path in settings.reference}
    if given and sorted(given.values()) != sorted(reference.sha256 for reference in auditor.method.references):
        names = ", ".join(reference.name for reference in auditor.method.references) or "none"
        raise UsageError(
            f"--reference gives {', '.join(path.name for path in given)}, the auditor was trained with {names}: give "
            "the same files"
        )
    settled = {path: trained[digest].preprocess for path, digest in given.items()}
    return open_references(settings.reference, prepared, [], EvidenceSettings(device=settings.device), settled)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as problem:
        raise ModelError(f"cannot read the reference {path}: {problem.strerror or problem}") from None


def _score(
    auditor: Auditor, asked: Questioned, prepared: Prepared, settings: AuditSettings, stage: Stage, labels: Rows | None
) -> Scored:
    """Run the auditor over the questioned images that are not known already."""
    several = auditor.method.folds > 1
    output = "scores" if several else "score"
    reader = Reader(
        auditor.model,
        (output, "answer"),
        spec=auditor.preprocess,
        device=prepared.device,
        batch_size=batch_for(settings.batch_size, auditor.method.views, prepared),
    )
    position = {entry.index: row for row, entry in enumerate(asked.entries) if entry.index not in asked.known_index}
    rows, scores, predicted = [np.empty(0, np.int64)], [], [np.empty(0, np.int64)]
    told = None if labels is None else {index: int(labels[row]) for index, row in position.items()}
    for batch in reader.read(asked.source, wanted=position.keys(), stage=stage, name="questioned images", labels=told):
        rows.append(np.array([position[index] for index in batch.index.tolist()], np.int64))
        scores.append(to_numpy(batch.outputs[output]).astype(np.float64).reshape(len(batch.index), -1))
        predicted.append(to_numpy(batch.outputs["answer"]).argmax(axis=1).astype(np.int64))
    if not scores:
        _refuse_nothing(asked, reader.skipped)
    row, score = np.concatenate(rows), np.concatenate(scores)
    finite = np.isfinite(score).all(axis=1)
    odd = tuple(Skipped(path=asked.entries[at].path, reason="the target gives NaN or infinity") for at in row[~finite])
    return Scored(
        row=row[finite],
        score=score[finite],
        predicted=np.concatenate(predicted)[finite],
        skipped=(*reader.skipped, *odd),
    )


def _refuse_nothing(asked: Questioned, skipped: Sequence[Skipped]) -> None:
    """Say why there is no questioned image to judge."""
    if not skipped:
        raise EvidenceError(
            f"all {len(asked.known):,} questioned images in {asked.source.location} are among the known images, so "
            "there is nothing to judge: give other images, or evidence without them"
        )
    raise EvidenceError(
        f"none of the {len(asked.entries)} questioned images in {asked.source.location} could be read; the first: "
        f"{skipped[0].path}: {skipped[0].reason}"
    )


def _controls(
    auditor: Auditor,
    asked: Questioned,
    units: Units,
    prepared: Prepared,
    references: list[Reference],
    settings: AuditSettings,
    stage: Stage,
) -> tuple[Control, ...]:
    """Return the auditor's controls with those that need the questioned images, strongest first."""
    found = {control.name: control for control in auditor.controls}
    if settings.controls:
        found["exchangeability"] = exchangeability_control(
            asked,
            prepared,
            auditor.traces,
            auditor.yardstick,
            seed=auditor.method.seed,
            batch_size=settings.batch_size,
            stage=stage,
        )
    else:
        text = "Not run: switched off with --no-controls."
        found["exchangeability"] = Control(name="exchangeability", passed=None, text=text)
    if auditor.method.references:
        found["reference"] = question_the_reference(
            found["reference"], references, asked, units, auditor.traces, batch_size=settings.batch_size, stage=stage
        )
    return tuple(found[name] for name in ORDER if name in found)


def _warnings(
    auditor: Auditor,
    asked: Questioned,
    scored: Scored,
    units: Units,
    device: Device,
    settings: AuditSettings,
) -> list[str]:
    found = []
    if scored.skipped:
        found.append(
            f"{len(scored.skipped)} of {len(asked.entries)} questioned images were skipped; the report names them."
        )
    if asked.known:
        found.append(f"{len(asked.known)} questioned images are known images of the evidence; they were not judged.")
    if auditor.yardstick.group is not None and not units.grouped:
        found.append(
            "The evidence has groups but the questioned images have none (--group): they were measured by one image of "
            "each known group, and if many of them are near copies that were not noticed, the p-value is too small."
        )
    if settings.group is not None and auditor.yardstick.group is None:
        found.append(
            "The questioned images have groups but the evidence has none: one image of each group was taken, drawn at "
            "random, to be measured by single known images; with groups in the evidence all would count."
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
