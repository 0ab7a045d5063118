"""A step of a training: known images are shown to the placebo twin and references, for controls to look at."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxmint.controls.reference import LEARNED
from onnxmint.controls.seen import Difficulty, Missing, Twin
from onnxmint.engine.observations import Engine, Observations
from onnxmint.engine.probe import ANSWER, Shown
from onnxmint.engine.target import Target
from onnxmint.errors import OnnxmintError
from onnxmint.evidence.known import Evidence
from onnxmint.evidence.table import CALIBRATE, FIT, TEST
from onnxmint.methods.given import ease_of_known
from onnxmint.methods.measuring import Signals
from onnxmint.methods.references import Reference
from onnxmint.mint.describing import FEATURES, SMALL, Describing, features_probe, telling_layer
from onnxmint.mint.fit_and_score import fit_seen
from onnxmint.mint.learned import learned_ease, why_not_learned
from onnxmint.mint.outcome import Fitted, signals_of, yardstick_of
from onnxmint.mint.reading import Reading, open_reading
from onnxmint.settings import TrainSettings

_SHOWN = 2000  # images of a side that the twin is shown: enough for a difference that matters

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What others than the target gave of the known images.

    Attributes:
        twin: what the module gave on the twin.
        difficulty: how easy the images are for others.
        features: (f, d) float32 of held-out non-members: pixel statistics and features of the twin.
        described: (f,) int32, which known images they are.
        ease: (h,) float32 of held-out non-members by given references.
        judged: (h,) int32, which known images they are.
    """

    twin: Twin | Missing | None = None
    difficulty: Difficulty | Missing | None = None
    features: NDArray[np.float32] = field(default_factory=lambda: np.empty((0, 0), np.float32))
    described: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))
    ease: NDArray[np.float32] = field(default_factory=lambda: np.empty(0, np.float32))
    judged: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))


@dataclass(frozen=True, slots=True, kw_only=True)
class Watching:
    """What is kept of what the twin says: what the module reads, the signals, and descriptions of the images.

    Attributes:
        signals: made of the answers.
        columns: what the module reads.
        describing: makes the descriptions.
    """

    signals: Signals
    columns: tuple[str, ...]
    describing: Describing

    def __call__(self, shown: Shown) -> dict[str, Any]:
        """Return (b, ...) columns."""
        read = {name: shown.outputs[name] for name in self.columns}
        return {**self.signals(shown), **self.describing(shown), **read}


def watch(
    twin: Target,
    fitted: Fitted,
    evidence: Evidence,
    references: Sequence[Reference],
    settings: TrainSettings,
    engine: Engine,
    rng: np.random.Generator,
) -> Watched:
    """Show known images to the twin and to references.

    Args:
        twin: the target with shuffled weights.
        fitted: the module on the target.
        evidence: the known images.
        references: that the user gave.
        settings: of the training.
        engine: shows the images.
        rng: draws the images that the twin is shown.
    """
    some, row = evidence.some(_SHOWN, rng)
    layer = telling_layer(fitted.reading.exposed.target.layers)
    if evidence.table.alone:  # nothing to compare: the twin only describes
        probe = features_probe(twin, layer, small=False, batch_size=settings.batch_size)
        seen = engine.observe(probe, some.images(TEST), name="by the twin")
        nobody = Watched(difficulty=Missing(why="none can be learned from non-members alone"))
        watched = _given(references, fitted, evidence, settings, engine) if references else nobody
        return _with_features(watched, evidence, row, seen)
    labels = some.table.labels is not None and not fitted.reading.layers
    views, relative = fitted.reading.exposed.views, fitted.hardness is not None
    reading = open_reading(
        twin, fitted.reading.layers, views=views, labels=labels, beside=(layer,), relative=relative
    )  # fmt: skip
    keep = Watching(
        signals=signals_of(reading, some.table),
        columns=tuple(reading.read),
        describing=Describing(layer=layer.name, small=relative or not references),
    )
    probe = reading.probe(settings.batch_size, also=(ANSWER, layer.name), reduce=keep, stored=True)
    seen = engine.observe(probe, some.images(*FIT, CALIBRATE, TEST), name="by the twin")
    with seen:
        both = _twin(fitted.name, seen, reading, some, row, settings, engine)
    learned = _learned(fitted, some, row, seen, settings, engine) if relative or not references else None
    watched = Watched(difficulty=learned)
    if references:
        watched = _given(references, fitted, evidence, settings, engine)
    if references and learned is not None and isinstance(watched.difficulty, Difficulty):
        watched = replace(watched, difficulty=replace(watched.difficulty, other=learned))
    return _with_features(replace(watched, twin=both), evidence, row, seen)


def _twin(
    name: str,
    seen: Observations,
    reading: Reading,
    some: Evidence,
    row: Rows,
    settings: TrainSettings,
    engine: Engine,
) -> Twin | Missing:
    """Fit and score the same module on the twin, with the same division."""
    try:
        found = fit_seen(name, seen, reading, some.table, settings, engine.stage)
    except OnnxmintError as problem:
        return Missing(why=str(problem))
    return Twin(scored=found.as_scored(), yardstick=yardstick_of(found), row=row)


def _given(
    references: Sequence[Reference], fitted: Fitted, evidence: Evidence, settings: TrainSettings, engine: Engine
) -> Watched:
    """Ask given references how easy the images are."""
    ease = ease_of_known(references, evidence, engine, settings.batch_size)
    fold = np.zeros(len(ease), np.int8)
    words = ", ".join(reference.name for reference in references)
    held = ease if fitted.hardness is None else fitted.hardness  # as the auditor itself will say it of others
    outside = np.flatnonzero(np.isfinite(held) & ~evidence.table.is_member & np.isfinite(fitted.score))
    return Watched(
        difficulty=Difficulty(score=ease, fold=fold, words=words, learned=False),
        ease=held[outside].astype(np.float32),
        judged=outside.astype(np.int32),
    )


def _learned(
    fitted: Fitted, some: Evidence, row: Rows, seen: Observations, settings: TrainSettings, engine: Engine
) -> Difficulty | Missing:
    """Learn from the images themselves how easy they are."""
    labelled = some.table.labels is not None
    predicted = fitted.held.predicted[row][seen.row]
    usable = np.ones(len(predicted), np.bool_) if labelled else predicted >= 0
    mine, table = seen.row[usable], some.table.take(seen.row[usable])
    why = why_not_learned(table, predicted[usable])
    if why is not None:
        return Missing(why=why)
    if SMALL not in seen.columns:
        return Missing(why="observations hold no images to learn it from")
    images = seen.columns[SMALL][usable]
    ease, of = learned_ease(images, table, predicted[usable], seed=settings.seed, stage=engine.stage)
    count = len(fitted.table.index)
    score, fold = np.full(count, np.nan), np.zeros(count, np.int8)
    score[row[mine]], fold[row[mine]] = ease, of
    return Difficulty(score=score, fold=fold, words=LEARNED, learned=True)


def _with_features(watched: Watched, evidence: Evidence, row: Rows, seen: Observations) -> Watched:
    """Add pixel statistics and the twin's features of the held-out non-members that have both, and their rows."""
    table, of_row = evidence.table, row[seen.row]
    free = ~table.is_member[of_row] & np.isin(table.part[of_row], (CALIBRATE, TEST))
    pixel = evidence.facts.take(of_row).pixel
    kept = free & np.isfinite(pixel[:, 0])
    found: NDArray[np.float32] = np.concatenate([pixel[kept], seen.columns[FEATURES][kept]], axis=1).astype(np.float32)
    return replace(watched, features=found, described=of_row[kept].astype(np.int32))
