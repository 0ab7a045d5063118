"""The same images through two models: what the second gives away more or less. Read `compare` from top to bottom."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from onnxmint import __version__
from onnxmint.controls.panel import control_evidence
from onnxmint.controls.seen import Seen
from onnxmint.engine.choosing import engine_for
from onnxmint.engine.observations import Engine
from onnxmint.engine.probe import expose
from onnxmint.engine.target import Target, target_facts, target_warnings
from onnxmint.errors import UsageError
from onnxmint.evidence.gathering import gather, given_classes
from onnxmint.evidence.known import Evidence
from onnxmint.graph.bringing import with_models_here
from onnxmint.graph.layers import Layer, dense_input
from onnxmint.graph.load import TargetModel, load_target
from onnxmint.images.together import Together, open_together
from onnxmint.methods.measuring import KnownScores, Signals, evidence_facts
from onnxmint.methods.signals import SIGNALS, Signal
from onnxmint.preprocess.declared.names import declared_names
from onnxmint.progress import Stage, quiet
from onnxmint.results.comparison import Comparison, ComparisonFacts, ModelFacts
from onnxmint.results.facts import now
from onnxmint.settings import CompareSettings, EvidenceSettings
from onnxmint.stats import paired
from onnxmint.stats.change_limits import ChangeLimit, change_limits_of
from onnxmint.verdict.change import judge_change
from onnxmint.verdict.compared import compared_sets
from onnxmint.workflows.forgetting import drawn, to_forget
from onnxmint.workflows.pairing import Shown, compared_scores, rows_of_sets
from onnxmint.workflows.preparing import settled

_VIEWS = "views"  # need of a signal

Place = str | Path


@dataclass(frozen=True, slots=True, kw_only=True)
class _Given:
    """Where the images are.

    Attributes:
        nonmembers: images that neither model was trained on.
        members: images that both were trained on; None where none are given.
        forget: images that the first model was trained on and the second is to have forgotten; None without.
    """

    nonmembers: Place
    members: Place | None = None
    forget: Place | None = None

    def places(self) -> tuple[Place, ...]:
        """Return the places of images that were trained on, those to be forgotten first.

        Raises:
            UsageError: there is none.
        """
        found = tuple(place for place in (self.forget, self.members) if place is not None)
        if not found:
            raise UsageError("give --members (images that both models were trained on), --forget, or both")
        return found


@with_models_here
def compare(
    before: str | Path,
    after: str | Path,
    nonmembers: str | Path,
    *,
    members: str | Path | None = None,
    forget: str | Path | None = None,
    settings: CompareSettings | None = None,
    stage: Stage = quiet,
    engine: Engine | None = None,
) -> Comparison:
    """Show the same images to two models and say how what each gives away about them differs.

    One score, fixed beforehand, is compared; nothing is fitted or chosen, so that every image counts.

    Args:
        before: the first model, an ONNX file.
        after: the second: the first after unlearning, differential privacy, quantisation, or a new release.
        nonmembers: images that neither was trained on.
        members: images that both were trained on; may be left out where `forget` is given.
        forget: images that the first was trained on and the second is to have forgotten.
        settings: signal, preprocessing, limits; the defaults when None.
        stage: told of the progress.
        engine: shows the images and has a stage of its own; this process when None.

    Raises:
        OnnxmintError: one of its kinds, for files, options and devices that do not serve.
    """
    settings, engine = settings or CompareSettings(), engine or engine_for(before, stage)
    images = _Given(nonmembers=nonmembers, members=members, forget=forget)
    limits, rng = _limits(settings, images), np.random.default_rng(settings.seed)
    targets, known = _prepared(before, after, images, settings, engine)
    evidence, copies = gather(
        known.sources, targets[0].model.answer.classes, _evidence_settings(settings), rng=rng, stage=engine.stage
    )
    signal = _signal(targets, evidence.table.labels is not None, settings)
    shown = [_show(name, target, evidence, signal, settings, engine) for name, target in _named(targets)]
    forgotten = to_forget(evidence, images.forget)
    rows = rows_of_sets(evidence, shown, forgotten)
    scores = compared_scores(evidence, shown, rows)
    sets = compared_sets(scores, settings.seed)
    facts = evidence_facts(shown[0].held, shown[0].skipped, files=evidence.files)
    seen = Seen(evidence=evidence, copies=copies, facts=facts, classes=targets[0].model.answer.classes)
    controls = control_evidence(seen, rng, wanted=True)
    return Comparison(
        version=__version__,
        created=now(),
        before=shown[0].model,
        after=shown[1].model,
        settings=_facts(signal, settings),
        evidence=facts,
        controls=controls,
        verdict=judge_change(sets, controls, limits),
        sets=sets,
        scores=scores,
        warnings=(*known.notes, *_warnings(targets, shown)),
    )


def _facts(signal: Signal, settings: CompareSettings) -> ComparisonFacts:
    return ComparisonFacts(
        signal=signal.name,
        title=signal.description,
        source=signal.source,
        views=_views(signal, settings),
        seed=settings.seed,
        intervals=paired.INTERVAL_METHOD,
        limit=settings.limit,
    )


def _limits(settings: CompareSettings, images: _Given) -> list[ChangeLimit]:
    images.places()
    try:
        limits = change_limits_of(settings.fail_if_more)
    except ValueError as problem:
        raise UsageError(f"--fail-if-more {problem}") from None
    if any(limit.measure == paired.SHARE for limit in limits) and (images.members is None or images.forget is None):
        raise UsageError(
            "--fail-if-more share= needs --forget and --members: it is the share of the forget set that looks as "
            "members do; else limit auc= or tpr@1%="
        )
    return limits


def _evidence_settings(settings: CompareSettings, preprocess: str | None = None) -> EvidenceSettings:
    names = ("group", "labels", "device", "batch_size", "seed", "answer", "classes", "views")
    return EvidenceSettings(
        preprocess=preprocess or settings.preprocess, **{name: getattr(settings, name) for name in names}
    )


def _prepared(
    before: Place, after: Place, images: _Given, settings: CompareSettings, engine: Engine
) -> tuple[tuple[Target, Target], Together]:
    """Load both models, open the images with one numbering of classes, and settle how each is shown them."""
    first, second = (load_target(model, answer=settings.answer) for model in (before, after))
    if first.answer.classes != second.answer.classes:
        raise UsageError(
            f"{first.path} has {first.answer.classes} outputs and {second.path} {second.answer.classes}: only models "
            "of one task can be compared; name the output with --answer, or give another model"
        )
    known = drawn(_opened(images, settings, first), images.forget, settings)
    of_first = _evidence_settings(settings)
    of_second = _evidence_settings(settings, settings.preprocess_after)
    return (
        settled(first, of_first, engine, lambda: known.sources[0]),
        settled(second, of_second, engine, lambda: known.sources[0]),
    ), known


def _opened(images: _Given, settings: CompareSettings, model: TargetModel) -> Together:
    """Open images that were trained on, those to be forgotten first, as one set, and held-out ones as another."""
    return open_together(
        (images.places(), images.nonmembers),
        group=settings.group,
        labels=settings.labels,
        classes=given_classes(_evidence_settings(settings)),
        declared=declared_names(model.path, model.model.metadata_props),
        outputs=model.answer.classes,
    )


def _signal(targets: Sequence[Target], labels: bool, settings: CompareSettings) -> Signal:
    """Return what scores an image: the one asked for, or by rule, never by what it finds.

    Raises:
        UsageError: it cannot be computed of both models.
    """
    name = settings.signal if settings.signal != "auto" else "phi" if labels else "max_probability"
    found = next(signal for signal in SIGNALS if signal.name == name)
    for target in targets:
        lacking = _keeping(target, found, labels, settings).lacks(found)
        if _VIEWS in found.needs and target.model.input.mixes:
            lacking = "needs several views of an image, which this model answers otherwise beside others"
        if lacking is not None:
            raise UsageError(
                f"--signal {name} {lacking}: {target.model.path}; without --signal one that can be is taken"
            )
    return found


def _keeping(target: Target, signal: Signal, labels: bool, settings: CompareSettings) -> Signals:
    layer = _penultimate(target, signal)
    return Signals(
        kind=target.model.answer.kind,
        labels=labels,
        views=_views(signal, settings),
        penultimate=None if layer is None else layer.name,
        names=(signal.name,),
    )


def _views(signal: Signal, settings: CompareSettings) -> int:
    return settings.views if _VIEWS in signal.needs else 0


def _penultimate(target: Target, signal: Signal) -> Layer | None:
    if "penultimate" not in signal.needs:
        return None
    tensor = dense_input(target.model)
    return next((layer for layer in target.layers if layer.tensor == tensor and layer.kind == "vector"), None)


def _named(targets: tuple[Target, Target]) -> list[tuple[str, Target]]:
    return list(zip(("by the first model", "by the second model"), targets, strict=True))


def _show(
    name: str, target: Target, evidence: Evidence, signal: Signal, settings: CompareSettings, engine: Engine
) -> Shown:
    """Show all images to one model, once."""
    labels, layer = evidence.table.labels is not None, _penultimate(target, signal)
    keep = _keeping(target, signal, labels, settings)
    exposed = expose(target, [] if layer is None else [layer], views=keep.views, labels=labels and keep.views > 0)
    probe = exposed.probe(batch_size=settings.batch_size, reduce=keep, leaves_out_odd=True)
    seen = engine.observe(probe, evidence.images(), name=name)
    held = KnownScores.of(evidence.table, keep, seen)
    outside = ~evidence.table.is_member & held.read
    accuracy = None if held.correct is None or not outside.any() else float(held.correct[outside].mean())
    return Shown(
        model=ModelFacts(
            target=target_facts(target.model, () if layer is None else (layer.tensor,), target.device),
            preprocess=target.spec,
            accuracy=accuracy,
        ),
        held=held,
        score=held.signals[signal.name],
        skipped=seen.skipped,
    )


def _warnings(targets: Sequence[Target], shown: Sequence[Shown]) -> list[str]:
    found = [note for target in targets for note in (*target.notes, *target_warnings(target.model))]
    lost = [len(one.skipped) for one in shown]
    if any(lost):
        first = next(skipped for one in shown for skipped in one.skipped)
        found.append(
            f"{lost[0]:,} images were left out by the first model and {lost[1]:,} by the second, and are compared in "
            f"neither; the first: {first.path} ({first.reason})."
        )
    if shown[0].held.correct is None:
        found.append(
            f"Without labels the largest probability is compared, not the log-odds of the label: it {_WITHOUT}."
        )
    if shown[0].model.target.sha256 == shown[1].model.target.sha256:
        found.append("Both models are the same file's graph: every change is 0 by construction.")
    return list(dict.fromkeys(found))


_WITHOUT = "sees less, and how sure a model is of wrong answers counts too"
