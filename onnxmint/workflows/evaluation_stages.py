"""The stages of an evaluation before they are called, as `stages` has those of an audit."""

from collections.abc import Iterator, Sequence

from onnxmint.engine.speed import Speed, measured_speed
from onnxmint.engine.target import Target
from onnxmint.images.together import Together
from onnxmint.methods.references import references_in
from onnxmint.mint.contest import Rival
from onnxmint.progress import Step
from onnxmint.settings import EvaluateSettings
from onnxmint.workflows.stages import COMPARED, MEASURED, fitting, measuring

_SIDES = ("members", "non-members")


def foreseen_steps(
    target: Target, known: Together, rivals: Sequence[Rival], settings: EvaluateSettings
) -> tuple[Step, ...]:
    """Measure how fast this machine is with this target, and say what will be done.

    Args:
        target: ready to run.
        known: sources of known members and of known non-members.
        rivals: the modules, those that cannot be fitted too.
        settings: views, limit, references, repeats.
    """
    counts = [min(count, settings.limit or count) for count in (len(one.entries()) for one in known.sources)]
    names = [] if settings.reference is None else [path.name for path in references_in(settings.reference)]
    modules = [rival.name for rival in rivals if rival.skipped is None]
    views = 1 if target.model.input.mixes else settings.views
    speed = measured_speed(target, known.sources[0], settings.batch_size)
    once = [*_once(counts, modules, names, views, speed)]
    if settings.repeats == 1:
        return tuple(once)
    return tuple(
        Step(name=step.name, words=f"{step.words}, division {number} of {settings.repeats}", seconds=step.seconds)
        for number in range(1, settings.repeats + 1)
        for step in once
    )


def _once(
    counts: Sequence[int], modules: Sequence[str], references: Sequence[str], views: int, speed: Speed
) -> Iterator[Step]:
    """Yield the stages of one division of the known images."""
    sides = tuple(zip(_SIDES, counts, strict=True))
    for name, count in sides:
        yield Step(name=f"{name}, looked at", words=f"looking at {count:,} known {name}", seconds=count * speed.image)
    of_each = f"({views} views each)" if views > 1 else "(one view)"
    for part, why in (("to fit on", "to learn from"), ("held out", "to test on")):
        for name, count in sides:
            words = f"showing the model {count // 2:,} known {name} {of_each}, {why}"
            yield Step(name=f"{name}, {part}", words=words, seconds=count // 2 * (speed.image + views * speed.picture))
        for module in modules if part == "to fit on" else ():
            yield fitting(module, sum(counts) / 2, "")
    yield measuring(COMPARED, "measuring every method, with its interval", sum(counts))
    for reference in references:
        for name, count in sides:
            words = f"showing the reference {reference} {count:,} known {name}"
            yield Step(name=f"{name}, by {reference}", words=words, seconds=count * (speed.image + speed.picture))
    yield measuring(MEASURED, "comparing the methods, and looking for other explanations", sum(counts))
