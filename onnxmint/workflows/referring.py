"""Making reference models for a target: classifiers of the same task that other commands compare it with.

Read `make_references` from the top. `probing` fits a linear layer on the features of another model, `remaking` trains
the target's own graph anew; both give files that `--reference` takes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from onnxmint import __version__
from onnxmint.engine.local import Local
from onnxmint.engine.observations import Engine
from onnxmint.engine.target import Target, target_warnings
from onnxmint.errors import UsageError
from onnxmint.graph.bringing import with_model_here
from onnxmint.methods.references import OTHERS
from onnxmint.preprocess.declared.toml import spec_toml
from onnxmint.progress import Stage, quiet
from onnxmint.results.facts import Skipped, now
from onnxmint.results.references import MadeReference, References
from onnxmint.settings import ReferenceSettings
from onnxmint.workflows.labelled import Labelled, evidence_settings, lacking, opened
from onnxmint.workflows.probing import probe_features, source_of
from onnxmint.workflows.reference_files import Recipe, ReferenceFolder, digest_of, listed
from onnxmint.workflows.remaking import halves, require_remade, school_of, trained, written
from onnxmint.writing.inputs import Inputs

FEATURES = "features"
"""Name of the files of a reference that is made of features."""
_LEAST = 0.05  # of the way from chance to always, below which a reference knows nothing
_RECIPE = 1  # number of what is done; another one makes other references of the same settings

Place = str | Path


@with_model_here
def make_references(
    model: Place,
    images: Place | Sequence[Place],
    output: Place,
    *,
    settings: ReferenceSettings | None = None,
    overwrite: bool = False,
    stage: Stage = quiet,
    engine: Engine | None = None,
    inputs: Inputs = tuple,
) -> References:
    """Make reference models for a target, and write them into a folder that `--reference` takes.

    Args:
        model: the target, an ONNX file.
        images: labelled images that the references learn from; one place or several.
        output: the folder; references of the same settings that are there already are not made again.
        settings: the features of which model, or that the target's graph is trained anew.
        overwrite: replace references of other settings.
        stage: told of the progress.
        engine: shows the images and has a stage of its own; this process when None.
        inputs: what else is read and must not be overwritten.

    Raises:
        OnnxmintError: one of its kinds, for files, options and devices that do not serve.
    """
    settings, engine = settings or ReferenceSettings(), engine or Local(stage)
    places = (images,) if isinstance(images, (str, Path)) else tuple(images)
    _require_meaning(settings, places)
    target, known = opened(model, places, settings, engine)
    if target.model.answer.kind == "sigmoid":
        raise UsageError(
            f"{target.model.path} gives each label a probability of its own, and references are made of classifiers "
            "that choose one class: train some as examples/train_references.py does"
        )
    warnings = (*target.notes, *target_warnings(target.model), *known.notes)
    warnings += lacking(known.labels, target.model.answer.classes)
    asked = _Asked(target=target, known=known, settings=settings, engine=engine)
    recipe = _recipe(asked)
    folder = ReferenceFolder(place=Path(output), recipe=recipe, images=known.names, overwrite=overwrite)
    made = (_retrained if settings.retrain else _from_features)(asked, folder, inputs)
    return References(
        version=__version__,
        created=now(),
        target=str(target.model.path),
        target_sha256=target.model.sha256,
        way="retrain" if settings.retrain else "features",
        source=None if settings.features is None else str(settings.features),
        folder=str(output),
        images=made.images,
        skipped=made.skipped,
        references=made.references,
        target_right=made.target_right,
        normalised=made.normalised,
        seed=settings.seed,
        warnings=(*warnings, *made.warnings),
    )


def _require_meaning(settings: ReferenceSettings, places: Sequence[Place]) -> None:
    """Refuse neither way or both, and no images."""
    if settings.retrain == (settings.features is not None):
        raise UsageError(
            "say what the references are made of: --features OTHER.onnx, a classifier that never saw these images, or "
            "--retrain, the model's own graph with fresh weights; one of them"
        )
    if not places:
        raise UsageError("references learn from labelled images: give --images")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What references are made of."""

    target: Target
    known: Labelled
    settings: ReferenceSettings
    engine: Engine


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """What came of it; `images` could be shown."""

    references: tuple[MadeReference, ...]
    images: int
    skipped: tuple[Skipped, ...] = ()
    target_right: float | None = None
    normalised: bool = False
    warnings: tuple[str, ...] = ()


def _recipe(asked: _Asked) -> Recipe:
    """Return all that the references depend on."""
    settings, known = asked.settings, asked.known
    common: dict[str, str | int | None] = {
        "recipe": _RECIPE,
        "way": "retrain" if settings.retrain else "features",
        "model": asked.target.model.sha256,
        "images": digest_of(known.names, known.labels.tolist()),
        "preprocess": spec_toml(asked.target.spec),
    }
    if settings.retrain:
        names = ("count", "epochs", "seed", "augmentation")
        common |= {name: getattr(settings, name) for name in names}
    return common


def _from_features(asked: _Asked, folder: ReferenceFolder, inputs: Inputs) -> _Made:
    """Fit a linear layer on the features of another model."""
    settings, known, engine = asked.settings, asked.known, asked.engine
    if settings.features is None:
        raise UsageError("give --features")
    source = source_of(settings.features, settings.layers, asked.target, evidence_settings(settings))
    recipe = {**folder.recipe, "features": source.target.model.sha256, "layer": source.layer}
    folder = replace(folder, recipe=recipe, toml=source.toml)
    folder.require_free((FEATURES,), inputs)
    kept = folder.there(FEATURES)
    if kept is not None:
        return _Made(references=(kept,), images=kept.images)
    classes = asked.target.model.answer.classes
    found = probe_features(source, known, classes, engine, settings)
    facts = MadeReference(
        file=folder.file(FEATURES).name,
        images=len(found.row),
        right=found.right,
        unseen=found.unseen,
        right_unseen=found.right_unseen,
    )
    members = listed((known.names[row] for row in found.row.tolist()), OTHERS)
    folder.write(FEATURES, found.model, members, facts)
    return _Made(references=(facts,), images=len(found.row), skipped=found.skipped, warnings=_weak(facts, classes))


def _retrained(asked: _Asked, folder: ReferenceFolder, inputs: Inputs) -> _Made:
    """Train the target's graph anew, once for each reference that is not there yet."""
    settings, known, engine = asked.settings, asked.known, asked.engine
    names = [f"reference{number:02}" for number in range(settings.count)]
    exposed = require_remade(asked.target)
    folder.require_free(names, inputs)
    school = school_of(exposed, known, settings, engine)
    labels = school.lesson.labels
    made = []
    for number, rows in enumerate(halves(settings.count, len(labels), settings.seed)):
        kept = folder.there(names[number])
        if kept is None:
            words = f"reference {number + 1} of {settings.count}, trained"
            learned = trained(school, rows, number, words, settings.seed, engine)
            hits = learned.said.argmax(axis=1) == labels
            rest = np.setdiff1d(np.arange(len(labels)), rows)
            kept = MadeReference(
                file=folder.file(names[number]).name,
                images=len(rows),
                right=float(hits[rows].mean()),
                unseen=len(rest),
                right_unseen=float(hits[rest].mean()) if len(rest) else None,
            )
            first = (OTHERS,) if settings.count == 1 else ()  # halves are for the very images, a single one for others
            members = listed((known.names[row] for row in school.row[rows].tolist()), *first)
            folder.write(names[number], written(school, learned, engine), members, kept)
        made.append(kept)
    classes = asked.target.model.answer.classes
    return _Made(
        references=tuple(made),
        images=len(labels),
        skipped=school.skipped,
        target_right=school.right,
        normalised=school.normalised,
        warnings=tuple(warning for one in made for warning in _weak(one, classes)),
    )


def _weak(made: MadeReference, classes: int) -> tuple[str, ...]:
    """Return a warning about a reference that learned nothing."""
    share = made.right if made.right_unseen is None else made.right_unseen
    if share > _LEAST * (1 - 1 / classes) + 1 / classes:
        return ()
    of = "images that it learned from" if made.right_unseen is None else "images that it did not learn from"
    return (
        f"{made.file} is right on {share:.1%} of {of}, hardly more than by chance: it tells nothing of how hard an "
        "image is. Give more images or --epochs, or see whether labels and --preprocess are right.",
    )
