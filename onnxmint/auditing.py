"""An audit: a target, an auditor and questioned images in, a verdict out. Read `audit` from top to bottom."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxmint import __version__
from onnxmint.controls.of_evidence import ORDER
from onnxmint.controls.of_question import (
    Questioned,
    exchangeability_control,
    look_at_questioned,
    question_the_reference,
)
from onnxmint.errors import EvidenceError, ModelError, UsageError
from onnxmint.evidence import groups_of, labels_of
from onnxmint.graph.load import TargetModel, load_target
from onnxmint.images.preprocess import PRESETS, from_dict
from onnxmint.images.sources import open_source
from onnxmint.mint.auditor import Auditor
from onnxmint.preparing import Prepared, batch_for, check_labels, prepared_with, target_facts
from onnxmint.progress import Stage, quiet
from onnxmint.reading import Reader, to_numpy
from onnxmint.references import open_references
from onnxmint.results import AuditResult, Control, Histogram, ScoreTable, Skipped
from onnxmint.runtime.session import Device, choose_device
from onnxmint.settings import AuditSettings, EvidenceSettings
from onnxmint.stats import conformal, likelihood, share
from onnxmint.stats.estimates import FloatArray
from onnxmint.stats.heldout import group_means
from onnxmint.training import now
from onnxmint.verdicts import CHANCE, Question, reach_verdict
from onnxmint.yardstick import Yardstick

_BINS = 48
_DRAWN = (0.02, 0.999)  # quantiles between which scores are drawn in their own bins

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
    scored = _score(auditor, asked, prepared.device, settings, stage, told)
    controls, yardstick = _controls(auditor, asked, prepared, references, settings, stage)
    units = _units(scored, asked, yardstick, rng)
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
    prior = _prior(settings, verdict.share_of_members, len(scored.row))
    scores = _table(scored, asked, units, settings, prior, labels, rng)
    return AuditResult(
        version=__version__,
        created=now(),
        target=target_facts(prepared.target, (auditor.method["tensor"],), prepared.device),
        preprocess=auditor.preprocess,
        method={**auditor.method, **_statistics(auditor, settings, units)},
        evidence=auditor.evidence,
        performance=auditor.performance,
        baselines=auditor.baselines,
        scores=scores,
        alpha=settings.alpha,
        skipped=(*scored.skipped, *asked.known),
        prior=prior,
        controls=controls,
        verdict=verdict,
        histogram=_histogram(auditor.yardstick, scores.score),
        warnings=(
            *auditor.warnings,
            *_warnings(auditor, asked, scored, units, prepared.device, settings),
            *_flag_warnings(auditor, scores, units),
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scored:
    """What the auditor said of the questioned images that could be read.

    Attributes:
        row: (n,) rows of the source's entries, ascending.
        score: (n, K) by each network.
        predicted: (n,) the target's top classes.
        skipped: the others.
    """

    row: Rows
    score: FloatArray
    predicted: Rows
    skipped: tuple[Skipped, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Units:
    """What is counted: images, or groups of them by their mean score, and what they are measured by.

    Attributes:
        score: (u, K).
        place: (n,) unit of each image.
        grouped: whether units are groups.
        known: of the same kind.
    """

    score: FloatArray
    place: Rows
    grouped: bool
    known: Yardstick


def _prepare_its_target(model: str | Path, auditor: Auditor, settings: AuditSettings) -> Prepared:
    """Load the target; refuse one that the auditor was not trained for."""
    target: TargetModel = load_target(model)
    if target.sha256 != auditor.target_sha256:
        raise ModelError(
            f"the auditor was trained for another model (SHA-256 {auditor.target_sha256[:12]}...), {target.path.name} "
            f"has {target.sha256[:12]}...: give that model, or train an auditor for this one"
        )
    return prepared_with(target, from_dict(auditor.preprocess), choose_device(settings.device))


def _labels_to_tell(auditor: Auditor, labels: Rows | None, place: str) -> Rows | None:
    """Return the labels that the auditor has to be told: those of known and questioned images, or of neither."""
    if not auditor.method.get("labels", False):
        return None
    if labels is None:
        raise EvidenceError(
            f"the auditor was calibrated with labels, but not all images in {place} have one, so their scores would "
            "not compare: give labels, or train an auditor with --no-labels"
        )
    return labels


def _references(prepared: Prepared, auditor: Auditor, settings: AuditSettings) -> list[Any]:
    """Open the references, which must be those that the auditor was trained with."""
    names = [path.name for path in settings.reference]
    if settings.reference and names != auditor.method["references"]:
        trained = ", ".join(auditor.method["references"]) or "none"
        raise UsageError(
            f"--reference gives {', '.join(names)}, the auditor was trained with {trained}: give the same ones"
        )
    name = str(auditor.preprocess["name"])
    declared = EvidenceSettings(preprocess=name if name in PRESETS else None, device=settings.device)
    return open_references(settings.reference, prepared, [], declared)


def _score(
    auditor: Auditor, asked: Questioned, device: Device, settings: AuditSettings, stage: Stage, labels: Rows | None
) -> _Scored:
    """Run the auditor over the questioned images that are not known already."""
    several = auditor.method.get("folds", 1) > 1
    output = "scores" if several else "score"
    reader = Reader(
        auditor.model,
        (output, "answer"),
        spec=from_dict(auditor.preprocess),
        device=device,
        batch_size=batch_for(settings.batch_size, auditor.method.get("views", 0)),
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
    return _Scored(
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
    prepared: Prepared,
    references: list[Any],
    settings: AuditSettings,
    stage: Stage,
) -> tuple[tuple[Control, ...], Yardstick]:
    """Return all controls, strongest first, and what questioned images may be measured by."""
    found = {control.name: control for control in auditor.controls}
    yardstick = auditor.yardstick
    if settings.controls:
        exchangeable = exchangeability_control(
            asked, prepared, auditor.traces, seed=auditor.method["seed"], batch_size=settings.batch_size, stage=stage
        )
        found["exchangeability"] = exchangeable.control
        if exchangeable.matched is not None:
            yardstick = yardstick.with_nonmembers(exchangeable.matched)
    else:
        text = "Not run: switched off with --no-controls."
        found["exchangeability"] = Control(name="exchangeability", passed=None, text=text)
    if references:
        found["reference"] = question_the_reference(
            found["reference"], references, asked, auditor.traces, batch_size=settings.batch_size, stage=stage
        )
    return tuple(found[name] for name in ORDER), yardstick


def _units(scored: _Scored, asked: Questioned, yardstick: Yardstick, rng: np.random.Generator) -> _Units:
    """Return independent units: groups where images belong together, and known ones of the same kind."""
    entries = [asked.entries[row] for row in scored.row]
    index = np.array([entry.index for entry in entries], np.int64)
    groups = asked.groups(index, groups_of(entries))
    if groups is None:
        known = yardstick.singles(rng)
        return _Units(score=scored.score, place=np.arange(len(scored.row)), grouped=False, known=known)
    means, place = group_means(scored.score, groups)
    return _Units(score=means, place=place, grouped=True, known=yardstick)


def _prior(settings: AuditSettings, found: Any, count: int) -> float:
    """Return the probability of membership before a score is seen: as given, or the estimated share."""
    if settings.prior is not None:
        return settings.prior
    edge = 0.5 / max(count, 1)  # an estimate of none or all is never certainty
    return float(np.clip(0.5 if found is None else found.value, edge, 1 - edge))


def _table(
    scored: _Scored,
    asked: Questioned,
    units: _Units,
    settings: AuditSettings,
    prior: float,
    labels: Rows | None,
    rng: np.random.Generator,
) -> ScoreTable:
    """Judge every image, or its group where it has one."""
    p_unit = _p_values(scored, units, settings, labels, rng)
    q_unit = conformal.q_values(p_unit, settings.false_discovery)
    ratio = likelihood.likelihood_ratios(scored.score, units.known.images())
    return ScoreTable(
        path=tuple(asked.entries[row].path for row in scored.row),
        score=scored.score.mean(axis=1),
        p_value=p_unit[units.place],
        q_value=q_unit[units.place],
        flagged=(q_unit <= settings.alpha)[units.place],
        likelihood_ratio=ratio,
        probability=likelihood.probabilities(ratio, prior),
        label=None if labels is None else labels[scored.row],
        predicted=scored.predicted,
    )


def _p_values(
    scored: _Scored, units: _Units, settings: AuditSettings, labels: Rows | None, rng: np.random.Generator
) -> FloatArray:
    """Return the p-value of every unit against held-out non-members of the same kind."""
    smooth = rng if settings.p_values == "smoothed" else None
    if settings.per_class:
        if units.grouped:
            raise UsageError("--per-class judges single images, but these come in groups or near copies: leave it out")
        outside = units.known.nonmembers
        category = scored.predicted if labels is None else labels[scored.row]
        return conformal.p_values_by_class(
            units.score,
            category,
            outside.score.astype(np.float64),
            outside.category.astype(np.int64),
            outside.fold,
            rng=smooth,
        )
    known = units.known.groups()
    return conformal.p_values(units.score, known.nonmember, known.nonmember_fold, rng=smooth)


def _statistics(auditor: Auditor, settings: AuditSettings, units: _Units) -> dict[str, Any]:
    """Name the methods behind the numbers."""
    crossed = ", each by the network of its fold (cross-conformal)" if auditor.method.get("folds", 1) > 1 else ""
    of_class = " of the same class" if settings.per_class else ""
    return {
        "p_values": f"conformal, {settings.p_values} at ties, against held-out non-members{of_class}{crossed}",
        "false_discovery": conformal.FALSE_DISCOVERY[settings.false_discovery],
        "set_test": "one-sided Mann-Whitney, questioned images against held-out non-members",
        "at_least": "closed testing with Mann-Whitney local tests (Goeman and Solari 2011)",
        "share_of_members": share.METHOD,
        "likelihood_ratio": likelihood.METHOD,
        "prior": "given" if settings.prior is not None else "the estimated share of members",
        "units": "groups" if units.grouped else "images",
    }


def _histogram(yardstick: Yardstick, questioned: FloatArray) -> Histogram:
    """Count scores in common bins; the outermost ones take the tails, so that odd scores do not squeeze the rest."""
    members, nonmembers = (yardstick.test_scores(member=member) for member in (True, False))
    every = np.concatenate([members, nonmembers, questioned])
    low, high = np.quantile(every, _DRAWN)
    edges = np.linspace(low, high if high > low else low + 1, _BINS + 1)
    member, nonmember, asked = (
        np.histogram(np.clip(scores, edges[0], edges[-1]), edges)[0].astype(np.int64)
        for scores in (members, nonmembers, questioned)
    )
    return Histogram(edges=edges, member=member, nonmember=nonmember, questioned=asked)


def _flag_warnings(auditor: Auditor, scores: ScoreTable, units: _Units) -> list[str]:
    """Say when flags of single images must not be read as findings."""
    found, flagged = [], int(scores.flagged.sum())
    if flagged and auditor.performance.auc.low <= CHANCE:
        found.append(
            f"{flagged} images are flagged although this audit could not tell members from non-members on known "
            "images: do not read them as findings."
        )
    if flagged and units.grouped:
        number = len(np.unique(units.place[scores.flagged]))
        found.append(
            f"Images that belong together are judged together: the {flagged} flagged images are {number} groups."
        )
    return found


def _warnings(
    auditor: Auditor,
    asked: Questioned,
    scored: _Scored,
    units: _Units,
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
