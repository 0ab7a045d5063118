"""Known images shown, a module fitted on some of them, the others scored: one way for a target and its placebo twin."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from onnxmint.engine.observations import Engine, Observations
from onnxmint.engine.probe import ANSWER, HARDNESS, RELATIVE
from onnxmint.engine.store import choose
from onnxmint.engine.target import Target
from onnxmint.errors import UsageError
from onnxmint.evidence.known import Evidence
from onnxmint.evidence.table import CALIBRATE, FIT, TEST, EvidenceTable
from onnxmint.graph.auditor_outputs import FREE_LEVEL, LEVEL, SCORE
from onnxmint.graph.instrument import joined_name
from onnxmint.graph.layers import Layer
from onnxmint.kinds import module_kind
from onnxmint.methods.measuring import KnownScores, check_left
from onnxmint.mint.choosing import Chosen, best_by_answers, with_references
from onnxmint.mint.crossing import fit_in_folds
from onnxmint.mint.outcome import (
    LABEL_FREE,
    Fitted,
    Keeping,
    Scoring,
    finite,
    gate_from,
    sample_of,
    signals_of,
)
from onnxmint.mint.reading import Reading, open_reading
from onnxmint.mint.trainer import FitSettings, FittedModule, fit_module, fit_on, module_for
from onnxmint.progress import Stage
from onnxmint.results.facts import Skipped
from onnxmint.settings import TrainSettings
from onnxmint.stats.gate import Gate

FEWEST_VIEWS = 2  # an image and its mirror image: what is needed to tell how sure the target is of a picture

Rows = NDArray[np.int64]
Folds = NDArray[np.int8]


def fit_and_score(
    target: Target, evidence: Evidence, layers: tuple[Layer, ...], settings: TrainSettings, engine: Engine
) -> Fitted:
    """Fit a module on known images and score those that it did not learn from.

    Args:
        target: the target, or its twin.
        evidence: divided into parts, or into folds when `settings.folds` says so.
        layers: what the module reads; none for the log-odds.
        settings: module, views, seed.
        engine: shows the images.

    Raises:
        EvidenceError: too little could be read, or a score is not finite.
    """
    labels = evidence.table.labels is not None and not layers
    relative = _compares(target, layers, settings)
    reading = open_reading(target, layers, views=_views(target, settings), labels=labels, relative=relative)
    _require_module(reading, settings)
    if settings.folds is not None and not _is_free(settings.module):
        name = _module(reading, settings)
        keep = Keeping(
            signals=signals_of(reading, evidence.table), columns=tuple(reading.read), level=reading.has_level
        )
        probe = reading.probe(settings.batch_size, also=(ANSWER,), reduce=keep, stored=True)
        with engine.observe(probe, evidence.images(TEST), name="in folds") as seen:
            return fit_in_folds(name, seen, reading, evidence.table, settings, engine.stage)
    learns = settings.folds is None and not evidence.table.alone
    learnt = _fit(evidence, reading, settings, engine) if learns else _Learnt(chosen=Chosen(module=_free(settings)))
    kind = module_kind(learnt.chosen.module.name)
    fewer = reading.exposed.views > FEWEST_VIEWS and not kind.views  # at a fraction of the cost
    if fewer or kind.references != relative:
        views = FEWEST_VIEWS if fewer else reading.exposed.views
        reading = open_reading(target, layers, views=views, labels=labels)
    table = replace(evidence.table, fold=np.zeros(len(evidence.table.index), np.int8))
    return _scored(replace(evidence, table=table), reading, learnt, settings, engine)


def fit_seen(
    name: str, seen: Observations, reading: Reading, table: EvidenceTable, settings: TrainSettings, stage: Stage
) -> Fitted:
    """Fit a module on what was observed of all known images at once, and score those that it did not learn from.

    Args:
        name: of the module.
        seen: what it reads, stored, and the signals, of all images of the table.
        reading: what that is.
        table: divided into parts, or into folds when `settings.folds` says so.
        settings: folds, seed.
        stage: told of the progress.

    Raises:
        EvidenceError: too little could be read, or a score is not finite.
    """
    if settings.folds is not None and not _is_free(name):
        return fit_in_folds(name, seen, reading, table, settings, stage)
    table = replace(table, fold=np.zeros(len(table.index), np.int8))
    values, learn = seen.activations(reading.column), np.isin(table.part[seen.row], FIT)
    mine = table.take(seen.row[learn])
    if len(table.rows(*FIT)):
        check_left([int(mine.is_member.sum()), int((~mine.is_member).sum())], "to fit on")
    found = fit_on(name, choose(values, np.flatnonzero(learn)), mine, mine.part, settings.seed, stage)
    rows = seen.row[~learn]
    score = np.full(len(table.index), np.nan)
    score[rows] = found.score(choose(values, np.flatnonzero(~learn)))
    held = KnownScores.of(table, signals_of(reading, table), seen)
    held.check_complete()
    return Fitted(
        name=found.name,
        network=found.network,
        folds=1,
        best_epochs=found.best_epochs,
        validation_loss=found.validation_loss,
        reading=reading,
        held=held,
        score=finite(score, rows),
        free=None,
        level=None,
        free_level=None,
        hardness=None,
        gate=None,
        sample=sample_of(seen, reading, table, found.score(values[: len(seen.sample)])),
        skipped=seen.skipped,
    )


def require_readable_parts(table: EvidenceTable, seen: Observations, purpose: str) -> None:
    """Refuse to fit on too few images.

    Raises:
        EvidenceError: fewer than five of a side could be read.
    """
    members = int(table.is_member[seen.row].sum())
    check_left([members, len(seen.row) - members], purpose)


def _require_module(reading: Reading, settings: TrainSettings) -> None:
    """Refuse a module that cannot read its layer before any image is read."""
    if len(reading.layers) > 1 and settings.module != "auto" and not module_kind(settings.module).fits(reading.shape):
        listed = ", ".join(f"{layer.name!r} ({'x'.join(map(str, layer.shape))})" for layer in reading.layers)
        raise UsageError(
            f"--module {settings.module} needs maps of one size, these layers differ: {listed}; take one, or vanilla"
        )
    if reading.layers:
        _module(reading, settings)


def _module(reading: Reading, settings: TrainSettings) -> str:
    """Return the module that reads a layer, or several beside each other, or the log-odds."""
    if reading.layers:
        return module_for(settings.module, reading.shape, joined_name(reading.layers))
    return "views" if settings.module == "auto" else settings.module


def _compares(target: Target, layers: tuple[Layer, ...], settings: TrainSettings) -> bool:
    """Say whether the module may compare with references: when asked to, or if they turn out to be of use."""
    if settings.module != "auto":
        return module_kind(settings.module).references
    return bool(target.beside) and not layers and settings.folds is None


def _is_free(name: str) -> bool:
    """Say whether a module learns nothing, so that all evidence is held out."""
    return name != "auto" and module_kind(name).fitted == "none"


def _views(target: Target, settings: TrainSettings) -> int:
    """Return how many views the target is shown: those asked for where the module reads them, else the fewest."""
    if settings.module == "auto" or module_kind(settings.module).views:
        return settings.views
    return 1 if target.model.input.mixes else FEWEST_VIEWS


@dataclass(frozen=True, slots=True, kw_only=True)
class _Learnt:
    """A module, what tells whether it tells members at all, and the images that it could not be fitted on."""

    chosen: Chosen
    gate: Gate | None = None
    skipped: tuple[Skipped, ...] = ()


def _fit(evidence: Evidence, reading: Reading, settings: TrainSettings, engine: Engine) -> _Learnt:
    """Observe the fit part and fit a module on it; "auto" takes the best of those that read log-odds."""
    probe = reading.probe(settings.batch_size, stored=True)
    with engine.observe(probe, evidence.images(*FIT), name="to fit on") as seen:
        require_readable_parts(evidence.table, seen, "to fit on")
        table, values = evidence.table.take(seen.row), seen.activations(reading.column)
        if settings.module != "auto" or reading.layers:
            name = _module(reading, settings)
            found = Chosen(module=fit_on(name, values, table, table.part, settings.seed, engine.stage))
        elif reading.column == RELATIVE:
            found = with_references(values, table, settings.seed, engine.stage)
        else:
            found = Chosen(module=best_by_answers(values, table, settings.seed, engine.stage))
        return _Learnt(chosen=found, gate=gate_from(found.module, table), skipped=seen.skipped)


def _free(settings: TrainSettings) -> FittedModule:
    """Return a module that learns nothing, so that all evidence is held out."""
    import torch

    none = np.empty(0, np.int8)
    quietly = FitSettings(seed=settings.seed)
    nothing = torch.zeros(0, 1)
    return fit_module(settings.module, nothing, none.astype(bool), none, settings=quietly, advance=lambda steps: None)


def _scored(
    evidence: Evidence,
    reading: Reading,
    learnt: _Learnt,
    settings: TrainSettings,
    engine: Engine,
) -> Fitted:
    """Observe the held-out parts as scores and signals."""
    found = learnt.chosen.module
    table, signals = evidence.table, signals_of(reading, evidence.table)
    modules = {SCORE: (reading.column, found), **({LABEL_FREE: (reading.free, found)} if reading.free else {})}
    keep = Scoring(signals=signals, modules=modules, level=reading.has_level)
    probe = reading.probe(settings.batch_size, also=(ANSWER,), reduce=keep)
    seen = engine.observe(probe, evidence.images(CALIBRATE, TEST), name="held out")
    held = KnownScores.of(table, signals, seen)
    held.check_complete()
    score = seen.full(SCORE) if len(seen.row) else np.full(len(table.index), np.nan)
    return Fitted(
        name=found.name,
        network=found.network,
        folds=1,
        best_epochs=found.best_epochs,
        validation_loss=found.validation_loss,
        reading=reading,
        held=held,
        score=finite(score, seen.row),
        free=seen.full(LABEL_FREE) if LABEL_FREE in seen.columns else None,
        level=seen.full(LEVEL) if LEVEL in seen.columns else None,
        free_level=seen.full(FREE_LEVEL) if FREE_LEVEL in seen.columns else None,
        hardness=seen.full(HARDNESS) if HARDNESS in seen.columns else None,
        gate=learnt.gate,
        notes=learnt.chosen.notes,
        sample=sample_of(seen, reading, table, score[seen.row]),
        skipped=(*learnt.skipped, *seen.skipped),
    )
