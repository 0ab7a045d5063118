"""An audit: a target, what is known of it and questioned images in, a verdict out. Read `audit` from top to bottom."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxmint import __version__
from onnxmint.controls.panel import control_question
from onnxmint.controls.seen import Asked, Missing
from onnxmint.engine.local import Local
from onnxmint.engine.observations import Engine
from onnxmint.engine.probe import Probe, Shown, batch_for
from onnxmint.engine.session import choose_device
from onnxmint.engine.target import Target, target_facts, target_with, twin_of
from onnxmint.engine.worker import to_numpy
from onnxmint.errors import EvidenceError, ModelError, OnnxmintError, UsageError
from onnxmint.evidence.questioned import Questioned, look_at_questioned
from onnxmint.evidence.table import check_labels, labels_of
from onnxmint.graph.load import load_target
from onnxmint.images.entries import ImageSource
from onnxmint.images.sources import open_source, require_readable
from onnxmint.methods.given import ease_of_questioned
from onnxmint.methods.references import Reference, open_references
from onnxmint.mint.auditor import Auditor
from onnxmint.mint.describing import FEATURES, features_probe, telling_layer
from onnxmint.progress import Stage, quiet
from onnxmint.results.audit import AuditResult, QuestionedFacts
from onnxmint.results.facts import Skipped, now
from onnxmint.settings import AuditSettings, EvidenceSettings, TrainSettings, module_kind
from onnxmint.stats.estimates import FloatArray
from onnxmint.verdict.answer import Question, reach_verdict
from onnxmint.verdict.scores import Scored, flag_warnings, histogram, judge, prior_of, statistics
from onnxmint.verdict.units import Units, as_units

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Known images, to train an auditor on.

    Attributes:
        members: place of images known to be in the training set.
        nonmembers: place of images known not to be.
        training: what to fit and how.
    """

    members: str | Path
    nonmembers: str | Path
    training: TrainSettings


def audit(
    model: str | Path,
    images: str | Path,
    known: Auditor | Known,
    *,
    settings: AuditSettings | None = None,
    stage: Stage = quiet,
    keep: Callable[[Auditor], None] | None = None,
) -> AuditResult:
    """Say which of the questioned images a target was trained on, with error rates.

    Args:
        model: the target classifier, an ONNX file.
        images: the questioned images (folder, Parquet, CSV or tar).
        known: an auditor of this target, or known images to train one on.
        settings: level, prior, labels, groups, references, device; the defaults when None.
        stage: told of the progress.
        keep: given the auditor as soon as it is trained, so that whatever happens next costs no second training.

    Raises:
        OnnxmintError: one of its kinds, for files, options and devices that do not serve.
    """
    settings = settings or AuditSettings()
    engine = Local(stage)
    ready = (
        _trained(model, images, known, settings, engine, keep)
        if isinstance(known, Known)
        else _loaded(model, images, known, settings)
    )
    return _judge(ready, settings, engine)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ready:
    """Everything that an audit needs, open and checked."""

    auditor: Auditor
    target: Target
    source: ImageSource
    references: Sequence[Reference]
    twin: Target | None


def _loaded(model: str | Path, images: str | Path, auditor: Auditor, settings: AuditSettings) -> _Ready:
    """Open the target of an auditor and the questioned images."""
    target = _its_target(model, auditor, settings)
    source = open_source(images, group=settings.group, labels=settings.labels)
    _require_labels(auditor, labels_of(source.entries()), target, source.location)
    return _Ready(
        auditor=auditor,
        target=target,
        source=source,
        references=_references(target, auditor, settings),
        twin=twin_of(target, auditor.method.seed) if settings.controls else None,
    )


def _trained(
    model: str | Path,
    images: str | Path,
    known: Known,
    settings: AuditSettings,
    engine: Engine,
    keep: Callable[[Auditor], None] | None,
) -> _Ready:
    """Train an auditor, having refused first what would be refused after the training."""
    from onnxmint.engine.target import make_ready
    from onnxmint.evidence.gathering import open_evidence
    from onnxmint.workflows.training import train_on

    asked = open_source(images, group=settings.group, labels=settings.labels)
    sources = open_evidence(known.members, known.nonmembers, known.training)
    require_readable(asked)
    target = make_ready(model, known.training)
    labels = labels_of(asked.entries())
    check_labels(labels, target.model.answer.classes, asked.location)
    module = known.training.module
    told = module == "auto" or module_kind(module).reads == "odds"
    if told and labels is None and all(labels_of(one.entries()) is not None for one in sources):
        raise UsageError(
            f"the known images have labels, but not all images in {asked.location} have one, so their scores would not "
            "compare: give labels, or use --no-labels"
        )
    trained = train_on(target, sources, known.training, engine)
    if keep is not None:
        keep(trained.auditor)
    return _Ready(
        auditor=trained.auditor,
        target=trained.target,
        source=asked,
        references=trained.references,
        twin=trained.twin,
    )


def _judge(ready: _Ready, settings: AuditSettings, engine: Engine) -> AuditResult:
    """Score the questioned images, control them, and reach a verdict."""
    auditor, target, rng = ready.auditor, ready.target, np.random.default_rng(settings.seed)
    traces, yardstick = auditor.traces, auditor.yardstick
    asked = look_at_questioned(ready.source, traces.digest, traces.is_member, rng=rng, stage=engine.stage)
    scored = _score(ready, asked, settings, engine)
    units = as_units(scored.score, scored.row, asked.groups(scored.row), yardstick, rng)
    seen = _asked(ready, asked, units, settings, engine)
    controls = control_question(auditor.controls, seen, rng, wanted=settings.controls)
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
    told = asked.labels if auditor.method.labels else None
    scores = judge(scored, asked, units, settings, prior, told, rng)
    return AuditResult(
        version=__version__,
        created=now(),
        target=target_facts(target.model, auditor.method.tensors, target.device),
        preprocess=auditor.preprocess,
        method=auditor.method,
        statistics=statistics(auditor.method.folds, settings, units, prior_words),
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
        controls=controls,
        scores=scores,
        verdict=verdict,
        histogram=histogram(yardstick, scores.score),
        warnings=(
            *auditor.warnings,
            *_warnings(ready, asked, scored, units, settings),
            *flag_warnings(auditor.performance, scores, units, controls),
        ),
    )


def _its_target(model: str | Path, auditor: Auditor, settings: AuditSettings) -> Target:
    """Load the target; refuse one that the auditor was not trained for."""
    loaded = load_target(model, answer=auditor.method.answer, sha256=auditor.target_sha256)
    return target_with(loaded, auditor.preprocess, choose_device(settings.device))


def _require_labels(auditor: Auditor, labels: Rows | None, target: Target, place: str) -> None:
    """Refuse labels that do not fit, and their absence where the auditor has to be told them."""
    check_labels(labels, target.model.answer.classes, place)
    if auditor.method.labels and labels is None:
        raise EvidenceError(
            f"the auditor was calibrated with labels, but not all images in {place} have one, so their scores would "
            "not compare: give labels, or train an auditor with --no-labels"
        )


def _references(target: Target, auditor: Auditor, settings: AuditSettings) -> list[Reference]:
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
    return open_references(settings.reference, target, [], EvidenceSettings(device=settings.device), settled)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as problem:
        raise ModelError(f"cannot read the reference {path}: {problem.strerror or problem}") from None


def _scoring(shown: Shown) -> dict[str, NDArray[Any]]:
    """Return (b, K) scores by each network, and the target's top class."""
    score = to_numpy(shown.outputs["score"]).astype(np.float64)
    return {
        "score": score.reshape(len(score), -1),
        "predicted": to_numpy(shown.outputs["answer"]).argmax(axis=1).astype(np.int64),
    }


def _score(ready: _Ready, asked: Questioned, settings: AuditSettings, engine: Engine) -> Scored:
    """Run the auditor over the questioned images that are not known already."""
    auditor, target = ready.auditor, ready.target
    several = auditor.method.folds > 1
    probe = Probe(
        model=auditor.model,
        columns=(("score", "scores" if several else "score"), ("answer", "answer")),
        spec=target.spec,
        device=target.device,
        batch_size=batch_for(settings.batch_size, auditor.method.views, target),
        with_labels=auditor.method.labels,
        reduce=_scoring,
    )
    seen = engine.observe(probe, asked.images(asked.to_judge), name="scored")
    if not len(seen.row):
        _refuse_nothing(asked, seen.skipped)
    score = seen.columns["score"]
    finite = np.isfinite(score).all(axis=1)
    odd = [asked.entries[row].path for row in seen.row[~finite].tolist()]
    return Scored(
        row=seen.row[finite],
        score=score[finite],
        predicted=seen.columns["predicted"][finite],
        skipped=(*seen.skipped, *(Skipped(path=path, reason="the target gives NaN or infinity") for path in odd)),
    )


def _refuse_nothing(asked: Questioned, skipped: Sequence[Skipped]) -> None:
    """Say why there is no questioned image to judge."""
    known, place = len(asked.known), asked.source.location
    if not skipped:
        raise EvidenceError(
            f"all {known:,} questioned images in {place} are among the known images, so there is nothing to judge: "
            "give other images, or evidence without them"
        )
    others = f" beside {known:,} that are among the known images" if known else ""
    raise EvidenceError(
        f"none of the {len(skipped):,} questioned images in {place}{others} could be read; the first: "
        f"{skipped[0].path}: {skipped[0].reason}"
    )


def _asked(ready: _Ready, asked: Questioned, units: Units, settings: AuditSettings, engine: Engine) -> Asked:
    """Observe of the questioned images what controls look at."""
    row, features = _described(ready, asked, settings, engine)
    return Asked(
        questioned=asked,
        units=units,
        yardstick=ready.auditor.yardstick,
        traces=ready.auditor.traces,
        row=row,
        features=features,
        easy=_ease(ready, asked, units, settings, engine),
        seed=ready.auditor.method.seed,
    )


def _described(
    ready: _Ready, asked: Questioned, settings: AuditSettings, engine: Engine
) -> tuple[Rows, FloatArray | Missing]:
    """Return the rows that the twin could describe, with their pixel statistics and its features."""
    none = np.empty(0, np.int64)
    if ready.twin is None or not ready.auditor.traces.features.size:
        return none, Missing(why="the twin was not asked")
    facts = asked.facts.take(asked.described)
    rows = asked.row_of(facts.index)
    probe = features_probe(ready.twin, telling_layer(ready.target.layers), small=False, batch_size=settings.batch_size)
    try:
        seen = engine.observe(probe, asked.images(rows), name="by the twin")
    except OnnxmintError as problem:
        return none, Missing(why=str(problem))
    if not len(seen.row):
        return none, Missing(why="no questioned image could be read")
    pixel = facts.take(np.searchsorted(rows, seen.row)).pixel.astype(np.float64)
    return seen.row, np.concatenate([pixel, seen.columns[FEATURES]], axis=1)


def _ease(
    ready: _Ready, asked: Questioned, units: Units, settings: AuditSettings, engine: Engine
) -> FloatArray | Missing | None:
    """Return how easy the questioned units' images are for the references that the auditor was trained with."""
    if not ready.auditor.method.references:
        return None
    before = next(control for control in ready.auditor.controls if control.name == "reference")
    labels = before.difficulty is not None and before.difficulty.labels
    if not ready.references:
        return Missing(why="--reference")
    if labels and asked.labels is None:
        return Missing(why="labels")
    images = asked.images(np.sort(units.row))
    return ease_of_questioned(ready.references, images, engine, labels=labels, batch_size=settings.batch_size)


def _warnings(ready: _Ready, asked: Questioned, scored: Scored, units: Units, settings: AuditSettings) -> list[str]:
    yardstick, device = ready.auditor.yardstick, ready.target.device
    found = []
    if scored.skipped:
        found.append(
            f"{len(scored.skipped)} of {len(asked.entries)} questioned images were skipped; the report names them."
        )
    if asked.known:
        found.append(f"{len(asked.known)} questioned images are known images of the evidence; they were not judged.")
    if yardstick.group is not None and not units.grouped:
        found.append(
            "The evidence has groups but the questioned images have none (--group): they were measured by one image of "
            "each known group, and if many of them are near copies that were not noticed, the p-value is too small."
        )
    if settings.group is not None and yardstick.group is None:
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
