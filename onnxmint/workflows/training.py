"""Training an auditor: known images in, one calibrated and tested ONNX file out. Read `train_on` from top to bottom."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxmint import __version__
from onnxmint.controls.panel import control_evidence
from onnxmint.controls.plausibility import is_implausible
from onnxmint.controls.preparations import advice_for
from onnxmint.controls.seen import Seen
from onnxmint.engine.choosing import engine_for
from onnxmint.engine.observations import Engine
from onnxmint.engine.target import Target, target_warnings, twin_of
from onnxmint.evidence.gathering import gather, with_others
from onnxmint.evidence.known import Evidence
from onnxmint.evidence.nobody import UNMEASURED, Nobody
from onnxmint.graph.bringing import with_model_here
from onnxmint.graph.instrument import joined_name
from onnxmint.graph.observed import is_without_weights
from onnxmint.graph.serial import require_one_file
from onnxmint.images.passed import frames_note
from onnxmint.images.together import Together
from onnxmint.methods.given import given_references
from onnxmint.methods.measuring import evidence_facts, evidence_warnings, measure, measure_baselines
from onnxmint.methods.references import Reference
from onnxmint.mint.auditor import OBSERVED, Auditor, AuditorContent
from onnxmint.mint.fit_and_score import fit_and_score
from onnxmint.mint.inside import alone_again, left_out
from onnxmint.mint.merging import check_parity, merge
from onnxmint.mint.outcome import Fitted, noting, yardstick_of
from onnxmint.mint.reading import title, what_is_read
from onnxmint.preprocess.declaring import orientation_note
from onnxmint.progress import Stage, Step, quiet
from onnxmint.results.facts import Control, MethodFacts, ReferenceFacts, now
from onnxmint.settings import TrainSettings
from onnxmint.stats import metrics, two_sample
from onnxmint.verdict.yardstick import Traces
from onnxmint.workflows.foreseeing import foreseen_training
from onnxmint.workflows.module_settings import fixed_in_advance, one_view_if_mixing, require_use, with_inputs
from onnxmint.workflows.preparing import prepared
from onnxmint.workflows.stages import MEASURED
from onnxmint.workflows.watching import Watched, watch

TOO_MANY = (
    "So many images are known that only exact copies of them are recognised among questioned images, not near copies."
)
_REMEMBERED = 200_000  # known images whose looks are kept; some 50 MiB of an auditor's file


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """An auditor with what was made ready for it, so that an audit makes nothing of it twice."""

    auditor: Auditor
    target: Target
    twin: Target | None  # None without controls
    references: Sequence[Reference]


@with_model_here
def train(
    model: str | Path,
    members: str | Path,
    nonmembers: str | Path,
    *,
    settings: TrainSettings | None = None,
    stage: Stage = quiet,
    before: Callable[[tuple[Step, ...]], None] | None = None,
    engine: Engine | None = None,
) -> Auditor:
    """Train an auditor of a target on known members and non-members.

    Args:
        model: the target classifier, an ONNX file.
        members: images known to be in its training set (folder, Parquet, CSV or tar).
        nonmembers: images known not to be.
        settings: what to fit and how; the defaults when None.
        stage: told of the progress.
        before: told the steps before anything long begins, for which the speed of the target is measured.
        engine: shows the images and has a stage of its own; this process when None.

    Returns:
        The auditor, calibrated, tested on images that fitting did not see, and with its evidence controlled.

    Raises:
        OnnxmintError: one of its kinds, for files, options and devices that do not serve.
    """
    settings = settings or TrainSettings()
    engine = engine or engine_for(model, stage)
    target, known = prepared(model, members, nonmembers, settings, engine)
    if before is not None:
        before(foreseen_training(target, known, settings))
    return train_on(target, known, settings, engine).auditor


def train_on(target: Target, known: Together, settings: TrainSettings, engine: Engine) -> Trained:
    """Do what `train` does with a target and images that are open already.

    Raises:
        OnnxmintError: as `train`.
    """
    rng = np.random.default_rng(settings.seed)
    require_one_file(target.model.model, target.model.path)
    alone = isinstance(known.sources[0], Nobody)
    settings = one_view_if_mixing(target, fixed_in_advance(target, settings) if alone else settings)
    read = what_is_read(target.layers, settings)
    classes = target.model.answer.classes
    evidence, copies = gather(known.sources, classes, settings, rng=rng, stage=engine.stage, folds=settings.folds)
    evidence = with_others(evidence, known.whole, engine.stage)
    references = given_references(settings.reference, target, evidence, settings, engine)
    target, reasons = with_inputs(target, () if alone or read else references, settings)
    require_use(target, reasons, settings)
    fitted = noting(fit_and_score(target, evidence, read, settings, engine), left_out(reasons))
    twin = twin_of(target, settings.seed) if settings.controls else None
    watched = watch(twin, fitted, evidence, references, settings, engine, rng) if twin else Watched()
    folds = fitted.folds if fitted.folds > 1 else None
    facts = evidence_facts(fitted.held, fitted.skipped, folds=folds, files=evidence.files)
    seen = Seen(
        evidence=evidence,
        copies=copies,
        facts=facts,
        classes=classes,
        advice=advice_for(target, known.sources[0], settings, engine) if is_implausible(facts, classes) else None,
        target=fitted.as_scored(),
        twin=watched.twin,
        difficulty=watched.difficulty,
        seed=settings.seed,
    )
    with engine.stage(MEASURED, 0):
        controls = control_evidence(seen, rng, wanted=settings.controls)
        auditor = merge(fitted, _content(fitted, seen, watched, controls, references, known, settings, rng))
        check_parity(auditor, fitted, engine)
    return Trained(auditor=auditor, target=alone_again(target), twin=twin and alone_again(twin), references=references)


def _content(
    fitted: Fitted,
    seen: Seen,
    watched: Watched,
    controls: tuple[Control, ...],
    references: Sequence[Reference],
    known: Together,
    settings: TrainSettings,
    rng: np.random.Generator,
) -> AuditorContent:
    """Measure the module and write down what is known of it."""
    held, target, looked, looks = fitted.held, fitted.reading.exposed.target, seen.evidence.facts, _looks(seen.evidence)
    turned = orientation_note(looked.turned, len(looked.index), target.spec, "the known images")
    return AuditorContent(
        classes=known.numbering,
        target_sha256=target.model.sha256,
        preprocess=target.spec,
        method=_method(fitted, references, settings),
        evidence=seen.facts,
        performance=None if held.table.alone else measure(fitted.score, held, rng, folds=fitted.folds),
        unmeasured=UNMEASURED if held.table.alone else None,
        baselines=() if held.table.alone else tuple(measure_baselines(held, rng)),
        gate=fitted.gate,
        yardstick=yardstick_of(fitted),
        controls=controls,
        traces=Traces(
            digest=np.concatenate([looked.digest, seen.evidence.others.looks.digest]),
            is_member=np.concatenate([seen.evidence.table.is_member, seen.evidence.others.is_member]),
            features=watched.features,
            described=watched.described,
            difficulty=watched.ease,
            judged=watched.judged,
            **looks,
        ),
        version=__version__,
        created=now(),
        warnings=(
            *known.notes,
            *([turned] if turned else []),
            *frames_note(int(looked.more.sum()), len(looked.index), "the known images"),
            *target.notes,
            *evidence_warnings(seen.facts),
            *target_warnings(target.model),
            *_module_notes(fitted, settings),
            *([] if looks else [TOO_MANY]),
            *([OBSERVED] if is_without_weights(target.model.path) else []),
            *_unseen(seen.evidence.others.unseen),
        ),
    )


def _unseen(count: int) -> list[str]:
    """Say that images were given as known that the audit cannot recognise."""
    if not count:
        return []
    return [
        f"{count:,} known images are more than --limit takes, and too many to be looked at: were some of them "
        "questioned later, they would be judged as if they were not known."
    ]


def _looks(evidence: Evidence) -> dict[str, NDArray[Any]]:
    """Return what near copies of known images are recognised by, nothing where the file would grow too large."""
    looked, others = evidence.facts, evidence.others.looks
    if len(looked.phash) + len(others.phash) > _REMEMBERED:
        return {}
    return {
        "phash": np.concatenate([looked.phash, others.phash]),
        "thumb": np.concatenate([looked.thumb, others.thumb]),
    }


def _module_notes(fitted: Fitted, settings: TrainSettings) -> tuple[str, ...]:
    """Say which module was taken where a user may think it was another."""
    if settings.module != "auto" or not fitted.reading.layers:
        return fitted.notes
    return (
        *fitted.notes,
        f"--layer was given, so the module is {fitted.name}, which reads that layer, not views: leave --layer out for "
        "the stronger test.",
    )


def _method(fitted: Fitted, references: Sequence[Reference], settings: TrainSettings) -> MethodFacts:
    exposed = fitted.reading.exposed
    layers = fitted.reading.layers or exposed.target.layers[-1:]
    return MethodFacts(
        name=fitted.name,
        title=title(fitted.name, fitted.reading.layers, exposed),
        layer=joined_name(layers),
        tensors=tuple(layer.tensor for layer in layers),
        answer=exposed.target.model.answer.output,
        activation_shape=fitted.reading.shape,
        views=exposed.views,
        augmentation=exposed.augmentation,
        labels=exposed.with_labels,
        folds=fitted.folds,
        seed=settings.seed,
        networks=len(fitted.best_epochs),
        best_epochs=fitted.best_epochs,
        validation_loss=fitted.validation_loss if fitted.best_epochs else None,
        source="Membership Inference Test, arXiv 2601.12929",
        references=tuple(
            ReferenceFacts(name=one.name, sha256=one.target.model.sha256, preprocess=one.target.spec)
            for one in references
        ),
        intervals=metrics.INTERVAL_METHOD,
        controls=two_sample.METHOD,
    )
