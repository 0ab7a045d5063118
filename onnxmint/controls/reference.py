"""The reference: what a model not trained on these images finds about them is difficulty, not membership."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onnxmint.controls.words import CHANCE, numbers
from onnxmint.engine.local import KnownImages, to_numpy
from onnxmint.engine.target import Prepared, show
from onnxmint.errors import ModelError
from onnxmint.evidence.table import FIT, UNUSED, divide
from onnxmint.images.entries import ImageSource
from onnxmint.methods.references import Reference, open_references
from onnxmint.mint.fitting import Fitted
from onnxmint.progress import Stage
from onnxmint.results.facts import Control, DifficultyFacts
from onnxmint.settings import TrainSettings
from onnxmint.stats.estimates import FloatArray
from onnxmint.stats.heldout import HeldOut, cross_fitting_inflation, group_means
from onnxmint.stats.two_sample import auc_of

_FEWEST = 400  # known images that small classifiers can learn from
_PER_CLASS = 10
_TAUGHT_ON = 300  # known images that a given reference is tried on
_TAUGHT = 0.1  # of the way from chance to always right, that it has to be at least
LEARNED = "small classifiers learned from the known images"

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difficulty:
    """How easy known images are for models that were not trained on them.

    Attributes:
        score: (n,) mean log-odds of the label (or of the model's own top class without labels); NaN where unknown.
        fold: (n,) which classifier gave it; 0 throughout for given models.
        words: what gave it.
        learned: whether small classifiers learned it from the known images.
    """

    score: FloatArray
    fold: NDArray[np.int8]
    words: str
    learned: bool


def given_references(
    files: Sequence[Path], target: Prepared, known: KnownImages, settings: TrainSettings
) -> list[Reference]:
    """Open the models that the user gave, with what they were trained on of the known images.

    Raises:
        ModelError: one of them is the target, no classifier, or has another number of classes.
    """
    names: list[str] = []
    for source, member in zip(known.sources, (True, False), strict=True):
        path_of = {entry.index: entry.path for entry in source.entries()}  # type: ignore[attr-defined]
        names += [path_of[index] for index in known.table.index[known.table.is_member == member].tolist()]
    found = open_references(files, target, names, settings)
    for path, reference in zip(files, found, strict=True):
        if reference.prepared.target.sha256 == target.target.sha256:
            raise ModelError(f"the reference {path} is the target itself: give a model not trained on these images")
        _require_taught(path, reference, known, settings.batch_size)
    return found


def _require_taught(path: Path, reference: Reference, known: KnownImages, batch_size: int | None) -> None:
    """Refuse a reference that does not know its task: on pixels that it was not trained on it would pass any control.

    Raises:
        ModelError: of some known images with labels it is right on hardly more than by chance.
    """
    table, classes = known.table, reference.prepared.target.answer.classes
    if table.labels is None or classes is None:
        return
    drawn = np.random.default_rng(0).permutation(len(table.index))[:_TAUGHT_ON]
    part = np.full(len(table.index), UNUSED, np.int8)
    part[drawn] = FIT[0]
    some = replace(known, table=replace(table, part=part), with_labels=False)
    shown = show(reference.prepared, [], views=0, labels=False)
    right = [
        to_numpy(batch.outputs[shown.graph.answer]).argmax(axis=1) == table.labels[rows]
        for rows, batch in some.read(shown.reader(batch_size), FIT[0], name=f"tried on {path.name}")
    ]
    accuracy = float(np.mean(np.concatenate(right))) if right else 0.0
    chance = 1 / classes
    if accuracy < chance + _TAUGHT * (1 - chance):
        raise ModelError(
            f"the reference {path} is right on {accuracy:.1%} of known images, hardly more than by chance "
            f"({chance:.1%}), so it is shown other pixels or classes than it was trained on: say how its images are "
            f"prepared in {path.with_suffix('.toml')} (onnxmint check tries the known ways), or leave it out"
        )


def difficulty_by(references: Sequence[Reference], known: KnownImages, batch_size: int | None) -> Difficulty:
    """Return the mean log-odds by models that were not trained on an image."""
    count = len(known.table.index)
    total, number = np.zeros(count), np.zeros(count)
    told = replace(known, with_labels=known.table.labels is not None)
    for reference in references:
        shown = show(reference.prepared, [], views=1, labels=told.with_labels)
        name = f"by {reference.prepared.target.path.name}"
        for rows, batch in told.read(shown.reader(batch_size), *np.unique(known.table.part).tolist(), name=name):
            free = ~reference.trained[rows]
            total[rows[free]] += to_numpy(batch.outputs[shown.graph.odds or ""])[free, 0]
            number[rows[free]] += 1
    names = ", ".join(reference.prepared.target.path.name for reference in references)
    score = np.where(number > 0, total / np.maximum(number, 1), np.nan)
    return Difficulty(score=score, fold=np.zeros(count, np.int8), words=names, learned=False)


def questioned_difficulty(
    references: Sequence[Reference],
    source: ImageSource,
    labels: dict[int, int] | None,
    wanted: Sequence[int],
    batch_size: int | None,
    stage: Stage,
) -> dict[int, float]:
    """Return the mean log-odds of questioned images by index."""
    total: dict[int, float] = {}
    for reference in references:
        shown = show(reference.prepared, [], views=1, labels=labels is not None)
        name = f"questioned, by {reference.prepared.target.path.name}"
        reader = shown.reader(batch_size)
        for batch in reader.read(source, wanted=set(wanted), stage=stage, name=name, labels=labels):
            values = to_numpy(batch.outputs[shown.graph.odds or ""])[:, 0] / len(references)
            for index, value in zip(batch.index.tolist(), values.tolist(), strict=True):
                total[index] = total.get(index, 0.0) + value
    return total


def learned_difficulty(
    images: NDArray[np.uint8],
    rows: Rows,
    predicted: Rows,
    known: KnownImages,
    *,
    seed: int,
) -> Difficulty | str:
    """Learn the difficulty of images from the known images, or return why that is not possible.

    Args:
        images: (k, C, h, w) uint8, small.
        rows: (k,) rows of the table that they are.
        predicted: (k,) the target's top classes, used where there are no labels.
        known: the images.
        seed: of the classifiers.
    """
    from onnxmint.mint.difficulty import EPOCHS, FOLDS, cross_fitted_log_odds

    table = known.table.take(rows)
    labels = predicted if table.labels is None else table.labels
    classes = len(np.unique(labels))
    needed = max(_FEWEST, _PER_CLASS * FOLDS * classes)
    if len(labels) < needed:
        return f"{len(labels):,} known images of {classes} classes are too few to learn difficulty from ({needed:,} do)"
    fold = divide(table.is_member, table.labels, table.groups, np.random.default_rng(seed), shares=[1 / FOLDS] * FOLDS)
    with known.stage("learning what is difficult", EPOCHS * FOLDS) as advance:
        found = cross_fitted_log_odds(images, labels, fold, seed=seed, advance=advance)
    score = np.full(len(known.table.index), np.nan)
    of_fold = np.zeros(len(known.table.index), np.int8)
    score[rows], of_fold[rows] = found, fold
    return Difficulty(score=score, fold=of_fold, words=LEARNED, learned=True)


def reference_control(found: Difficulty, fitted: Fitted, score: FloatArray) -> Control:
    """Say whether members are easier than non-members for models that were not trained on either.

    Args:
        found: of the known images of `fitted`, row by row.
        fitted: the module on the target.
        score: (n,) its held-out scores, NaN elsewhere.
    """
    known = fitted.known
    easy = auc_of(_units(found.score, found.fold, known, np.isfinite(found.score)))
    both = np.isfinite(found.score) & np.isfinite(score)
    before = auc_of(_units(score, known.table.fold, known, both, fitted.folds))
    after = auc_of(_units(_less_difficulty(score, found, known, both), known.table.fold, known, both, fitted.folds))
    passed = easy.low <= CHANCE
    shown = numbers(easy)
    change = f"the audit's AUC is {before.value:.3f}, and {after.value:.3f} once difficulty is taken off"
    if passed:
        text = (
            f"Members were not found easier than non-members for models not trained on them ({found.words}; {shown}); "
            f"{change}."
        )
    else:
        text = (
            f"Members are easier than non-members also for models not trained on them ({found.words}; {shown}), so "
            f"part of the difference is difficulty; {change}."
        )
    difficulty = DifficultyFacts(
        by=found.words,
        learned=found.learned,
        labels=known.table.labels is not None,
        before=before,
        after=after,
    )
    return Control(name="reference", passed=passed, text=text, auc=easy, difficulty=difficulty)


def not_possible(why: str) -> Control:
    """Return the control that could not be run."""
    return Control(
        name="reference",
        passed=None,
        text=f"Not run: no --reference was given, and {why}. A difference in difficulty was not excluded.",
    )


def _less_difficulty(score: FloatArray, found: Difficulty, known: KnownImages, rows: NDArray[np.bool_]) -> FloatArray:
    """Return the score less the difficulty, both in deviations of the non-members of each fold."""
    outside = rows & ~known.table.is_member
    result: FloatArray = _scaled(score, outside, known.table.fold) - _scaled(found.score, outside, found.fold)
    return result


def _scaled(values: FloatArray, known: NDArray[np.bool_], fold: NDArray[np.integer]) -> FloatArray:
    result = np.full(len(values), np.nan)
    for number in np.unique(fold):
        mine = fold == number
        basis = values[known & mine]
        if len(basis):
            result[mine] = (values[mine] - basis.mean()) / max(float(basis.std()), 1e-12)
    return result


def _units(
    values: FloatArray, fold: NDArray[np.integer], known: KnownImages, rows: NDArray[np.bool_], folds: int = 1
) -> HeldOut:
    """Return the values of images, or the means of groups, of both sides; `folds` as of cross-fitted scores."""
    table, sides = known.table, []
    for member in (True, False):
        mine = np.flatnonzero(rows & (table.is_member == member) & np.isfinite(values))
        side, of = values[mine], fold[mine].astype(np.int8)
        if table.groups is not None:
            side, place = group_means(side, table.groups[mine])
            of_group = np.zeros(len(side), np.int8)
            of_group[place] = of
            of = of_group
        sides.append((side, of))
    return HeldOut(
        member=sides[0][0],
        nonmember=sides[1][0],
        member_fold=sides[0][1],
        nonmember_fold=sides[1][1],
        inflation=cross_fitting_inflation(folds),
    )
