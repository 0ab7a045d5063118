"""A step of an audit: questioned images are shown to the auditor, the twin and references; all that is seen of them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxmint.controls.seen import Missing, SeenQuestioned
from onnxmint.engine.observations import Engine
from onnxmint.engine.probe import Probe, batch_for
from onnxmint.errors import EvidenceError, ModelError, OnnxmintError
from onnxmint.evidence.questioned import Questioned
from onnxmint.graph.auditor_outputs import HARDNESS, SCORE
from onnxmint.images.classes import Numbering
from onnxmint.images.passed import why_fewer
from onnxmint.methods.given import ease_of_questioned
from onnxmint.mint.describing import FEATURES, features_probe, telling_layer
from onnxmint.mint.scoring import ODD, PREDICTED, scoring_probe
from onnxmint.results.facts import Skipped
from onnxmint.settings import AuditSettings
from onnxmint.stats.estimates import FloatArray
from onnxmint.stats.set_test import compare_sets
from onnxmint.verdict.opinions import SECOND
from onnxmint.verdict.scores import QuestionedScores
from onnxmint.verdict.units import Units
from onnxmint.workflows.aligning import read_displaced
from onnxmint.workflows.opening import Ready
from onnxmint.writing.scratch import kept

_OTHERS = (*SECOND, HARDNESS)  # columns beside the score, of which each is a field of `QuestionedScores`

Rows = NDArray[np.int64]


def scoring(ready: Ready, settings: AuditSettings) -> Probe:
    """Return what is asked of an auditor: scores by each network, and the target's top class."""
    auditor, target = ready.auditor, ready.target
    return scoring_probe(auditor, target.device, batch_for(settings.batch_size, auditor.method.views, target))


def score(ready: Ready, asked: Questioned, settings: AuditSettings, engine: Engine) -> QuestionedScores:
    """Run the auditor over the questioned images that are not known already."""
    auditor = ready.auditor
    seen = engine.observe(scoring(ready, settings), asked.images(asked.to_judge), name="scored")
    undrawn = () if asked.sample is None else asked.sample.unreadable
    if not len(seen.row):
        _refuse_nothing(asked, (*seen.skipped, *undrawn))
    networks = seen.columns[SCORE].shape[1]
    if networks != auditor.method.folds:
        raise ModelError(
            f"the auditor gives scores of {networks} networks, not of {auditor.method.folds}; train it again"
        )
    numbers = [column for name, column in seen.columns.items() if name in (SCORE, *_OTHERS)]
    finite = np.all([np.isfinite(column.reshape(len(column), -1)).all(axis=1) for column in numbers], axis=0)
    whole = bool(finite.all())
    odd = [] if whole else [asked.entries[row].path for row in seen.row[~finite].tolist()]
    skipped = (
        *seen.skipped,
        *undrawn,
        *(Skipped(path=path, reason=ODD) for path in odd),
    )
    if not finite.any():
        _refuse_nothing(asked, skipped, word="scored")

    def of_finite(column: NDArray[Any]) -> NDArray[Any]:
        return column if whole else kept(column[finite])

    return QuestionedScores(
        row=of_finite(seen.row),
        score=of_finite(seen.columns[SCORE]),
        predicted=of_finite(seen.columns[PREDICTED]),
        skipped=skipped,
        **{name: of_finite(column) for name, column in seen.columns.items() if name in _OTHERS},
    )


def class_names(numbering: Numbering | None, outputs: int) -> tuple[str, ...]:
    """Return the name of each output, "" where it has none; nothing where names are but numbers, or there are none."""
    if numbering is None or numbering.order in ("numbers", "from one"):
        return ()
    names = dict(zip(numbering.numbers, numbering.names, strict=True))
    return tuple(names.get(number, "") for number in range(outputs))


def _refuse_nothing(asked: Questioned, skipped: Sequence[Skipped], *, word: str = "read") -> None:
    """Say why there is no questioned image to judge."""
    known, place = len(asked.known), asked.source.location
    if not skipped:
        raise EvidenceError(
            f"all {known:,} questioned images in {place} are among the known images, so there is nothing to judge: "
            f"give other images, or evidence without them{why_fewer(asked.source)}"
        )
    others = f" beside {known:,} that are among the known images" if known else ""
    raise EvidenceError(
        f"none of the {len(skipped):,} questioned images in {place}{others} could be {word}"
        f"{why_fewer(asked.source, skipped, none=True)}"
    )


def what_was_seen(
    ready: Ready, asked: Questioned, scored: QuestionedScores, units: Units, settings: AuditSettings, engine: Engine
) -> SeenQuestioned:
    """Observe of the questioned images what controls look at."""
    row, features = _described(ready, asked, settings, engine)
    return SeenQuestioned(
        questioned=asked,
        units=units,
        yardstick=ready.auditor.yardstick,
        traces=ready.auditor.traces,
        row=row,
        features=features,
        easy=_ease(ready, asked, scored, units, settings, engine),
        aligned=_aligned(ready, asked, scored, units, settings, engine),
        scored=scored.row,
        predicted=scored.predicted,
        told=ready.auditor.method.labels,
        seed=ready.auditor.method.seed,
    )


def _aligned(
    ready: Ready, asked: Questioned, scored: QuestionedScores, units: Units, settings: AuditSettings, engine: Engine
) -> FloatArray | Missing | None:
    """Show the images moved and mirrored where the set test finds nothing, for members may hide behind that."""
    if not settings.controls:
        return Missing(why="switched off with --no-controls")
    if ready.target.model.input.mixes:
        return Missing(why="the target answers an image otherwise beside others")
    test = compare_sets(units.score, units.known.groups(), alpha=settings.alpha, guarantee=settings.guarantee)
    return None if test.p_value <= settings.alpha else read_displaced(ready, asked, scored.row, settings, engine)


def _described(
    ready: Ready, asked: Questioned, settings: AuditSettings, engine: Engine
) -> tuple[Rows, FloatArray | Missing]:
    """Return the rows that the twin could describe, with their pixel statistics and its features."""
    none = np.empty(0, np.int64)
    if ready.twin is None or not ready.auditor.traces.features.size:
        return none, Missing(why="the twin was not asked")
    facts = asked.facts.take(asked.described)
    rows = asked.row_of(facts.index)
    probe = features_probe(ready.twin, telling_layer(ready.target.layers), small=False, batch_size=settings.batch_size)
    try:
        seen = engine.observe(probe, asked.images(rows), name="by the twin")
    except OnnxmintError as problem:
        return none, Missing(why=str(problem))
    if not len(seen.row):
        return none, Missing(why="no questioned image could be read")
    pixel = facts.take(np.searchsorted(rows, seen.row)).pixel.astype(np.float64)
    return seen.row, np.concatenate([pixel, seen.columns[FEATURES]], axis=1)


def _ease(
    ready: Ready,
    asked: Questioned,
    scored: QuestionedScores,
    units: Units,
    settings: AuditSettings,
    engine: Engine,
) -> FloatArray | Missing | None:
    """Return how easy the questioned units' images are for the references that the auditor was trained with."""
    if scored.hardness is not None:  # by those that are in its graph
        found = np.full(len(asked.entries), np.nan)
        found[scored.row] = scored.hardness
        return found
    if not ready.auditor.method.references:
        return None
    before = next(control for control in ready.auditor.controls if control.name == "reference")
    labels = before.difficulty is not None and before.difficulty.labels
    if not ready.references:
        return Missing(why="--reference")
    if labels and asked.labels is None:
        return Missing(why="labels")
    images = asked.images(np.sort(units.row))
    return ease_of_questioned(ready.references, images, engine, labels=labels, batch_size=settings.batch_size)
