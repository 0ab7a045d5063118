"""All controls of the evidence, in one go: what could tell known members from non-members besides membership."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxmint.controls.placebo import Features, placebo_control, some, twin_of
from onnxmint.controls.plausibility import is_implausible, plausibility_control
from onnxmint.controls.reference import (
    Difficulty,
    difficulty_by,
    learned_difficulty,
    not_possible,
    reference_control,
)
from onnxmint.controls.shift import files_control, pixels_control
from onnxmint.engine.local import KnownImages
from onnxmint.engine.target import Prepared
from onnxmint.errors import OnnxmintError
from onnxmint.evidence.copies import Looked
from onnxmint.evidence.table import CALIBRATE, FIT, TEST
from onnxmint.methods.measuring import evidence_facts
from onnxmint.methods.references import Reference
from onnxmint.mint.fitting import Fitted
from onnxmint.results.facts import Control, ControlName, EvidenceFacts
from onnxmint.settings import TrainSettings

ORDER: tuple[ControlName, ...] = (
    "reference",
    "placebo",
    "files",
    "pixels",
    "duplicates",
    "exchangeability",
    "plausibility",
)
"""Controls as reports list them, strongest first."""

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Controlled:
    """What the controls of the evidence found, and what later ones need.

    Attributes:
        controls: one of each, in ORDER; those of questioned images are not among them.
        features: (f, d) float32 of held-out non-members: pixel statistics and features of the twin.
        described: (f,) int32, which known images they are.
        difficulty: (h,) float32 of held-out non-members by given references.
        judged: (h,) int32, which known images they are.
    """

    controls: tuple[Control, ...]
    features: NDArray[np.float32]
    described: NDArray[np.int32]
    difficulty: NDArray[np.float32]
    judged: NDArray[np.int32]


def control_evidence(
    prepared: Prepared,
    looked: Looked,
    duplicates: Control,
    fitted: Fitted,
    settings: TrainSettings,
    *,
    references: list[Reference],
    rng: np.random.Generator,
) -> Controlled:
    """Run every control that needs no questioned image.

    Args:
        prepared: the target.
        looked: the known images, divided, and what they look like.
        duplicates: what was done about copies.
        fitted: the module on the target.
        settings: of the training.
        references: given models.
        rng: of the draws.
    """
    none = np.empty((0, 0), np.float32)
    plausible = plausibility_control(
        facts := evidence_facts(fitted.held, []),
        prepared.target.answer.classes,
        _advice(prepared, looked, fitted.known, settings)
        if is_implausible(facts, prepared.target.answer.classes)
        else None,
    )
    if not settings.controls:
        off = [Control(name=name, passed=None, text="Not run: switched off with --no-controls.") for name in ORDER[:4]]
        nobody = _Judged()
        return Controlled(
            controls=(*off, duplicates, plausible),
            features=none,
            described=nobody.judged,
            difficulty=nobody.difficulty,
            judged=nobody.judged,
        )
    known, rows = some(fitted.known, rng)
    twin = twin_of(prepared, settings.seed)
    seen = _see(twin, known, settings)
    reference, easy = _reference(fitted, known, rows, seen, references, settings)
    controls = (
        reference,
        placebo_control(twin, fitted, known, rows, settings),
        files_control(looked, rng),
        pixels_control(looked, rng),
        duplicates,
        plausible,
    )
    features, described = _features(looked, rows, seen, fitted.known)
    return Controlled(
        controls=controls, features=features, described=described, difficulty=easy.difficulty, judged=easy.judged
    )


def control_without_a_module(
    looked: Looked, duplicates: Control, facts: EvidenceFacts, classes: int | None, rng: np.random.Generator
) -> tuple[Control, ...]:
    """Return the controls of the evidence that need neither a module nor another model."""
    return (
        files_control(looked, rng),
        pixels_control(looked, rng),
        duplicates,
        plausibility_control(facts, classes),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    """Log-odds of known non-members by given references, for questioned images to be compared with."""

    difficulty: NDArray[np.float32] = field(default_factory=lambda: np.empty(0, np.float32))
    judged: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """Some known images, small, and as the twin describes them; one row of each table row in `rows`."""

    rows: Rows
    images: NDArray[np.uint8]
    features: NDArray[np.float64]


def _see(twin: Prepared, known: KnownImages, settings: TrainSettings) -> _Seen:
    from onnxmint.mint.difficulty import small_images

    graph = Features.of(twin)
    reader, output = graph.open(settings.batch_size)
    alone = replace(known, with_labels=False)
    rows, images, features = [], [], []
    for part, batch in alone.read(reader, *FIT, CALIBRATE, TEST, name="by the twin"):
        rows.append(part)
        images.append(small_images(batch.pixels))
        features.append(graph.describe(batch.outputs[output]))
    return _Seen(rows=np.concatenate(rows), images=np.concatenate(images), features=np.concatenate(features))


def _reference(
    fitted: Fitted,
    known: KnownImages,
    rows: Rows,
    seen: _Seen,
    references: list[Reference],
    settings: TrainSettings,
) -> tuple[Control, _Judged]:
    """Compare the difficulty of members and non-members, by given models or by small ones learned here."""
    none = _Judged()
    if references:
        whole = difficulty_by(references, fitted.known, settings.batch_size)
        outside = np.isfinite(whole.score) & ~fitted.known.table.is_member & np.isfinite(fitted.score)
        rows_outside = np.flatnonzero(outside)
        return reference_control(whole, fitted, fitted.score), _Judged(
            difficulty=whole.score[rows_outside].astype(np.float32), judged=rows_outside.astype(np.int32)
        )
    predicted = fitted.predicted[rows][seen.rows]
    usable = predicted >= 0 if known.table.labels is None else np.ones(len(predicted), np.bool_)
    small = learned_difficulty(seen.images[usable], seen.rows[usable], predicted[usable], known, seed=settings.seed)
    if isinstance(small, str):
        return not_possible(small), none
    count = len(fitted.known.table.index)
    score, fold = np.full(count, np.nan), np.zeros(count, np.int8)
    score[rows], fold[rows] = small.score, small.fold
    return reference_control(
        Difficulty(score=score, fold=fold, words=small.words, learned=True), fitted, fitted.score
    ), none


def _features(
    looked: Looked, rows: Rows, seen: _Seen, known: KnownImages
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Return pixel statistics and the twin's features of the held-out non-members that have both, and their rows."""
    table = known.table
    of_row = rows[seen.rows]
    free = ~table.is_member[of_row] & np.isin(table.part[of_row], (CALIBRATE, TEST))
    pixel = looked.facts.take(of_row).pixel
    kept = free & np.isfinite(pixel[:, 0])
    found: NDArray[np.float32] = np.concatenate([pixel[kept], seen.features[kept]], axis=1).astype(np.float32)
    return found, of_row[kept].astype(np.int32)


def _advice(prepared: Prepared, looked: Looked, known: KnownImages, settings: TrainSettings) -> str | None:
    """Try the known preparations on some members; None where that is not possible."""
    from onnxmint.workflows.checking import check_source

    source: Any = known.sources[0]
    try:
        return check_source(prepared.target, source, settings, stage=known.stage).advice
    except OnnxmintError:
        return None
