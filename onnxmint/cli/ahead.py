"""What is said before an audit begins: how long it takes, the cheaper choice, and what would help."""

from collections.abc import Callable, Sequence

import click

from onnxmint.cli.progress import plan
from onnxmint.progress import Stage, Step, time_words
from onnxmint.report.names import visible
from onnxmint.workflows.foreseeing import LONG, Foreseen


def telling(stage: Stage, limit: float | None) -> Callable[[Foreseen], None]:
    """Return what tells a person, and the stage, of an audit before it begins.

    Args:
        stage: that draws its progress.
        limit: seconds that were asked for.
    """

    def tell(ahead: Foreseen) -> None:
        plan(stage, ahead.steps)
        for line in lines(ahead, limit):
            click.echo(visible(line), err=True)

    return tell


def telling_steps(stage: Stage) -> Callable[[Sequence[Step]], None]:
    """Return what tells a person, and the stage that draws, the steps of a training or an evaluation."""

    def tell(steps: Sequence[Step]) -> None:
        plan(stage, steps)
        click.echo(steps_line(steps, sum(step.seconds for step in steps)), err=True)

    return tell


def steps_line(steps: Sequence[Step], seconds: float) -> str:
    """Return how many steps there are, and how long they take."""
    return f"{len(steps)} steps, about {time_words(seconds)}"


def lines(ahead: Foreseen, limit: float | None) -> list[str]:
    """Return the lines that say what a person may want to know before it begins."""
    said = [steps_line(ahead.steps, ahead.seconds)]
    load, full = ahead.load, ahead.full
    if limit is not None and load != full:
        said.append(f"to end within {time_words(limit)}: {_words(ahead)} of {_all(ahead)}")
    if limit is not None and ahead.every:
        said.append("no questioned image is left out for it: each subject keeps all of its own")
    if limit is not None and ahead.seconds > limit:
        said.append(f"that is more than {time_words(limit)}: the smallest audit of this model takes longer")
    if ahead.cheaper is not None:
        small, seconds = ahead.cheaper
        said.append(
            f"that is long: --time {LONG // 60}m takes about {time_words(seconds)}, with {small.views} views of "
            f"{small.members:,} + {small.nonmembers:,} known and {small.questioned:,} questioned images (Ctrl-C, and "
            "start again)"
        )
    if ahead.next_steps:
        said.append("known before it begins, most helpful first:")
        said += [f"  {number}. {step.text}" for number, step in enumerate(ahead.next_steps, start=1)]
    return said


def _words(ahead: Foreseen) -> str:
    load = ahead.load
    known = f"{load.members:,} + {load.nonmembers:,} known and " if load.members or load.nonmembers else ""
    views = f" in {load.views} views" if load.views > 1 else ""
    return f"{known}{load.questioned:,} questioned images{views}"


def _all(ahead: Foreseen) -> str:
    full = ahead.full
    known = f"{full.members:,} + {full.nonmembers:,} and " if full.members or full.nonmembers else ""
    views = f" in {full.views}" if full.views > 1 else ""
    return f"{known}{full.questioned:,}{views}"
