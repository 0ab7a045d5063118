"""Progress is one line that says which step of how many and the time left, also where no terminal listens."""

import io
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from onnxmint.cli import progress
from onnxmint.cli.ahead import lines, telling_steps
from onnxmint.cli.options import Duration
from onnxmint.cli.progress import Bar, Course, Lines, plan
from onnxmint.progress import Step, time_words
from onnxmint.results.next_steps import NextStep
from onnxmint.stats.workload import Workload
from onnxmint.workflows.foreseeing import Foreseen

STEPS = tuple(Step(name=name, words=f"doing {name}", seconds=seconds) for name, seconds in [("a", 10), ("b", 20)])
FULL = Workload(members=2000, nonmembers=2000, questioned=400, views=26)


def _ahead(**changed: object) -> Foreseen:
    facts = {"full": FULL, "load": FULL, "steps": STEPS, "next_steps": (), "cheaper": None}
    return Foreseen(**(facts | changed))  # type: ignore[arg-type]


def test_a_pipe_gets_a_line_for_each_step_with_its_number() -> None:
    told = io.StringIO()
    stage = Lines(Console(file=told))
    plan(stage, STEPS)
    for name in ("a", "unplanned", "b"):
        with stage(name, 3) as advance:
            advance(3)
    assert [line.partition(" in ")[0] for line in told.getvalue().splitlines()] == [
        "step 1 of 2: doing a: 3", "unplanned: 3", "step 2 of 2: doing b: 3",
    ]  # fmt: skip


def test_a_pipe_hears_that_work_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_BEAT", 0.05)
    monkeypatch.setattr(progress, "_LOOK", 0.01)
    told = io.StringIO()
    stage = Lines(Console(file=told))
    plan(stage, STEPS)
    with stage("a", 4) as advance:
        advance(1)
        deadline = time.monotonic() + 5
        while not told.getvalue() and time.monotonic() < deadline:
            time.sleep(0.01)
    assert told.getvalue().startswith("step 1 of 2: doing a: 1 of 4, about 28 s left\n")


def test_a_step_with_nothing_to_count_says_what_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    told = io.StringIO()
    stage = Lines(Console(file=told))
    tell = telling_steps(stage)
    tell(STEPS)
    monkeypatch.setattr(progress, "_BEAT", 0.0)
    with stage("a", 0):
        stage.beat()
    assert told.getvalue().splitlines()[0].startswith("step 1 of 2: doing a: about ")
    drawn = io.StringIO()
    with Bar(Console(file=drawn, force_terminal=True, width=100))("known, measured", 0):
        pass
    assert "0/0" not in drawn.getvalue()


def test_a_terminal_gets_one_line_that_vanishes() -> None:
    told = io.StringIO()
    stage = Bar(Console(file=told, force_terminal=True, width=100))
    plan(stage, STEPS)
    with stage("a", 2) as advance:
        advance(1)
    assert "step 1 of 2: doing a" in told.getvalue()
    assert "left" in told.getvalue()


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0.01, 200)), min_size=1, max_size=6))
def test_time_left_is_never_negative_and_ends_at_nothing(spent: list[tuple[float, float]]) -> None:
    course = Course(tuple(Step(name=str(n), words="", seconds=planned) for n, (planned, _) in enumerate(spent)))
    for number, (_, took) in enumerate(spent):
        assert course.enter(str(number)) == number
        left = course.left(number, 0.5, took / 2)
        assert left is not None
        assert left >= 0
        course.leave(number, took)
    assert course.left(None, 0, 0) == 0
    assert course.enter("0") is None


def test_time_left_follows_what_the_work_took() -> None:
    course = Course(STEPS)
    course.leave(course.enter("a"), 30.0)
    assert course.left(None, 0, 0) == pytest.approx(60)


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.2, "1 s"), (80, "80 s"), (100, "2 min"), (3500, "58 min"), (12000, "3 h 20 min")]
)
def test_times_are_said_as_people_say_them(seconds: float, words: str) -> None:
    assert time_words(seconds) == words


@pytest.mark.parametrize(("text", "seconds"), [("10m", 600), ("90s", 90), ("1.5h", 5400), ("3", 180), ("2 min", 120)])
def test_a_time_may_be_written_in_several_ways(text: str, seconds: float) -> None:
    assert Duration().convert(text, None, None) == seconds


def test_what_is_known_before_is_told() -> None:
    assert lines(_ahead(), None) == ["2 steps, about 34 s"]
    small = Workload(members=300, nonmembers=300, questioned=100, views=2)
    said = lines(_ahead(cheaper=(small, 500.0)), None)
    assert said[1].startswith(
        "that is long: --time 10m takes about 8 min, with 2 views of 300 + 300 known and 100 ques"
    )
    said = lines(_ahead(load=small, next_steps=(NextStep(kind="labels", text="Sort."),)), 600.0)
    assert said[1] == (
        "to end within 10 min: 300 + 300 known and 100 questioned images in 2 views of 2,000 + 2,000 and 400 in 26"
    )
    assert said[2:] == ["known before it begins, most helpful first:", "  1. Sort."]
    assert "that is more than 20 s" in lines(_ahead(), 20.0)[1]
