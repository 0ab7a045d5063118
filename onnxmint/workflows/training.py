"""Training an auditor: known images in, one calibrated and tested ONNX file out. Read `train` from top to bottom."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onnxmint import __version__
from onnxmint.controls.panel import Controlled, control_evidence
from onnxmint.controls.reference import given_references
from onnxmint.engine.local import KnownImages, Reader, to_numpy
from onnxmint.engine.target import Prepared, check_labels, prepare, require_one_view, target_warnings
from onnxmint.errors import ModelError, UsageError
from onnxmint.evidence.copies import Looked, look_at_known, settle_copies
from onnxmint.evidence.table import EvidenceTable, divided, list_evidence
from onnxmint.graph.instrument import joined_name
from onnxmint.graph.layers import list_layers
from onnxmint.graph.merge import append_module
from onnxmint.graph.serial import require_one_file, serialize
from onnxmint.images.sources import ImageSource, open_source
from onnxmint.methods.measuring import evidence_facts, evidence_warnings, measure, measure_baselines
from onnxmint.methods.references import Reference
from onnxmint.mint.auditor import Auditor
from onnxmint.mint.fitting import Fitted, fit_and_score, title, what_is_read, yardstick_of
from onnxmint.progress import Stage, quiet
from onnxmint.results.facts import Control, MethodFacts, ReferenceFacts, now
from onnxmint.settings import EvidenceSettings, TrainSettings
from onnxmint.stats import metrics, two_sample
from onnxmint.verdict.yardstick import Traces

_NAMED = 1000  # images left out as copies that are named, first ones first
PARITY = 1e-4  # the file's score and torch's may differ by this much, relative to the larger of 1 and the score


def train(
    model: str | Path,
    members: str | Path,
    nonmembers: str | Path,
    *,
    settings: TrainSettings | None = None,
    stage: Stage = quiet,
) -> Auditor:
    """Train an auditor of a target on known members and non-members.

    Args:
        model: the target classifier, an ONNX file.
        members: images known to be in its training set (folder, Parquet, CSV or tar).
        nonmembers: images known not to be.
        settings: what to fit and how; the defaults when None.
        stage: told of the progress.

    Returns:
        The auditor, calibrated, tested on images that fitting did not see, and with its evidence controlled.

    Raises:
        OnnxmintError: one of its kinds, for files, options and devices that do not serve.
    """
    settings = settings or TrainSettings()
    if settings.reference and not settings.controls:
        raise UsageError("--reference is a control: leave out --no-controls, or the reference")
    rng = np.random.default_rng(settings.seed)
    prepared = prepare(model, settings)
    require_one_file(prepared.target.model, prepared.target.path)
    settings = _one_view_if_mixing(prepared, settings)
    layers = list_layers(prepared.target)
    read = what_is_read(layers, settings)
    sources = open_evidence(members, nonmembers, settings)
    looked, duplicates = look_and_divide(prepared, sources, settings, rng=rng, stage=stage, folds=settings.folds)
    table = looked.table
    known = KnownImages(table=table, sources=sources, with_labels=not read and table.labels is not None, stage=stage)
    references = given_references(settings.reference, prepared, known, settings)
    fitted = fit_and_score(prepared, known, read, settings)
    controlled = control_evidence(prepared, looked, duplicates, fitted, settings, references=references, rng=rng)
    auditor = _auditor(fitted, looked, controlled, references, settings, rng)
    auditor = replace(auditor, model=_merge(fitted, auditor))
    _check_parity(auditor, fitted)
    return auditor


def _one_view_if_mixing(prepared: Prepared, settings: TrainSettings) -> TrainSettings:
    """Take `phi` for `auto`, and refuse `views`, where a target cannot be shown several views of an image."""
    if not prepared.target.input.mixes or settings.module not in ("auto", "views"):
        return settings
    if settings.module == "views":
        require_one_view(prepared, settings.views)
        return settings
    return replace(settings, module="phi") if settings.layers == ("auto",) else settings


def open_evidence(
    members: str | Path, nonmembers: str | Path, settings: EvidenceSettings
) -> tuple[ImageSource, ImageSource]:
    """Open the sources of known members and of known non-members."""
    first, second = (
        open_source(place, group=settings.group, labels=settings.labels) for place in (members, nonmembers)
    )
    return first, second


def look_and_divide(
    prepared: Prepared,
    sources: tuple[ImageSource, ImageSource],
    settings: EvidenceSettings,
    *,
    rng: np.random.Generator,
    stage: Stage,
    folds: int | None = None,
) -> tuple[Looked, Control]:
    """List and look at the known images, settle copies among them, and divide what is left."""
    table: EvidenceTable = list_evidence(*sources, limit=settings.limit, rng=rng)
    if table.labels is not None:
        for source, member in zip(sources, (True, False), strict=True):
            check_labels(table.labels[table.is_member == member], prepared.target.answer.classes, source.location)
    looked, duplicates, left_out = settle_copies(look_at_known(table, sources, rng=rng, stage=stage))
    named = _names(table, sources, left_out[:_NAMED])
    if duplicates.copies is not None:
        duplicates = replace(duplicates, copies=replace(duplicates.copies, left_out_images=named))
    return replace(looked, table=divided(looked.table, rng, folds=folds)), duplicates


def _names(table: EvidenceTable, sources: tuple[ImageSource, ImageSource], rows: NDArray[np.int64]) -> tuple[str, ...]:
    """Return the paths of some rows."""
    names = [{entry.index: entry.path for entry in source.entries()} for source in sources]
    return tuple(names[0 if table.is_member[row] else 1][int(table.index[row])] for row in rows.tolist())


def _auditor(
    fitted: Fitted,
    looked: Looked,
    controlled: Controlled,
    references: Sequence[Reference],
    settings: TrainSettings,
    rng: np.random.Generator,
) -> Auditor:
    """Measure the module and write down what is known of it; the graph comes later."""
    held, prepared = fitted.held, fitted.reading.shown.prepared
    facts = evidence_facts(held, fitted.skipped, folds=fitted.folds if fitted.folds > 1 else None)
    return Auditor(
        model=b"",
        target_sha256=prepared.target.sha256,
        preprocess=prepared.spec,
        method=_method(fitted, references, settings),
        evidence=facts,
        performance=measure(fitted.score, held, rng, folds=fitted.folds),
        baselines=tuple(measure_baselines(held, rng)),
        yardstick=yardstick_of(fitted),
        controls=controlled.controls,
        traces=Traces(
            digest=looked.facts.digest,
            is_member=looked.table.is_member,
            features=controlled.features,
            described=controlled.described,
            difficulty=controlled.difficulty,
            judged=controlled.judged,
        ),
        version=__version__,
        created=now(),
        warnings=(
            *prepared.notes,
            *evidence_warnings(facts),
            *target_warnings(prepared.target),
            *_module_notes(fitted, settings),
        ),
    )


def _module_notes(fitted: Fitted, settings: TrainSettings) -> tuple[str, ...]:
    """Say which module was taken where a user may think it was another."""
    if settings.module != "auto" or not fitted.reading.layers:
        return ()
    return (
        f"--layer was given, so the module is {fitted.name}, which reads that layer, not views: leave --layer out for "
        "the stronger test.",
    )


def _method(fitted: Fitted, references: Sequence[Reference], settings: TrainSettings) -> MethodFacts:
    shown = fitted.reading.shown
    layers = fitted.reading.layers or list_layers(shown.prepared.target)[-1:]
    return MethodFacts(
        name=fitted.name,
        title=title(fitted.name, fitted.reading.layers, shown.views),
        layer=joined_name(layers),
        tensors=tuple(layer.tensor for layer in layers),
        answer=shown.prepared.target.answer.output,
        activation_shape=tuple(fitted.reading.shape),
        views=shown.views,
        labels=shown.with_labels,
        folds=fitted.folds,
        seed=settings.seed,
        networks=len(fitted.best_epochs),
        best_epochs=tuple(fitted.best_epochs),
        validation_loss=fitted.validation_loss if fitted.best_epochs else None,
        source="Membership Inference Test, arXiv 2601.12929",
        references=tuple(
            ReferenceFacts(name=path.name, sha256=_digest(path), preprocess=reference.prepared.spec)
            for path, reference in zip(settings.reference, references, strict=True)
        ),
        intervals=metrics.INTERVAL_METHOD,
        controls=two_sample.METHOD,
    )


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _merge(fitted: Fitted, auditor: Auditor) -> bytes:
    """Put target, module and facts into one file."""
    from onnxmint.mint.export import export_module

    shown, nonmembers = fitted.reading.shown, auditor.yardstick.nonmembers
    merged = append_module(
        shown.graph,
        export_module(fitted.network, fitted.reading.shape, shown.prepared.target.opset),
        activation=fitted.reading.activation,
        known=[nonmembers.score[nonmembers.fold == number] for number in range(fitted.folds)],
        metadata=auditor.to_metadata(),
    )
    return serialize(merged)


def _check_parity(auditor: Auditor, fitted: Fitted) -> None:
    """Refuse to hand out a file whose scores differ from those that were measured."""
    pixels, labels, expected = fitted.sample
    prepared = fitted.reading.shown.prepared
    reader = Reader(auditor.model, ("score",), spec=prepared.spec, device=prepared.device, batch_size=len(pixels))
    found = to_numpy(reader.run(pixels, labels)["score"]).astype(np.float64)
    worst = float(np.max(np.abs(found - expected) / np.maximum(1, np.abs(expected))))
    if not worst <= PARITY:
        raise ModelError(
            f"the exported auditor's scores differ from the measured ones by {worst:.1g} (allowed {PARITY:g}); this is "
            "a defect: report it with the model"
        )
