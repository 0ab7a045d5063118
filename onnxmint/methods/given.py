"""References that the user gave: opened, tried on their task, and asked how easy images are."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from onnxmint.engine.observations import Engine
from onnxmint.engine.probe import ODDS, expose
from onnxmint.engine.target import Target
from onnxmint.errors import ModelError
from onnxmint.evidence.known import Evidence
from onnxmint.images.chosen import Images
from onnxmint.methods.measuring import RIGHT, Signals
from onnxmint.methods.references import Reference, odds_probe, open_references
from onnxmint.settings import TrainSettings
from onnxmint.stats.estimates import FloatArray

_TAUGHT_ON = 300  # known images that a given reference is tried on
_TAUGHT = 0.1  # of the way from chance to always right, that it has to be at least


def given_references(
    files: Sequence[Path], target: Target, evidence: Evidence, settings: TrainSettings, engine: Engine
) -> list[Reference]:
    """Open the models that the user gave, with what they were trained on of the known images.

    Raises:
        ModelError: one of them is the target, no classifier, or has another number of classes.
    """
    found = open_references(files, target, evidence.paths(), settings) if files else []
    for path, reference in zip(files, found, strict=True):
        if reference.target.model.sha256 == target.model.sha256:
            raise ModelError(f"the reference {path} is the target itself: give a model not trained on these images")
        _require_taught(path, reference, evidence, engine, settings.batch_size)
    return found


def _require_taught(
    path: Path, reference: Reference, evidence: Evidence, engine: Engine, batch_size: int | None
) -> None:
    """Refuse a reference that does not know its task: on pixels that it was not trained on it would pass any control.

    Raises:
        ModelError: of some known images with labels it is right on hardly more than by chance.
    """
    table, answer = evidence.table, reference.target.model.answer
    if table.labels is None or answer.classes is None:
        return
    drawn = np.random.default_rng(0).permutation(len(table.index))[:_TAUGHT_ON]
    made = Signals(kind=answer.kind, labels=True, views=0, names=())
    probe = expose(reference.target, [], views=0, labels=False).probe(batch_size=batch_size, reduce=made)
    seen = engine.observe(probe, evidence.chosen(np.sort(drawn)), name=f"tried on {path.name}")
    accuracy = float(np.mean(seen.columns[RIGHT])) if len(seen.row) else 0.0
    chance = 1 / answer.classes
    if accuracy < chance + _TAUGHT * (1 - chance):
        raise ModelError(
            f"the reference {path} is right on {accuracy:.1%} of known images, hardly more than by chance "
            f"({chance:.1%}), so it is shown other pixels or classes than it was trained on: say how its images are "
            f"prepared in {path.with_suffix('.toml')} (onnxmint check tries the known ways), or leave it out"
        )


def ease_of_known(
    references: Sequence[Reference], evidence: Evidence, engine: Engine, batch_size: int | None
) -> FloatArray:
    """Return (n,) mean log-odds by references that were not trained on an image, NaN where there is none."""
    total, number = np.zeros(len(evidence.table.index)), np.zeros(len(evidence.table.index))
    for reference in references:
        probe = odds_probe(reference, labels=evidence.table.labels is not None, batch_size=batch_size)
        seen = engine.observe(probe, evidence.images(), name=f"by {reference.name}")
        if len(seen.row):
            free = ~reference.trained[seen.row]
            total[seen.row[free]] += seen.columns[ODDS][free, 0]
            number[seen.row[free]] += 1
    return np.where(number > 0, total / np.maximum(number, 1), np.nan)


def ease_of_questioned(
    references: Sequence[Reference], images: Images, engine: Engine, *, labels: bool, batch_size: int | None
) -> FloatArray:
    """Return (n,) mean log-odds of questioned images, NaN where one could not be shown."""
    total = np.zeros(images.count)
    for reference in references:
        probe = odds_probe(reference, labels=labels, batch_size=batch_size)
        seen = engine.observe(probe, images, name=f"by {reference.name}")
        odds = np.full(images.count, np.nan)
        if len(seen.row):
            odds[seen.row] = seen.columns[ODDS][:, 0]
        total += odds / len(references)
    return total
