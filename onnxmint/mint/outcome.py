"""A fitted module with what it gave on known images that it had not learnt from, and what is kept while it is made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxmint.engine.observations import Observations
from onnxmint.engine.probe import FREE, HARDNESS, ODDS, RELATIVE, Shown
from onnxmint.engine.worker import to_numpy
from onnxmint.errors import EvidenceError
from onnxmint.evidence.table import TEST, EvidenceTable
from onnxmint.graph.auditor_outputs import FREE_LEVEL, LEVEL
from onnxmint.kinds import ModuleName
from onnxmint.methods.measuring import COMPARED, KnownScores, Signals
from onnxmint.mint.reading import Reading
from onnxmint.mint.trainer import FittedModule, as_tensor
from onnxmint.results.facts import Skipped
from onnxmint.stats.gate import Gate, gate_of
from onnxmint.stats.heldout import HeldOut, cross_fitting_inflation, group_means
from onnxmint.verdict.yardstick import HeldOutScores, Yardstick

NOT_FINITE = "the target's activations hold NaN or infinity at this layer; check --preprocess, or take another --layer"

LABEL_FREE = "label-free score"
"""Column of scores that the target's own top classes would have got, beside SCORE and LEVEL."""

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A batch and its scores, against which an exported file is checked.

    Attributes:
        pixels: (b, H, W, C) uint8.
        label: (b,) int64, None where the graph is told none.
        score: (b,) float64.
    """

    pixels: NDArray[np.uint8]
    label: Rows | None
    score: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A fitted module with what it gave on known images that it had not learnt from.

    Attributes:
        name: of the module.
        network: torch module that gives (N,) scores, or (N, K) of K cross-fitted networks.
        folds: K.
        best_epochs: of every network fitted.
        validation_loss: averaged over the networks, NaN when nothing was fitted.
        reading: what it reads.
        held: signals of the held-out rows; with one network the fold of every row of its table is 0.
        score: (n,) NaN where not held out or not read.
        free: (n,) the scores that the target's own top classes would have got; None where no labels are told.
        level: (n,) mean log-odds over the views; None with fewer than two.
        free_level: (n,) those of the target's own top classes; None where no labels are told.
        hardness: (n,) log-odds by references, where the module reads these; None where it does not.
        gate: whether members can be told at all, by scores that no verdict rests on; None where all are held out.
        sample: to check an exported file against.
        skipped: images that could not be read.
        notes: why this module was taken, where a reader may wonder.
    """

    name: ModuleName
    network: Any
    folds: int
    best_epochs: tuple[int, ...]
    validation_loss: float
    reading: Reading
    held: KnownScores
    score: NDArray[np.float64]
    free: NDArray[np.float64] | None
    level: NDArray[np.float64] | None
    free_level: NDArray[np.float64] | None
    hardness: NDArray[np.float64] | None
    gate: Gate | None
    sample: Sample
    skipped: tuple[Skipped, ...]
    notes: tuple[str, ...] = ()

    @property
    def table(self) -> EvidenceTable:
        """Return the known images."""
        return self.held.table

    def as_scored(self) -> HeldOutScores:
        """Return what controls look at."""
        return HeldOutScores(
            table=self.table,
            score=self.score,
            folds=self.folds,
            surest=self.held.signals["max_probability"],
            predicted=self.held.predicted,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Scoring:
    """What is kept of held-out images: a module's scores beside the signals."""

    signals: Signals
    modules: Mapping[str, tuple[str, FittedModule]]  # name of the score -> what it reads, module
    level: bool = False  # keep the mean log-odds over the views too

    def __call__(self, shown: Shown) -> dict[str, NDArray[Any]]:
        """Return (b,) columns."""
        scores = {
            name: module.score(as_tensor(shown.outputs[column])) for name, (column, module) in self.modules.items()
        }
        return {**self.signals(shown), **scores, **(level_of(shown) if self.level else {}), **hardness_of(shown)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """What is kept of images that are fitted on and tested: what modules read, beside the signals."""

    signals: Signals
    columns: tuple[str, ...]
    level: bool = False

    def __call__(self, shown: Shown) -> dict[str, Any]:
        """Return (b, ...) columns."""
        kept = {name: shown.outputs[name] for name in self.columns}
        return {**self.signals(shown), **kept, **(level_of(shown) if self.level else {}), **hardness_of(shown)}


def gate_from(found: FittedModule, table: EvidenceTable) -> Gate | None:
    """Return whether members can be told at all, by the scores of images that a network did not learn from.

    Args:
        found: a module that was fitted.
        table: the images that it was fitted on, in order.
    """
    seen = np.flatnonzero(np.isfinite(found.unseen))
    sides = []
    for member in (True, False):
        rows = seen[table.is_member[seen] == member]
        score, fold = found.unseen[rows], table.part[rows].astype(np.int64)
        if table.groups is not None:
            score, place = group_means(score, table.groups[rows])
            of_group = np.zeros(len(score), np.int64)
            of_group[place] = fold
            fold = of_group
        sides.append((score, fold))
    (member, member_fold), (nonmember, nonmember_fold) = sides
    held = HeldOut(
        member=member,
        nonmember=nonmember,
        member_fold=member_fold,
        nonmember_fold=nonmember_fold,
        inflation=cross_fitting_inflation(max(1, len(found.best_epochs))),
    )
    return gate_of(held)


def level_of(shown: Shown) -> dict[str, NDArray[np.float64]]:
    """Return (b,) mean log-odds over all views, with and without labels: how sure the target is of the picture."""
    columns = {LEVEL: ODDS, FREE_LEVEL: FREE}
    return {
        name: to_numpy(shown.outputs[column]).astype(np.float64).mean(axis=1)
        for name, column in columns.items()
        if column in shown.outputs
    }


def noting(fitted: Fitted, notes: Sequence[str]) -> Fitted:
    """Return what was fitted with more notes."""
    return replace(fitted, notes=(*fitted.notes, *notes))


def hardness_of(shown: Shown) -> dict[str, NDArray[np.float64]]:
    """Return (b,) log-odds by references, where these are beside the target."""
    return {HARDNESS: to_numpy(shown.outputs[HARDNESS]).astype(np.float64)} if HARDNESS in shown.outputs else {}


def yardstick_of(fitted: Fitted) -> Yardstick:
    """Return the held-out scores that questioned images are measured by, non-members by rising score."""
    table = fitted.table
    rows = np.flatnonzero(np.isfinite(fitted.score))
    rows = rows[np.lexsort((fitted.score[rows], ~table.is_member[rows]))]
    told = table.labels if fitted.reading.exposed.with_labels else None
    return Yardstick(
        score=fitted.score[rows].astype(np.float32),
        free=None if fitted.free is None else fitted.free[rows].astype(np.float32),
        level=None if fitted.level is None else fitted.level[rows].astype(np.float32),
        free_level=None if fitted.free_level is None else fitted.free_level[rows].astype(np.float32),
        right=None if table.labels is None else fitted.held.predicted[rows] == table.labels[rows],
        is_member=table.is_member[rows],
        is_test=table.part[rows] == TEST,
        fold=table.fold[rows].astype(np.int8),
        category=(fitted.held.predicted[rows] if told is None else told[rows]).astype(np.int32),
        group=None if table.groups is None else table.groups[rows].astype(np.int32),
        number=rows.astype(np.int32),
    )


def signals_of(reading: Reading, table: EvidenceTable) -> Signals:
    """Return what is kept of the target's answers beside a module's scores."""
    views = reading.exposed.views
    return Signals(
        kind=reading.exposed.target.model.answer.kind,
        labels=table.labels is not None,
        views=views if reading.column in (ODDS, RELATIVE) else 0,
        names=(*COMPARED, "view_gap") if views > 1 else COMPARED,
    )


def finite(score: NDArray[np.float64], read: Rows) -> NDArray[np.float64]:
    """Return the scores, refusing any of a row that was read and is no number."""
    if not np.isfinite(score[read]).all():
        raise EvidenceError(NOT_FINITE)
    return score


def sample_of(seen: Observations, reading: Reading, table: EvidenceTable, score: NDArray[np.float64]) -> Sample:
    """Return the first images with their scores."""
    count = len(seen.sample)
    if not count:
        raise EvidenceError("no held-out image could be read; see the skipped images")
    rows = seen.row[:count]
    label = table.labels[rows] if reading.exposed.with_labels and table.labels is not None else None
    return Sample(pixels=seen.sample, label=label, score=score[:count])
