"""What a module and the simple baselines are worth, measured on images that nothing was fitted on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxmint.engine.observations import Observations
from onnxmint.engine.probe import ANSWER, ODDS, Shown
from onnxmint.engine.worker import to_numpy
from onnxmint.errors import EvidenceError
from onnxmint.evidence.known import Files
from onnxmint.evidence.table import CALIBRATE, FIT, TEST, EvidenceTable
from onnxmint.methods.signals import NEEDS, SIGNALS, Observed, Signal
from onnxmint.results.facts import Baseline, EvidenceFacts, Skipped
from onnxmint.stats import metrics
from onnxmint.stats.estimates import FloatArray, Performance
from onnxmint.stats.heldout import cross_fitting_inflation

COMPARED = ("max_probability", "entropy", "correct", "loss", "modified_entropy", "phi")
"""Signals that every auditor is compared with: those of one view, from the answer alone."""
PREDICTED, RIGHT = "predicted", "right"
_FEWEST = 5  # readable images of a side, below which a part means nothing

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Signals:
    """What is kept of a target's answers to known images: closed-form scores, its top class, whether that is right.

    Attributes:
        kind: what the answers are.
        labels: whether the images' classes are known.
        views: how many views of each image the target sees.
        penultimate: column of what the last dense layer reads, None where the graph does not show it.
        names: of the signals that are wanted; those that lack something are left out.
    """

    kind: str
    labels: bool
    views: int
    penultimate: str | None = None
    names: tuple[str, ...] = tuple(signal.name for signal in SIGNALS)

    def __call__(self, shown: Shown) -> dict[str, NDArray[Any]]:
        """Return (b,) columns: the signals, "predicted" (int64) and, with labels, "right"."""
        outputs, labels = shown.outputs, shown.labels if self.labels else None
        observed = Observed(
            answer=to_numpy(outputs[ANSWER]),
            kind=self.kind,
            labels=labels,
            odds=to_numpy(outputs[ODDS]) if self.views else None,
            penultimate=None if self.penultimate is None else to_numpy(outputs[self.penultimate]),
        )
        chosen = [signal for signal in SIGNALS if signal.name in self.names and self.lacks(signal) is None]
        found: dict[str, NDArray[Any]] = {signal.name: signal.compute(observed) for signal in chosen}
        found[PREDICTED] = observed.answer.argmax(axis=1)
        if labels is not None:
            found[RIGHT] = (found[PREDICTED] == labels).astype(np.float64)
        return found

    def lacks(self, signal: Signal) -> str | None:
        """Return why a signal cannot be computed, None when it can."""
        given = {
            "labels": self.labels,
            "views": self.views > 1,
            "penultimate": self.penultimate is not None,
            "logits": self.kind == "logits",
            "classes": self.kind != "sigmoid",
        }
        return next((NEEDS[need] for need in signal.needs if not given[need]), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownScores:
    """What was observed of the known images, as scores; rows that were not or could not be read are NaN.

    Attributes:
        table: the known images.
        read: (n,) bool, rows that were read.
        signals: name -> (n,) of each signal that was computed.
        skipped: name -> why a signal could not be computed.
        correct: (n,) 1 where the target's top class is the label; None without labels.
        predicted: (n,) int64 top class, -1 where not read.
    """

    table: EvidenceTable
    read: NDArray[np.bool_]
    signals: dict[str, FloatArray]
    skipped: dict[str, str]
    correct: FloatArray | None
    predicted: Rows

    @classmethod
    def of(cls, table: EvidenceTable, made: Signals, *seen: Observations) -> "KnownScores":
        """Return the scores of a table from all observations of it, each made by the same `Signals`."""
        count = len(table.index)
        wanted = [signal for signal in SIGNALS if signal.name in made.names]
        read, predicted = np.zeros(count, np.bool_), np.full(count, -1, np.int64)
        signals = {signal.name: np.full(count, np.nan) for signal in wanted}
        correct = np.full(count, np.nan) if made.labels else None
        for one in seen:
            read[one.row] = True
            if not len(one.row):
                continue
            predicted[one.row] = one.columns[PREDICTED]
            if correct is not None:
                correct[one.row] = one.columns[RIGHT]
            for name, values in signals.items():
                if name in one.columns:
                    values[one.row] = one.columns[name]
        skipped = {signal.name: why for signal in wanted if (why := made.lacks(signal)) is not None}
        return cls(table=table, read=read, signals=signals, skipped=skipped, correct=correct, predicted=predicted)

    def rows(self, *parts: int, member: bool) -> Rows:
        """Return the readable rows of some parts and one side."""
        rows = self.table.rows(*parts, member=member)
        return rows[self.read[rows]]

    def check_complete(self) -> None:
        """Refuse parts of which too little could be read.

        Raises:
            EvidenceError: saying which part.
        """
        for part, purpose in ((CALIBRATE, "to calibrate on"), (TEST, "to test on")):
            if not len(self.table.rows(part)):
                continue  # cross-fitted: there is no such part
            found = [len(self.rows(part, member=member)) for member in (True, False)]
            check_left(found, purpose, alone=self.table.alone)


def check_left(counts: list[int], purpose: str, *, alone: bool = False) -> None:
    """Refuse to go on with too few readable images.

    Args:
        counts: readable members and non-members.
        purpose: what they are for, in words.
        alone: whether no members are known, so that only non-members count.

    Raises:
        EvidenceError: fewer than five of a side.
    """
    if min(counts[1:] if alone else counts) < _FEWEST:
        raise EvidenceError(
            f"of the known images {purpose}, only {counts[0]} members and {counts[1]} non-members could be read: give "
            "images in JPEG, PNG, WebP, BMP, GIF or TIFF that open"
        )


def measure(score: FloatArray, held: KnownScores, rng: np.random.Generator, *, folds: int = 1) -> Performance:
    """Measure one score: the threshold from the calibration part, everything else on the test part.

    Where there is no calibration part (cross-fitting), the threshold is the median of the test scores: it is chosen
    without a look at who is a member.
    """
    calibrate = [score[held.rows(CALIBRATE, member=member)] for member in (True, False)]
    members, nonmembers = (held.rows(TEST, member=member) for member in (True, False))
    if min(len(side) for side in calibrate):
        threshold = metrics.best_threshold(*calibrate)
    else:
        threshold = float(np.median(score[np.concatenate([members, nonmembers])]))
    groups = held.table.groups
    return metrics.evaluate(
        score[members],
        score[nonmembers],
        threshold=threshold,
        rng=rng,
        member_groups=None if groups is None else groups[members],
        nonmember_groups=None if groups is None else groups[nonmembers],
        inflation=cross_fitting_inflation(folds),
    )


def measure_baselines(held: KnownScores, rng: np.random.Generator) -> Iterator[Baseline]:
    """Yield every signal, measured on the same images; one that cannot be computed says why."""
    used = np.concatenate([held.rows(part, member=member) for part in (CALIBRATE, TEST) for member in (True, False)])
    for signal in SIGNALS:
        found, skipped = held.signals.get(signal.name), held.skipped.get(signal.name)
        if found is None:
            continue
        if skipped is None and not np.isfinite(found[used]).all():
            skipped = "the target's answer holds NaN or infinity"
        yield Baseline(
            name=signal.name,
            description=signal.description,
            performance=None if skipped else measure(found, held, rng),
            skipped=skipped,
        )


def evidence_facts(
    held: KnownScores, skipped: Sequence[Skipped], *, folds: int | None = None, files: Files | None = None
) -> EvidenceFacts:
    """Return what an audit rests on."""
    files = files or Files()
    table = held.table

    def mean(values: FloatArray | None, member: bool) -> float | None:
        if values is None:
            return None
        rows = np.concatenate([held.rows(part, member=member) for part in (CALIBRATE, TEST)])
        found = float(np.mean(values[rows])) if len(rows) else np.nan
        return found if np.isfinite(found) else None

    log_largest = None if "max_probability" in held.skipped else held.signals.get("max_probability")
    confidence = None if log_largest is None else np.exp(log_largest)
    return EvidenceFacts(
        members=int(table.is_member.sum()),
        nonmembers=int((~table.is_member).sum()),
        fit=len(table.rows(*FIT)),
        calibrate=len(table.rows(CALIBRATE)),
        test=len(table.rows(TEST)),
        groups=None if table.groups is None else len(np.unique(table.groups)),
        folds=folds,
        accuracy_members=mean(held.correct, True),
        accuracy_nonmembers=mean(held.correct, False),
        confidence_members=mean(confidence, True),
        confidence_nonmembers=mean(confidence, False),
        skipped=tuple(skipped),
        listed_members=files.listed(member=True),
        listed_nonmembers=files.listed(member=False),
    )


def evidence_warnings(facts: EvidenceFacts) -> Iterator[str]:
    """Yield what a reader has to know about the evidence."""
    few = 200
    alone = not facts.members
    fewest = facts.nonmembers if alone else min(facts.members, facts.nonmembers)
    if fewest < few:
        side = "known non-members" if alone else "known images on one side"
        yield f"Only {fewest} {side}: intervals are wide and small effects stay unseen."
    if facts.skipped:
        first = facts.skipped[0]
        yield (
            f"{len(facts.skipped)} known images could not be used and were left out; the first: {first.path} "
            f"({first.reason})."
        )
    if facts.accuracy_nonmembers is None or (facts.accuracy_members is None and not alone):
        yield "No labels of known images are used, so loss and correctness could not be compared as baselines."
