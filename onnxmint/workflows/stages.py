"""The stages of an audit before they are called: their names, what they do to what, and how long each takes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from onnxmint.controls.alignment import READINGS
from onnxmint.engine.speed import Speed
from onnxmint.engine.target import Target
from onnxmint.kinds import module_kind
from onnxmint.progress import Step
from onnxmint.settings import TrainSettings
from onnxmint.stats.workload import Workload

_FIT, _FIT_IMAGE = 2.0, 2e-3  # seconds of fitting a module: of itself, and for an image
_HARD, _HARD_IMAGE = 1.0, 7e-3  # the same for learning which images are difficult
_TWIN_MOST, _COPIES_MOST = 2000, 300  # images of a side that the twin is shown; questioned ones that are moved
_FEWEST_TO_LEARN = 400  # known images that difficulty can be learned from
_PHI_VIEWS = 2
_MEASURE, _MEASURE_IMAGE = 2.0, 1e-3  # seconds of intervals and controls: of themselves, and for an image

COMPARED, MEASURED, JUDGED = "methods, measured", "known, measured", "questioned, judged"
"""Stages that show nothing to a model: statistics of methods, of the known images, of the questioned ones."""

Shown = Callable[[int, float], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What an audit does with each image, whatever their number.

    Attributes:
        learns: name of the module that is fitted, None where none is.
        many: the views of each image are those of the workload; else two for its log-odds, or one for a layer.
        layer: a layer is read.
        trains: an auditor is trained first.
        folds: it is cross-fitted, or all known images are held out.
        controls: whether they run.
        references: names of reference models.
        rivals: modules that are fitted too, of which one is taken.
    """

    learns: str | None
    many: bool
    layer: bool
    trains: bool
    folds: bool
    controls: bool
    references: tuple[str, ...]
    rivals: tuple[str, ...] = ()

    def views(self, load: Workload) -> int:
        """Return how many views of an image the target is shown."""
        return load.views if self.many else 1 if self.layer else _PHI_VIEWS


def shape_of(
    target: Target, training: TrainSettings | None, *, views: int, controls: bool, alone: bool = False
) -> Shape:
    """Return what an audit does with each image.

    Args:
        target: the target.
        training: of the auditor, None where one was given.
        views: that an auditor which was given shows.
        controls: whether they run.
        alone: no members are known.
    """
    if training is None:
        return Shape(
            learns=None, many=views > 1, layer=views == 0, trains=False, folds=False, controls=controls, references=()
        )
    one = target.model.input.mixes
    layer = training.layers != ("auto",) or (
        training.module != "auto" and module_kind(training.module).reads == "layer"
    )
    best = "cnn" if layer else "phi" if one else "gap" if alone else "views"
    name = training.module if training.module != "auto" else best
    plain = training.module == "auto" and name == "views" and training.folds is None
    return Shape(
        learns=None if module_kind(name).fitted == "none" else name,
        many=not layer and not one and module_kind(name).views,
        layer=layer,
        trains=True,
        folds=training.folds is not None or alone,
        controls=controls,
        references=tuple(path.name for path in training.reference),
        rivals=("trees", *(["relative"] if training.reference else [])) if plain else (),
    )


def steps_of_training(load: Workload, shape: Shape, speed: Speed, *, left: int = 0) -> list[Step]:
    """Return the stages of a training in their order; see `steps_of`."""

    def shown(count: int, pictures: float) -> float:
        return count * (speed.image + pictures * speed.picture)

    return [*_training(load, shape, speed, shape.views(load), shown, left)]


def steps_of(load: Workload, shape: Shape, speed: Speed, *, left: int = 0, asked: int | None = None) -> list[Step]:
    """Return the stages of an audit in their order, by the names that they are called with.

    Args:
        load: how many images.
        shape: what is done with each.
        speed: how long that takes.
        left: known images that are looked at only, so that they are recognised among the questioned ones.
        asked: questioned images that are looked at, of which those of the workload are drawn; None for these.
    """

    def shown(count: int, pictures: float) -> float:
        return count * (speed.image + pictures * speed.picture)

    known = steps_of_training(load, shape, speed, left=left) if shape.trains else []
    return [*known, *_judging(load, shape, speed, shown, asked or load.questioned)]


def _training(load: Workload, shape: Shape, speed: Speed, views: int, shown: Shown, left: int) -> Iterator[Step]:
    sides = [(name, count) for name, count in (("members", load.members), ("non-members", load.nonmembers)) if count]
    for name, count in sides:
        yield Step(name=f"{name}, looked at", words=f"looking at {count:,} known {name}", seconds=count * speed.image)
    for name, _ in sides if left else []:
        words = f"looking at the other known {name}, to recognise them"
        yield Step(name=f"other {name}, looked at", words=words, seconds=left / len(sides) * speed.image)
    of_each = f"({views} views each)" if views > 1 else "(one view)"
    for part, portion, why in _parts(shape):
        for name, count in sides:
            number = int(count * portion)
            words = f"showing the model {number:,} known {name} {of_each}{why}"
            yield Step(name=f"{name}, {part}", words=words, seconds=shown(number, views))
        if shape.learns is not None and part != "held out":
            for module in (shape.learns, *shape.rivals):
                yield fitting(module, sum(count for _, count in sides) * portion, "")
    if shape.controls:
        yield from _watching([(name, min(count, _TWIN_MOST)) for name, count in sides], shape, views, shown)
        for reference in shape.references:
            for name, count in sides:
                words = f"showing the reference {reference} {count:,} known {name}"
                yield Step(name=f"{name}, by {reference}", words=words, seconds=shown(count, 1))
    words = "measuring what the known images tell, with intervals, and other explanations"
    yield measuring(MEASURED, words, sum(count for _, count in sides))


def _watching(sides: list[tuple[str, int]], shape: Shape, views: int, shown: Shown) -> Iterator[Step]:
    """Yield what is done with the placebo twin, and what is learned in place of references."""
    seen = sum(count for _, count in sides)
    for name, count in sides:
        words = f"placebo: showing the model with shuffled weights {count:,} known {name}"
        yield Step(name=f"{name}, by the twin", words=words, seconds=shown(count, views))
    if shape.learns is not None:
        yield fitting(shape.learns, seen / 2, "placebo: ")
    if not shape.references and seen >= _FEWEST_TO_LEARN and len(sides) > 1:
        words = "learning which images are difficult for anyone"
        yield Step(name="learning what is difficult", words=words, seconds=_HARD + _HARD_IMAGE * seen)


def _parts(shape: Shape) -> list[tuple[str, float, str]]:
    """Return the parts that known images are shown in: name, portion, and what they are for."""
    if shape.folds:
        return [("held out" if shape.learns is None else "in folds", 1.0, "")]
    return [("to fit on", 0.5, ", to learn from"), ("held out", 0.5, ", to test on")]


def fitting(name: str, images: float, why: str) -> Step:
    """Return the stage that fits a module on so many images."""
    on = " on that" if why else ""
    return Step(name=f"fitting {name}", words=f"{why}fitting the module {name}{on}", seconds=_FIT + _FIT_IMAGE * images)


def measuring(name: str, words: str, images: int) -> Step:
    """Return a stage of statistics about so many images."""
    return Step(name=name, words=words, seconds=_MEASURE + _MEASURE_IMAGE * images)


def _judging(load: Workload, shape: Shape, speed: Speed, shown: Shown, asked: int) -> Iterator[Step]:
    count, views = load.questioned, shape.views(load)
    words = f"looking at {asked:,} questioned images"
    yield Step(name="questioned, looked at", words=words, seconds=asked * speed.image)
    of_each = f" ({views} views each)" if views > 1 else ""
    words = f"showing the model {count:,} questioned images{of_each}"
    yield Step(name="questioned, scored", words=words, seconds=shown(count, max(views, 1)))
    if shape.controls:
        yield from _controlling(load, shape, speed, shown)
    yield measuring(JUDGED, "judging the questioned images, with other explanations", count)


def _controlling(load: Workload, shape: Shape, speed: Speed, shown: Shown) -> Iterator[Step]:
    """Yield what is done with the questioned images to find other explanations."""
    count = load.questioned
    words = f"showing the model with shuffled weights {count:,} questioned images"
    yield Step(name="questioned, by the twin", words=words, seconds=shown(min(count, _TWIN_MOST), 1))
    for reference in shape.references:
        words = f"showing the reference {reference} the questioned images"
        yield Step(name=f"questioned, by {reference}", words=words, seconds=shown(count, 1))
    few = min(count, _COPIES_MOST)
    words = f"looking for copies that were moved or mirrored among {few:,} questioned images"
    yield Step(name="questioned, looked at for copies", words=words, seconds=shown(few, 1))
    words = "showing these moved and mirrored"
    yield Step(name="questioned, moved and mirrored", words=words, seconds=few * len(READINGS) * speed.picture)
