"""Cross-fitting: every known image is fitted on and, by the module of the other folds, tested."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from onnxmint.engine.observations import Observations
from onnxmint.engine.probe import HARDNESS
from onnxmint.engine.store import choose
from onnxmint.evidence.table import FIT, EvidenceTable
from onnxmint.graph.auditor_outputs import FREE_LEVEL, LEVEL
from onnxmint.methods.measuring import KnownScores, check_left
from onnxmint.mint.modules.ensembles import Beside
from onnxmint.mint.outcome import Fitted, finite, sample_of, signals_of
from onnxmint.mint.reading import Reading
from onnxmint.mint.trainer import FittedModule, fit_on
from onnxmint.progress import Stage
from onnxmint.settings import TrainSettings
from onnxmint.stats.partition import divide


def fit_in_folds(
    name: str, seen: Observations, reading: Reading, table: EvidenceTable, settings: TrainSettings, stage: Stage
) -> Fitted:
    """Fit one module for each fold on the other folds, and score the fold with it.

    Args:
        name: of the module.
        seen: what it reads, stored, and the signals, of all images of the table.
        reading: what that is.
        table: divided into folds.
        settings: number of folds, seed.
        stage: told of the progress.

    Raises:
        EvidenceError: too little could be read, or a score is not finite.
    """
    made, score = _fit_folds(name, seen, reading, table, settings, stage)
    held = KnownScores.of(table, signals_of(reading, table), seen)
    held.check_complete()
    values = seen.activations(reading.column)
    first = np.mean([found.score(values[: len(seen.sample)]) for found in made], axis=0)
    return Fitted(
        name=name,
        network=Beside([found.network for found in made]).eval(),
        folds=len(made),
        best_epochs=tuple(epoch for found in made for epoch in found.best_epochs),
        validation_loss=float(np.mean([found.validation_loss for found in made])),
        reading=reading,
        held=held,
        score=finite(score, seen.row),
        free=_by_folds(made, seen, reading.free, table) if reading.free else None,
        level=seen.full(LEVEL) if LEVEL in seen.columns else None,
        free_level=seen.full(FREE_LEVEL) if FREE_LEVEL in seen.columns else None,
        hardness=seen.full(HARDNESS) if HARDNESS in seen.columns else None,
        gate=None,
        sample=sample_of(seen, reading, table, first),
        skipped=seen.skipped,
    )


def _fit_folds(
    name: str, seen: Observations, reading: Reading, table: EvidenceTable, settings: TrainSettings, stage: Stage
) -> tuple[Sequence[FittedModule], NDArray[np.float64]]:
    """Return the modules, each fitted on all folds but one, and (n,) scores of the rows by the one of their fold."""
    values, made = seen.activations(reading.column), []
    score = np.full(len(table.index), np.nan)
    for number in range(settings.folds or 0):
        learn = table.fold[seen.row] != number
        of_fold = table.take(seen.row[learn])
        members = int(of_fold.is_member.sum())
        check_left([members, int(learn.sum()) - members], "to fit on")
        inner = _inner_folds(of_fold, settings.seed)
        mine, unseen = (choose(values, np.flatnonzero(part)) for part in (learn, ~learn))
        found = fit_on(name, mine, of_fold, inner, settings.seed + number, stage)
        score[seen.row[~learn]] = found.score(unseen)
        made.append(found)
    return made, score


def _by_folds(
    made: Sequence[FittedModule], seen: Observations, column: str, table: EvidenceTable
) -> NDArray[np.float64]:
    """Return (n,) scores of what a stored column holds, each by the module of its fold."""
    values, score = seen.activations(column), np.full(len(table.index), np.nan)
    for number, module in enumerate(made):
        mine = table.fold[seen.row] == number
        score[seen.row[mine]] = module.score(choose(values, np.flatnonzero(mine)))
    return score


def _inner_folds(table: EvidenceTable, seed: int) -> NDArray[np.int8]:
    """Divide the rows that a network learns from once more, so that one fold can say when to stop."""
    rng = np.random.default_rng(seed)
    return divide(table.is_member, table.labels, table.groups, rng, shares=[1 / len(FIT)] * len(FIT))
