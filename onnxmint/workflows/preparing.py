"""A target made ready beside its known images, which tell how images are prepared where nobody does."""

import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from onnxmint.controls.preparations import check_source
from onnxmint.engine.observations import Engine
from onnxmint.engine.target import Target, augmented, ready_with
from onnxmint.errors import OnnxmintError, UndeclaredError
from onnxmint.evidence.gathering import open_evidence
from onnxmint.graph.load import TargetModel, load_target
from onnxmint.images.entries import ImageSource
from onnxmint.images.together import Together
from onnxmint.preprocess.declaring import declared_spec
from onnxmint.preprocess.spec import PreprocessSpec
from onnxmint.results.check import CheckResult
from onnxmint.settings import EvidenceSettings, TrainSettings

_TRUSTED = 0.5  # accuracy on known members, below which what fits best is not taken for how the model was trained
_TELLING = 0.75  # score without labels, from which answers are those of a model that recognises something
_NAMED = 3  # preparations that fit as well

Place = str | Path


def prepared(
    model: Place, members: Place | None, nonmembers: Place, settings: EvidenceSettings, engine: Engine
) -> tuple[Target, Together]:
    """Load a target, settle its preprocessing and its device, and open the known images.

    Where nothing is declared, or where the settings say so, the known preparations are tried on known images: members
    where there are any. Every image of an audit is prepared alike, so what is taken here changes how much can be seen,
    not how often it errs.

    Raises:
        OnnxmintError: one of its kinds, for files, options and devices that do not serve.
    """
    loaded = load_target(model, answer=settings.answer)
    opened: list[Together] = []

    def known() -> ImageSource:
        opened.append(open_evidence(members, nonmembers, settings, loaded))
        return first_known(opened[0])

    target = settled(loaded, settings, engine, known)
    return target, opened[0] if opened else open_evidence(members, nonmembers, settings, target.model)


def first_known(opened: Together) -> ImageSource:
    """Return the images that preparations are tried on: members where there are any."""
    return next((source for source in opened.sources if source.entries()), opened.sources[-1])


def settled(
    loaded: TargetModel, settings: EvidenceSettings, engine: Engine, known: Callable[[], ImageSource]
) -> Target:
    """Settle the preprocessing and the device of a target; `known` gives images to try preparations on, if need be.

    Raises:
        OnnxmintError: as `prepared`.
    """
    try:
        declared, notes = declared_spec(settings.preprocess, loaded)
    except UndeclaredError as problem:
        declared, notes = _tried(loaded, known(), settings, engine, problem)
    return augmented(ready_with(loaded, declared, notes, settings.device), settings)


def _tried(
    loaded: TargetModel, known: ImageSource, settings: EvidenceSettings, engine: Engine, problem: UndeclaredError
) -> tuple[PreprocessSpec, tuple[str, ...]]:
    """Return what fits known images, with a sentence about it.

    Raises:
        UndeclaredError: as it was found, with what trying says.
    """
    command = f"onnxmint check {shlex.quote(str(loaded.path))} {shlex.quote(known.location)}"
    blind = not settings.labels or all(entry.label is None for entry in known.entries())
    if blind and not isinstance(settings, TrainSettings):
        raise UndeclaredError(f"{problem}; known images in class folders would tell it, and so may {command}") from None
    try:
        found = check_source(loaded, known, replace(settings, preprocess=None), engine)
    except OnnxmintError as why:
        raise UndeclaredError(f"{problem}; known images do not tell it either ({why})") from None
    if found.ranked_by == "score" and blind and (found.best.score or 0.0) >= _TELLING:
        return found.best.spec, (_guessed(found),)
    if not _settles(found):
        raise UndeclaredError(f"{problem}; {command} does not settle it: {found.advice}") from None
    rivals = f" These images do not tell it from {'; '.join(found.rivals[:_NAMED])}." if found.rivals else ""
    accuracy = found.best.accuracy or 0.0
    return found.best.spec, (
        f"Nobody said how images are prepared, so the known ways were tried on {found.images:,} known images "
        f"(onnxmint check), and {found.best.name} was taken, with which the model is right on {accuracy:.1%}.{rivals} "
        "If the model was trained otherwise, less can be seen: give --preprocess.",
    )


def _guessed(found: CheckResult) -> str:
    """Say what was taken without labels, which an audit may: with other pixels it sees less and errs no more often."""
    best = found.best
    rivals = f" These images do not tell it from {'; '.join(found.rivals[:_NAMED])}." if found.rivals else ""
    return (
        f"Nobody said how images are prepared, and no label of a known image tells it, so {best.name} was taken, with "
        f"which the model's answers about {found.images:,} known images are the most telling "
        f"({best.confidence or 0:.1%} sure on average, onnxmint check).{rivals} This can mislead: if the model was "
        "trained otherwise, less can be seen, though an audit errs no more often. Whoever trained the model knows "
        "(--preprocess), and known images in class folders would tell."
    )


def _settles(found: CheckResult) -> bool:
    """Return whether labelled members leave no doubt of what a trained model reads, or one that hardly matters."""
    return (
        found.best.skipped is None
        and found.ranked_by == "accuracy"
        and found.fits
        and (found.best.accuracy or 0.0) >= _TRUSTED
    )
