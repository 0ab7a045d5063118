"""What a module and the simple baselines are worth, measured on images that nothing was fitted on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onnxmint.engine.local import to_numpy
from onnxmint.engine.stream import Batch
from onnxmint.errors import EvidenceError
from onnxmint.evidence.table import CALIBRATE, FIT, TEST, EvidenceTable
from onnxmint.graph.instrument import Instrumented
from onnxmint.methods.signals import NEEDS, SIGNALS, Observed
from onnxmint.results.facts import Baseline, EvidenceFacts, Skipped
from onnxmint.stats import metrics
from onnxmint.stats.estimates import FloatArray, Performance
from onnxmint.stats.heldout import cross_fitting_inflation

NOT_FINITE = "the target's activations hold NaN or infinity at this layer; check --preprocess, or take another --layer"
COMPARED = ("max_probability", "entropy", "correct", "loss", "modified_entropy", "phi")
"""Signals that every auditor is compared with: those of one view, from the answer alone."""
_FEWEST = 5  # readable images of a side, below which a part means nothing

Rows = NDArray[np.int64]


@dataclass(slots=True, kw_only=True)
class KnownScores:
    """What was observed of the known images, as scores; rows that were not or could not be read are NaN.

    Attributes:
        table: the known images.
        read: (n,) bool, rows that were read.
        signals: name -> (n,) of each signal that can be computed.
        skipped: name -> why a signal cannot be computed.
        correct: (n,) 1 where the target's top class is the label; None without labels.
    """

    table: EvidenceTable
    read: NDArray[np.bool_]
    signals: dict[str, FloatArray]
    skipped: dict[str, str]
    correct: FloatArray | None

    @classmethod
    def of(cls, table: EvidenceTable, wanted: Sequence[str] | None = None) -> "KnownScores":
        """Return room for the scores of a table; `wanted` names signals, None means all."""
        count = len(table.index)
        known = [signal.name for signal in SIGNALS if wanted is None or signal.name in wanted]
        return cls(
            table=table,
            read=np.zeros(count, np.bool_),
            signals={name: np.full(count, np.nan) for name in known},
            skipped={},
            correct=None if table.labels is None else np.full(count, np.nan),
        )

    def rows(self, *parts: int, member: bool) -> Rows:
        """Return the readable rows of some parts and one side."""
        rows = self.table.rows(*parts, member=member)
        return rows[self.read[rows]]

    def record(self, rows: Rows, observed: Observed) -> None:
        """Take in what the target said of some rows."""
        self.read[rows] = True
        for signal in SIGNALS:
            if signal.name not in self.signals:
                continue
            lacking = [need for need in signal.needs if not observed.has(need)]
            if lacking:
                self.skipped[signal.name] = NEEDS[lacking[0]]
                continue
            self.signals[signal.name][rows] = signal.compute(observed)
        if self.correct is not None:
            self.correct[rows] = observed.answer.argmax(axis=1) == observed.labels

    def check_complete(self) -> None:
        """Refuse parts of which too little could be read.

        Raises:
            EvidenceError: saying which part.
        """
        for part, purpose in ((CALIBRATE, "to calibrate on"), (TEST, "to test on")):
            if not len(self.table.rows(part)):
                continue  # cross-fitted: there is no such part
            check_left([len(self.rows(part, member=member)) for member in (True, False)], purpose)


def observe(
    batch: Batch, shown: Instrumented, kind: str, labels: NDArray[np.int64] | None, penultimate: str | None = None
) -> Observed:
    """Return what a batch says of its images.

    Args:
        batch: what a prepared graph gave.
        shown: the graph.
        kind: what its answers are.
        labels: (b,) of the batch's images, or None.
        penultimate: name of the layer that the last dense layer reads, where the graph shows it.
    """
    outputs = batch.outputs
    return Observed(
        answer=to_numpy(outputs[shown.answer]),
        kind=kind,
        labels=labels,
        odds=None if shown.odds is None else to_numpy(outputs[shown.odds]),
        penultimate=None if penultimate is None else to_numpy(outputs[shown.activations[penultimate]]),
    )


def check_left(counts: list[int], purpose: str) -> None:
    """Refuse to go on with too few readable images.

    Args:
        counts: readable members and non-members.
        purpose: what they are for, in words.

    Raises:
        EvidenceError: fewer than five of a side.
    """
    if min(counts) < _FEWEST:
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


def evidence_facts(held: KnownScores, skipped: list[Skipped], *, folds: int | None = None) -> EvidenceFacts:
    """Return what an audit rests on."""
    table = held.table

    def mean(values: FloatArray | None, member: bool) -> float | None:
        if values is None:
            return None
        rows = np.concatenate([held.rows(part, member=member) for part in (CALIBRATE, TEST)])
        found = float(np.mean(values[rows]))
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
    )


def evidence_warnings(facts: EvidenceFacts) -> Iterator[str]:
    """Yield what a reader has to know about the evidence."""
    few, unsure, swapped = 200, 0.5, 0.02
    fewest = min(facts.members, facts.nonmembers)
    if fewest < few:
        yield f"Only {fewest} known images on one side: intervals are wide and small effects stay unseen."
    if facts.skipped:
        yield f"{len(facts.skipped)} known images could not be read and were left out; the report names them."
    members, nonmembers = facts.accuracy_members, facts.accuracy_nonmembers
    if members is None or nonmembers is None:
        yield "Not all known images have labels, so loss and correctness could not be compared as baselines."
    elif members < nonmembers - swapped:
        yield (
            f"The target is right on {members:.1%} of the known members and {nonmembers:.1%} of the non-members: a "
            "model is usually better on what it was trained on, so check that the two sets were not swapped."
        )
    elif members < unsure:
        yield (
            f"The target is right on only {members:.1%} of the known members: check --preprocess, the numbering of "
            "the classes, and that the images are not re-compressed."
        )
