"""What a module and the simple baselines are worth, measured on images that nothing was fitted on."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxmint import signals
from onnxmint.errors import EvidenceError
from onnxmint.evidence import CALIBRATE, FIT, TEST, VALIDATE, EvidenceTable
from onnxmint.results import Baseline, EvidenceFacts, Skipped
from onnxmint.stats import metrics
from onnxmint.stats.estimates import FloatArray, Performance

NOT_FINITE = "the target's activations hold NaN or infinity at this layer; check --preprocess, or take another --layer"
_FEWEST = 5  # readable images of a side, below which a part means nothing

Rows = NDArray[np.int64]


@dataclass(slots=True, kw_only=True)
class HeldOut:
    """Scores of the images held out from fitting; rows that were not or could not be read are NaN.

    Attributes:
        table: the known images.
        score: (n,) of the module.
        signals: name -> (n,) of each baseline that can be computed.
        correct: (n,) 1 where the target's top class is the label; None without labels.
        sample: pixels, labels (or nothing) and scores of one batch, against which the exported file is checked.
    """

    table: EvidenceTable
    score: FloatArray
    signals: dict[str, FloatArray]
    correct: FloatArray | None
    sample: tuple[NDArray[np.uint8], dict[str, NDArray[np.int64]], FloatArray] | None = field(default=None)

    def rows(self, part: int, *, member: bool) -> Rows:
        """Return the readable rows of one part and side."""
        rows = self.table.rows(part, member=member)
        return rows[np.isfinite(self.score[rows])]

    def record(self, rows: Rows, score: FloatArray, answer: NDArray[Any], kind: str) -> None:
        """Take in what module and target said of some rows.

        Raises:
            EvidenceError: a score is not finite.
        """
        if not np.isfinite(score).all():
            raise EvidenceError(NOT_FINITE)
        labels = None if self.table.labels is None else self.table.labels[rows]
        self.score[rows] = score
        for signal in signals.SIGNALS:
            if signal.name in self.signals:
                self.signals[signal.name][rows] = signal.compute(answer, kind, labels)
        if self.correct is not None:
            self.correct[rows] = answer.argmax(axis=1) == labels

    def check_complete(self) -> None:
        """Refuse parts of which too little could be read.

        Raises:
            EvidenceError: saying which part.
        """
        for part, purpose in ((CALIBRATE, "to calibrate on"), (TEST, "to test on")):
            check_left([len(self.rows(part, member=member)) for member in (True, False)], purpose)


def held_out(table: EvidenceTable) -> HeldOut:
    """Return room for the scores of a table's held-out images."""
    count = len(table.index)
    usable = [signal for signal in signals.SIGNALS if table.labels is not None or not signal.needs_labels]
    return HeldOut(
        table=table,
        score=np.full(count, np.nan),
        signals={signal.name: np.full(count, np.nan) for signal in usable},
        correct=None if table.labels is None else np.full(count, np.nan),
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


def measure(score: FloatArray, held: HeldOut, rng: np.random.Generator) -> Performance:
    """Measure one score: the threshold from the calibration part, everything else on the test part."""
    calibrate = [score[held.rows(CALIBRATE, member=member)] for member in (True, False)]
    members, nonmembers = (held.rows(TEST, member=member) for member in (True, False))
    groups = held.table.groups
    return metrics.evaluate(
        score[members],
        score[nonmembers],
        threshold=metrics.best_threshold(*calibrate),
        rng=rng,
        member_groups=None if groups is None else groups[members],
        nonmember_groups=None if groups is None else groups[nonmembers],
    )


def measure_baselines(held: HeldOut, rng: np.random.Generator) -> Iterator[Baseline]:
    """Yield every baseline, measured on the same images; one that cannot be computed says why."""
    used = np.concatenate([held.rows(part, member=member) for part in (CALIBRATE, TEST) for member in (True, False)])
    for signal in signals.SIGNALS:
        found, skipped = held.signals.get(signal.name), None
        if found is None:
            skipped = "needs labels of all known images"
        elif not np.isfinite(found[used]).all():
            skipped = "the target's answer holds NaN or infinity"
        yield Baseline(
            name=signal.name,
            description=signal.description,
            performance=None if found is None or skipped else measure(found, held, rng),
            skipped=skipped,
        )


def evidence_facts(held: HeldOut, skipped: list[Skipped]) -> EvidenceFacts:
    """Return what an audit rests on."""
    table = held.table

    def accuracy(member: bool) -> float | None:
        if held.correct is None:
            return None
        rows = np.concatenate([held.rows(part, member=member) for part in (CALIBRATE, TEST)])
        return float(np.mean(held.correct[rows]))

    parts = {part: int((table.part == part).sum()) for part in (FIT, VALIDATE, CALIBRATE, TEST)}
    return EvidenceFacts(
        members=int(table.is_member.sum()),
        nonmembers=int((~table.is_member).sum()),
        fit=parts[FIT] + parts[VALIDATE],
        calibrate=parts[CALIBRATE],
        test=parts[TEST],
        groups=None if table.groups is None else len(np.unique(table.groups)),
        accuracy_members=accuracy(True),
        accuracy_nonmembers=accuracy(False),
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
