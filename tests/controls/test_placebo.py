"""The placebo twin: what a model that knows nothing detects is no membership."""

from dataclasses import replace

import numpy as np

from onnxmint.controls.placebo import placebo_control
from onnxmint.controls.seen import Missing
from tests.controls.conftest import seen, twin
from tests.known import known, noise, scored, yardstick

RNG = np.random.default_rng(0)


def test_a_twin_that_tells_nothing_passes_and_the_target_is_better() -> None:
    evidence = known()
    control = placebo_control(
        seen(evidence, target=scored(evidence, noise(evidence, 1.0)), twin=twin(evidence, noise(evidence, seed=2))), RNG
    )
    assert control.passed is True
    assert control.auc is not None
    assert control.auc.low <= 0.5
    assert control.target_minus_placebo is not None
    assert control.target_minus_placebo.low > 0


def test_a_twin_that_tells_members_fails() -> None:
    evidence = known()
    target, placebo = noise(evidence, 1.0), noise(evidence, 1.0, seed=2)
    control = placebo_control(seen(evidence, target=scored(evidence, target), twin=twin(evidence, placebo)), RNG)
    assert control.passed is False
    assert "also tells members from non-members" in control.text
    assert control.target_minus_placebo is not None
    assert control.target_minus_placebo.low < 0 < control.target_minus_placebo.high


def test_the_difference_is_taken_on_images_that_both_were_scored_on() -> None:
    evidence = known()
    target, placebo = noise(evidence, 1.0), noise(evidence, seed=2)
    target[:60], placebo[60:90] = np.nan, np.nan
    both = np.isfinite(target) & np.isfinite(placebo)
    held = yardstick(evidence.table, np.nan_to_num(placebo))
    given = replace(twin(evidence, noise(evidence)), scored=scored(evidence, placebo), yardstick=held)
    control = placebo_control(seen(evidence, target=scored(evidence, target, surest=target), twin=given), RNG)
    members, others = target[both & evidence.table.is_member], target[both & ~evidence.table.is_member]
    of_target = float((members[:, None] > others).mean())
    members, others = placebo[both & evidence.table.is_member], placebo[both & ~evidence.table.is_member]
    of_twin = float((members[:, None] > others).mean())
    assert control.target_minus_placebo is not None
    assert abs(control.target_minus_placebo.value - (of_target - of_twin)) < 1e-9


def test_a_twin_that_says_what_the_model_says_is_none() -> None:
    """A model without weights: nothing can be shuffled, and that is said, not judged."""
    evidence = known()
    score, surest = noise(evidence, 1.0), -np.abs(noise(evidence, seed=5))
    same = seen(
        evidence, target=scored(evidence, score, surest=surest), twin=twin(evidence, score, surest=surest.copy())
    )
    control = placebo_control(same, RNG)
    assert control.passed is None
    assert control.text.startswith("Not run: shuffling the model's weights changes nothing that it says")


def test_a_twin_that_fails_is_said() -> None:
    evidence = known()
    control = placebo_control(
        seen(evidence, target=scored(evidence, noise(evidence)), twin=Missing(why="its answer holds NaN")), RNG
    )
    assert control.passed is None
    assert control.text == "Not run: the twin with shuffled weights fails: its answer holds NaN."
    assert placebo_control(seen(evidence), RNG).passed is None
