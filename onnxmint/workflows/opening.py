"""A step of an audit: everything that it needs is opened and checked before anything long begins."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from onnxmint.engine.observations import Engine
from onnxmint.engine.session import choose_device
from onnxmint.engine.target import Target, target_with, twin_of
from onnxmint.errors import EvidenceError, UsageError
from onnxmint.evidence.table import check_labels, labels_of
from onnxmint.graph.load import load_target
from onnxmint.graph.observed import is_without_weights
from onnxmint.images.entries import ImageSource
from onnxmint.images.labelled import lacking_labels, only_labelled
from onnxmint.images.sources import Place, open_source, require_readable
from onnxmint.kinds import module_kind
from onnxmint.methods.references import Reference, file_digest, open_references
from onnxmint.mint.auditor import OBSERVED, Auditor
from onnxmint.settings import AuditSettings, EvidenceSettings, TrainSettings
from onnxmint.workflows.foreseeing import Foreseen, foresee, limited
from onnxmint.workflows.naming import Subjects, subjects_of
from onnxmint.workflows.preparing import prepared
from onnxmint.workflows.stages import Shape, shape_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Known images, to train an auditor on.

    Attributes:
        members: place of images known to be in the training set; None where none are known, for what non-members alone
            can tell: whether the questioned images stand out, by a score that is fixed in advance.
        nonmembers: place of images known not to be.
        training: what to fit and how.
    """

    members: str | Path | None
    nonmembers: str | Path
    training: TrainSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """Everything that an audit needs, open and checked."""

    auditor: Auditor
    target: Target
    source: ImageSource
    references: Sequence[Reference]
    twin: Target | None
    subjects: Subjects | None
    foreseen: Foreseen | None = None


Before = Callable[[Foreseen], None]
"""Told what an audit will do before it begins."""


def open_with_auditor(
    model: str | Path,
    images: Place | Sequence[Place],
    auditor: Auditor,
    settings: AuditSettings,
    before: Before | None = None,
) -> Ready:
    """Open the target of an auditor and the questioned images."""
    target = _its_target(model, auditor, settings)
    source = open_source(images, group=settings.group, labels=settings.labels, classes=auditor.classes)
    if auditor.method.labels:
        (source,) = only_labelled([source])
    _require_labels(auditor, source, target)
    shape = shape_of(target, None, views=auditor.method.views, controls=settings.controls)
    told = _foreseen(target, (), source, shape, settings, before, views=max(auditor.method.views, 1))
    return Ready(
        auditor=auditor,
        target=target,
        source=source,
        subjects=subjects_of(images, source, settings),
        references=_references(target, auditor, settings),
        twin=twin_of(target, auditor.method.seed) if settings.controls else None,
        foreseen=told,
    )


def _foreseen(
    target: Target,
    known: tuple[ImageSource, ...],
    asked: ImageSource,
    shape: Shape,
    settings: AuditSettings,
    before: Before | None,
    *,
    views: int,
    limit: int | None = None,
) -> Foreseen | None:
    """Look ahead and tell of it; None where nobody asks and no time is set, so that nothing is measured."""
    if before is None and settings.time is None:
        return None
    told = foresee(target, known, asked, shape, settings, views=views, limit=limit)
    if before is not None:
        before(told)
    return told


def open_by_training(
    model: str | Path,
    images: Place | Sequence[Place],
    known: Known,
    settings: AuditSettings,
    engine: Engine,
    keep: Callable[[Auditor], None] | None,
    before: Before | None = None,
) -> Ready:
    """Train an auditor, having refused first what would be refused after the training."""
    from onnxmint.workflows.training import train_on

    target, together = prepared(model, known.members, known.nonmembers, known.training, engine)
    asked = open_source(images, group=settings.group, labels=settings.labels, classes=together.numbering)
    require_readable(asked)
    module = known.training.module
    told = module == "auto" or module_kind(module).reads == "odds"
    if told and all(lacking_labels(one) is None for one in together.sources if one.entries()):
        (asked,) = only_labelled([asked])
        if (lacking := lacking_labels(asked)) is not None:
            raise UsageError(
                f"the known images have labels, but {lacking}, so their scores would not compare: give labels, or use "
                f"--no-labels{_said(asked)}"
            )
    check_labels(labels_of(asked.entries()), target.model.answer.classes, asked)
    subjects = subjects_of(images, asked, settings)
    training = known.training
    shape = shape_of(target, training, views=training.views, controls=training.controls, alone=known.members is None)
    ahead = _foreseen(
        target, together.sources, asked, shape, settings, before, views=training.views, limit=training.limit
    )
    if ahead is not None:
        training = limited(training, ahead.load, ahead.full)
    trained = train_on(target, together, training, engine)
    if keep is not None:
        keep(trained.auditor)
    return Ready(
        auditor=trained.auditor,
        target=trained.target,
        source=asked,
        subjects=subjects,
        references=trained.references,
        twin=trained.twin,
        foreseen=ahead,
    )


def _its_target(model: str | Path, auditor: Auditor, settings: AuditSettings) -> Target:
    """Load the target; refuse one that the auditor was not trained for."""
    loaded = load_target(model, answer=auditor.method.answer, sha256=auditor.target_sha256)
    if auditor.observed and not is_without_weights(model):
        raise UsageError(f"this auditor scores no images. {OBSERVED} Train one with the model, or give observations")
    return target_with(loaded, auditor.preprocess, choose_device(settings.device))


def _require_labels(auditor: Auditor, source: ImageSource, target: Target) -> None:
    """Refuse labels that do not fit, and their absence where the auditor has to be told them."""
    check_labels(labels_of(source.entries()), target.model.answer.classes, source)
    if auditor.method.labels and (lacking := lacking_labels(source)) is not None:
        raise EvidenceError(
            f"the auditor was calibrated with labels, but {lacking}, so their scores would not compare: give labels, "
            f"or train an auditor with --no-labels{_said(source)}"
        )


def _said(source: ImageSource) -> str:
    """Return what a source has to say, to be put behind a refusal: what was passed over, which columns may be meant."""
    return "".join(f"; {note.rstrip('.')}" for note in source.notes)


def _references(target: Target, auditor: Auditor, settings: AuditSettings) -> list[Reference]:
    """Open the references, which must be those that the auditor was trained with."""
    trained = {reference.sha256: reference for reference in auditor.method.references}  # a file may be renamed
    given = {path: file_digest(path) for path in settings.reference}
    if given and sorted(given.values()) != sorted(reference.sha256 for reference in auditor.method.references):
        names = ", ".join(reference.name for reference in auditor.method.references) or "none"
        raise UsageError(
            f"--reference gives {', '.join(path.name for path in given)}, the auditor was trained with {names}: give "
            "the same files"
        )
    settled = {path: trained[digest].preprocess for path, digest in given.items()}
    return open_references(settings.reference, target, [], EvidenceSettings(device=settings.device), settled)
