"""What an audit will do is known before: its stages by name and order, its time, and what a limit leaves of it."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onnxmint.cli.ahead import lines
from onnxmint.engine.speed import Speed, measured_speed
from onnxmint.engine.target import Target
from onnxmint.images.sources import open_source
from onnxmint.progress import Advance, Stage, Step
from onnxmint.settings import AuditSettings, EvaluateSettings, TrainSettings
from onnxmint.stats.workload import Workload, fitted_into
from onnxmint.workflows.auditing import Known, audit
from onnxmint.workflows.evaluating import evaluate
from onnxmint.workflows.foreseeing import Foreseen, limited, sampled
from onnxmint.workflows.stages import Shape, steps_of
from onnxmint.workflows.training import train
from tests.conftest import DEMO, KNOWN

MODEL, QUESTIONED = DEMO / "target.onnx", f"{DEMO / 'questioned.parquet'}?rows=0:60"
SPEED = Speed(picture=0.01, image=0.002)
VIEWS = Shape(learns="views", many=True, layer=False, trains=True, folds=False, controls=True, references=())
FULL = Workload(members=2000, nonmembers=2000, questioned=1000, views=26)


TRAINING = TrainSettings(preprocess="0-1", device="cpu", limit=60, views=2, module="phi")


def _listening() -> tuple[list[str], Stage]:
    """Return the names of the stages that are called, and what calls them."""
    called = list[str]()

    @contextlib.contextmanager
    def stage(name: str, total: int) -> Iterator[Advance]:
        called.append(name)
        yield lambda steps: None

    return called, stage


def _audited(training: TrainSettings, **asked: Any) -> tuple[list[str], list[Foreseen], Any]:
    (called, stage), told = _listening(), list[Foreseen]()
    known = Known(members=KNOWN[0], nonmembers=KNOWN[1], training=training)
    result = audit(
        MODEL, QUESTIONED, known, settings=AuditSettings(device="cpu", **asked), stage=stage, before=told.append
    )
    return called, told, result


@pytest.mark.parametrize(
    ("module", "controls"),
    [("phi", False), *(pytest.param(name, True, marks=pytest.mark.slow) for name in ("auto", "phi", "cnn"))],
)
def test_every_stage_is_foreseen_by_its_name_and_in_its_order(module: str, controls: bool) -> None:
    training = TrainSettings(preprocess="0-1", device="cpu", limit=60, views=2, module=module, controls=controls)
    called, (ahead,), _ = _audited(training, controls=controls)
    names = [step.name for step in ahead.steps]
    assert [name for name in names if name in called] == called
    assert set(names) - set(called) <= {"questioned, looked at for copies", "questioned, moved and mirrored"}


@pytest.mark.slow
def test_every_stage_of_a_training_is_foreseen() -> None:
    called, stage = _listening()
    told = list[tuple[Step, ...]]()
    train(MODEL, *KNOWN, settings=TRAINING, stage=stage, before=told.append)
    assert [step.name for step in told[0]] == called


@pytest.mark.slow
def test_every_stage_of_an_evaluation_is_foreseen_for_each_division() -> None:
    called, stage = _listening()
    told = list[tuple[Step, ...]]()
    settings = EvaluateSettings(
        preprocess="0-1", device="cpu", limit=40, views=2, modules=("vanilla",), layers=("penultimate",), repeats=2
    )
    evaluate(MODEL, *KNOWN, settings=settings, stage=stage, before=told.append)
    (steps,) = told
    assert [step.name for step in steps] == called
    assert steps[0].words == "looking at 40 known members, division 1 of 2"
    assert steps[-1].words.endswith("other explanations, division 2 of 2")


def test_a_limit_of_time_draws_images_and_says_what_that_cost() -> None:
    training = TrainSettings(preprocess="0-1", device="cpu", module="phi", controls=False)
    _, (ahead,), result = _audited(training, controls=False, time=1.0)
    assert ahead.load.questioned < ahead.full.questioned == 60
    assert result.questioned.images == ahead.load.questioned
    assert result.evidence.members + result.evidence.nonmembers <= 2 * ahead.load.members
    assert any(one.startswith("To end within 1 s the model was shown") for one in result.warnings)
    assert result.questioned.drawn_from is not None
    assert sampled(AuditSettings(), ahead) == AuditSettings(sample=ahead.load.questioned)


@given(st.floats(20, 20_000))
@settings(deadline=None, max_examples=8)
def test_what_is_chosen_ends_in_time(budget: float) -> None:
    def seconds(load: Workload) -> float:
        return sum(step.seconds for step in steps_of(load, VIEWS, SPEED))

    load = fitted_into(FULL, budget, seconds, views=(26, 14, 2))
    least = replace(FULL, members=100, nonmembers=100, questioned=30, views=2)
    assert seconds(load) <= max(budget, seconds(least))
    assert load.members <= FULL.members
    assert (load == FULL) == (seconds(FULL) <= budget)


@given(st.floats(1, 20_000))
@settings(deadline=None, max_examples=8)
def test_questioned_images_that_must_stay_are_never_left_out(budget: float) -> None:
    def seconds(load: Workload) -> float:
        return sum(step.seconds for step in steps_of(load, VIEWS, SPEED))

    load = fitted_into(FULL, budget, seconds, views=(26, 14, 2), asked=False)
    assert load.questioned == FULL.questioned
    least = replace(FULL, members=100, nonmembers=100, views=2)
    assert seconds(load) <= max(budget, seconds(least))


@pytest.mark.slow
def test_a_limit_of_time_leaves_every_subject_its_images() -> None:
    training = TrainSettings(preprocess="0-1", device="cpu", module="phi", controls=False)
    _, (ahead,), result = _audited(training, controls=False, time=1.0, subject="label")
    assert ahead.load.questioned == ahead.full.questioned == 60
    assert ahead.load.members < ahead.full.members
    known = sum("is" in one.reason and "evidence" in one.reason for one in result.questioned.skipped)
    assert (result.questioned.images + known, result.questioned.drawn_from) == (60, None)
    assert result.subjects is not None
    assert sum(row.images for row in result.subjects.rows) == result.questioned.images
    said = lines(ahead, 1.0)
    assert "no questioned image is left out for it: each subject keeps all of its own" in said
    assert any(one.startswith("that is more than 1 s") for one in said)


def test_views_are_given_up_before_images() -> None:
    def seconds(load: Workload) -> float:
        return (load.members + load.nonmembers + load.questioned) * load.views

    load = fitted_into(FULL, 5000 * 3, seconds, views=(26, 14, 2))
    assert (load.views, load.members, load.questioned) == (2, 2000, 1000)
    assert limited(TrainSettings(), load, FULL) == TrainSettings(views=2)


def test_the_speed_of_a_target_is_measured_on_noise(target: Target) -> None:
    speed = measured_speed(target, open_source(QUESTIONED), None)
    assert 0 <= speed.picture < 0.1
    assert 0 < speed.image < 0.1
