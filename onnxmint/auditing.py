"""An audit: a target, an auditor and questioned images in, a verdict out. Read `audit` from top to bottom."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onnxmint import __version__
from onnxmint.errors import EvidenceError, ModelError
from onnxmint.evidence import groups_of, labels_of
from onnxmint.graph.load import TargetModel, load_target
from onnxmint.images.preprocess import from_dict
from onnxmint.images.sources import ImageEntry, ImageSource, open_source
from onnxmint.mint.auditor import Auditor
from onnxmint.preparing import batch_for, check_labels, target_facts
from onnxmint.progress import Stage, quiet
from onnxmint.reading import Reader, to_numpy
from onnxmint.results import AuditResult, Histogram, ScoreTable, Skipped
from onnxmint.runtime.session import Device, choose_device
from onnxmint.settings import AuditSettings
from onnxmint.stats import conformal
from onnxmint.training import now
from onnxmint.verdicts import CHANCE, reach_verdict

_BINS = 48
_DRAWN = (0.02, 0.999)  # quantiles between which scores are drawn in their own bins


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
        settings: level, labels, groups, device; the defaults when None.
        stage: told of the progress.

    Raises:
        OnnxmintError: one of its kinds, for files, options and devices that do not serve.
    """
    settings = settings or AuditSettings()
    rng = np.random.default_rng(settings.seed)
    target = _load_its_target(model, auditor)
    device = choose_device(settings.device)
    source = open_source(images, group=settings.group, labels=settings.labels)
    entries = source.entries()
    labels = labels_of(entries)
    check_labels(labels, target.answer.classes, source.location)
    told = _labels_to_tell(auditor, labels, source.location)

    rows, score, predicted, skipped = _score(auditor, source, device, settings, stage, told)
    p_value = conformal.p_values(score, auditor.calibration)
    q_value = conformal.q_values(p_value)
    scores = ScoreTable(
        path=tuple(entries[row].path for row in rows),
        score=score,
        p_value=p_value,
        q_value=q_value,
        flagged=q_value <= settings.alpha,
        label=None if labels is None else labels[rows],
        predicted=predicted,
    )
    verdict = reach_verdict(
        score,
        auditor.calibration.astype(np.float64),
        auditor.test_members.astype(np.float64),
        performance=auditor.performance,
        alpha=settings.alpha,
        rng=rng,
        questioned_groups=groups_of([entries[row] for row in rows]),
        calibration_groups=auditor.calibration_groups,
    )
    return AuditResult(
        version=__version__,
        created=now(),
        target=target_facts(target, (auditor.method["tensor"],), device),
        preprocess=auditor.preprocess,
        method=auditor.method,
        evidence=auditor.evidence,
        performance=auditor.performance,
        baselines=auditor.baselines,
        scores=scores,
        alpha=settings.alpha,
        skipped=skipped,
        verdict=verdict,
        histogram=_histogram(auditor, score),
        warnings=(
            *auditor.warnings,
            *_warnings(auditor, entries, skipped, device, settings),
            *_flag_warnings(auditor, int(scores.flagged.sum())),
        ),
    )


def _load_its_target(model: str | Path, auditor: Auditor) -> TargetModel:
    """Load the target; refuse one that the auditor was not trained for."""
    target = load_target(model)
    if target.sha256 != auditor.target_sha256:
        raise ModelError(
            f"the auditor was trained for another model (SHA-256 {auditor.target_sha256[:12]}...), {target.path.name} "
            f"has {target.sha256[:12]}...: give that model, or train an auditor for this one"
        )
    return target


def _labels_to_tell(auditor: Auditor, labels: NDArray[np.int64] | None, place: str) -> NDArray[np.int64] | None:
    """Return the labels that the auditor has to be told: those of calibration and questioned images, or of neither."""
    if not auditor.method.get("labels", False):
        return None
    if labels is None:
        raise EvidenceError(
            f"the auditor was calibrated with labels, but not all images in {place} have one, so their scores would "
            "not compare: give labels, or train an auditor with --no-labels"
        )
    return labels


def _score(
    auditor: Auditor,
    source: ImageSource,
    device: Device,
    settings: AuditSettings,
    stage: Stage,
    labels: NDArray[np.int64] | None,
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64], tuple[Skipped, ...]]:
    """Run the auditor over the questioned images: row numbers, scores, top classes, and what was left out."""
    reader = Reader(
        auditor.model,
        ("score", "answer"),
        spec=from_dict(auditor.preprocess),
        device=device,
        batch_size=batch_for(settings.batch_size, auditor.method.get("views", 0)),
    )
    entries = source.entries()
    position = {entry.index: row for row, entry in enumerate(entries)}
    rows, scores, predicted = [], [], []
    told = None if labels is None else {index: int(labels[row]) for index, row in position.items()}
    for batch in reader.read(source, wanted=position.keys(), stage=stage, name="questioned images", labels=told):
        rows.append(np.array([position[index] for index in batch.index.tolist()], np.int64))
        scores.append(to_numpy(batch.outputs["score"]).astype(np.float64))
        predicted.append(to_numpy(batch.outputs["answer"]).argmax(axis=1).astype(np.int64))
    if not rows:
        raise EvidenceError(
            f"none of the {len(entries)} questioned images in {source.location} could be read; the first: "
            f"{reader.skipped[0].path}: {reader.skipped[0].reason}"
        )
    row, score, top = np.concatenate(rows), np.concatenate(scores), np.concatenate(predicted)
    finite = np.isfinite(score)
    odd = tuple(Skipped(path=entries[at].path, reason="the target gives NaN or infinity") for at in row[~finite])
    return row[finite], score[finite], top[finite], (*reader.skipped, *odd)


def _histogram(auditor: Auditor, questioned: NDArray[np.float64]) -> Histogram:
    """Count scores in common bins; the outermost ones take the tails, so that odd scores do not squeeze the rest."""
    every = np.concatenate([auditor.test_members, auditor.test_nonmembers, questioned]).astype(np.float64)
    low, high = np.quantile(every, _DRAWN)
    edges = np.linspace(low, high if high > low else low + 1, _BINS + 1)
    member, nonmember, asked = (
        np.histogram(np.clip(scores, edges[0], edges[-1]), edges)[0].astype(np.int64)
        for scores in (auditor.test_members, auditor.test_nonmembers, questioned)
    )
    return Histogram(edges=edges, member=member, nonmember=nonmember, questioned=asked)


def _flag_warnings(auditor: Auditor, flagged: int) -> list[str]:
    """Say when flags of single images must not be read as findings."""
    found = []
    if flagged and auditor.performance.auc.low <= CHANCE:
        found.append(
            f"{flagged} images are flagged although this audit could not tell members from non-members on known "
            "images: do not read them as findings."
        )
    if flagged and auditor.calibration_groups is not None:
        found.append("Near copies are flagged together: count the flagged groups, not the flagged images.")
    return found


def _warnings(
    auditor: Auditor,
    entries: Sequence[ImageEntry],
    skipped: Sequence[Skipped],
    device: Device,
    settings: AuditSettings,
) -> list[str]:
    found = []
    if skipped:
        found.append(f"{len(skipped)} of {len(entries)} questioned images were skipped; the report names them.")
    if auditor.calibration_groups is not None and all(entry.group is None for entry in entries):
        found.append(
            "The evidence has groups but the questioned images have none (--group): if many of them are near copies of "
            "each other, the set's p-value is too small."
        )
    if settings.device == "auto" and device.kind == "cpu" and "driver" not in device.reason:
        found.append(f"Ran on the CPU: {device.reason}.")
    smallest = 1 / (len(auditor.calibration) + 1)
    if smallest > settings.alpha / 10:
        found.append(
            f"With {len(auditor.calibration)} calibration non-members no p-value can be below {smallest:.3g}, so "
            "single images can hardly be flagged; bring more known non-members."
        )
    return found
