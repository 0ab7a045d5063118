"""What an audit will do, how long it takes on this machine, and what a time limit leaves of it: before it begins."""

from dataclasses import dataclass, replace
from typing import get_args

from onnxmint.engine.speed import measured_speed
from onnxmint.engine.target import Target
from onnxmint.evidence.table import labels_of
from onnxmint.images.entries import ImageSource
from onnxmint.images.together import Together
from onnxmint.progress import Step, time_words
from onnxmint.results.next_steps import NextStep
from onnxmint.settings import AuditSettings, ManyViews, TrainSettings
from onnxmint.stats.workload import EFFECT, Workload, fitted_into
from onnxmint.verdict.next_steps import foreseen
from onnxmint.workflows.stages import Shape, shape_of, steps_of, steps_of_training

LONG = 600  # seconds, beyond which an audit says so before it starts
_KEPT = 0.85  # of a time limit that is planned for: what is measured in a second is not exact
_START = 4.0  # seconds: libraries, the trial of the model, files


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreseen:
    """What will be done, and what is known of it before.

    Attributes:
        full: all that was given.
        load: what will be shown.
        steps: in their order.
        next_steps: what would help, most first.
        cheaper: a workload of less than ten minutes and its seconds, where the whole takes longer.
        every: no questioned image may be left out: a subject would lose it.
    """

    full: Workload
    load: Workload
    steps: tuple[Step, ...]
    next_steps: tuple[NextStep, ...]
    cheaper: tuple[Workload, float] | None
    every: bool = False

    @property
    def seconds(self) -> float:
        """Return how long all of it takes."""
        return _START + sum(step.seconds for step in self.steps)


def foresee(
    target: Target,
    known: tuple[ImageSource, ...],
    asked: ImageSource,
    shape: Shape,
    settings: AuditSettings,
    *,
    views: int,
    limit: int | None,
) -> Foreseen:
    """Measure how fast this machine is with this target, and say what will be done.

    Args:
        target: ready to run.
        known: sources of known members and of known non-members; none with an auditor that was given.
        asked: the questioned images.
        shape: what is done with each image.
        settings: of the audit; `time` limits it.
        views: of each image, as asked for.
        limit: at most so many known images of a kind.
    """
    given = [len(source.entries()) for source in known] or [0, 0]
    members, nonmembers = (min(count, limit or count) for count in given)
    count = len(asked.entries())
    judged = min(count, settings.sample or count)
    full = Workload(members=members, nonmembers=nonmembers, questioned=judged, views=views)
    speed = measured_speed(target, asked, settings.batch_size)

    def steps(load: Workload) -> list[Step]:
        left = sum(given) - load.members - load.nonmembers
        return steps_of(load, shape, speed, left=left, asked=count)

    def seconds(load: Workload) -> float:
        return _START + sum(step.seconds for step in steps(load))

    may = tuple(number for number in EFFECT if number <= views) if shape.many and shape.trains else (views,)
    every = settings.subject is not None

    def fitted(budget: float) -> Workload:
        return fitted_into(full, budget * _KEPT, seconds, views=may, known=shape.trains, asked=not every)

    load = full if settings.time is None else fitted(settings.time)
    cheaper = None
    if settings.time is None and seconds(full) > LONG:
        small = fitted(LONG)
        cheaper = (small, seconds(small))
    labelled = all(labels_of(source.entries()) is not None for source in (*known, asked)) or shape.layer
    return Foreseen(
        full=full,
        load=load,
        steps=tuple(steps(load)),
        next_steps=_helpful(load, shape, settings, labelled=labelled) if shape.trains else (),
        cheaper=cheaper,
        every=every,
    )


def foreseen_training(target: Target, known: Together, settings: TrainSettings) -> tuple[Step, ...]:
    """Measure how fast this machine is with this target, and say what a training will do.

    Args:
        target: ready to run.
        known: sources of known members and of known non-members.
        settings: of the training.
    """
    given = [len(source.entries()) for source in known.sources]
    members, nonmembers = (min(count, settings.limit or count) for count in given)
    shape = shape_of(target, settings, views=settings.views, controls=settings.controls, alone=not members)
    speed = measured_speed(target, known.sources[1], settings.batch_size)
    load = Workload(members=members, nonmembers=nonmembers, questioned=0, views=settings.views)
    return tuple(steps_of_training(load, shape, speed, left=sum(given) - members - nonmembers))


def _helpful(load: Workload, shape: Shape, settings: AuditSettings, *, labelled: bool) -> tuple[NextStep, ...]:
    return foreseen(
        members=load.members,
        nonmembers=load.nonmembers,
        labelled=labelled,
        questioned=load.questioned,
        references=bool(shape.references),
        settings=settings,
    )


def sampled(settings: AuditSettings, ahead: Foreseen | None) -> AuditSettings:
    """Return settings that judge no more images than a workload has."""
    if ahead is None or ahead.load.questioned >= ahead.full.questioned:
        return settings
    return replace(settings, sample=ahead.load.questioned)


def power_words(full: Workload, load: Workload, *, seconds: float, seen: float | None, unlimited: float | None) -> str:
    """Return what a time limit cost in power.

    Args:
        full: all that was given.
        load: what was shown.
        seconds: of the limit.
        seen: smallest share of members that would have been noticed; None when not even all.
        unlimited: the same with all images.
    """

    def words(one: Workload) -> str:
        known = f"{one.members:,} + {one.nonmembers:,} known and " if full.members or full.nonmembers else ""
        views = f" in {one.views} views" if one.views > 1 else ""
        return f"{known}{one.questioned:,} questioned images{views}"

    def share(value: float | None) -> str:
        return "none, not even all of them" if value is None else f"{value:.0%}"

    views = " More views would see a little more." if load.views < full.views else ""
    return (
        f"To end within {time_words(seconds)} the model was shown {words(load)}, in place of {words(full)}. The "
        f"smallest share of members that would be noticed is {share(seen)}; with all images: {share(unlimited)}.{views}"
    )


def limited(training: TrainSettings, load: Workload, full: Workload) -> TrainSettings:
    """Return settings that show no more than a workload."""
    most = max(load.members, load.nonmembers)
    smaller = most < max(full.members, full.nonmembers)
    views = next((number for number in get_args(ManyViews) if number == load.views), training.views)
    return replace(training, views=views, limit=most if smaller else training.limit)
