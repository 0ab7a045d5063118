"""Settings refuse what no audit can be made with, from Python as on the command line, in the same words."""

import re
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from onnxmint.cli.audit import audit_command
from onnxmint.cli.compare import compare_command
from onnxmint.cli.evaluate import evaluate_command
from onnxmint.cli.options import settings_of
from onnxmint.cli.train import train_command
from onnxmint.errors import UsageError
from onnxmint.settings import (
    AuditSettings,
    CompareSettings,
    EvaluateSettings,
    EvidenceSettings,
    ImageSettings,
    ObserveSettings,
    TrainSettings,
    Within,
)

KINDS = [
    ImageSettings,
    EvidenceSettings,
    TrainSettings,
    EvaluateSettings,
    AuditSettings,
    CompareSettings,
    ObserveSettings,
]
EVIDENCE = ["--members", "m", "--nonmembers", "n"]
COMMANDS = {
    TrainSettings: (train_command, ["model", *EVIDENCE]),
    AuditSettings: (audit_command, ["model", "images"]),
    EvaluateSettings: (evaluate_command, ["model", *EVIDENCE]),
    CompareSettings: (compare_command, ["before", "after", *EVIDENCE]),
}
WRONG = [
    (AuditSettings, "alpha", 7, "7 is not in the range 0<x<=0.5."),
    (AuditSettings, "prior", 0, "0 is not in the range 0<x<1."),
    (AuditSettings, "prior", 1, "1 is not in the range 0<x<1."),
    (AuditSettings, "relevant_share", 0.0, "0.0 is not in the range 0<x<=1."),
    (AuditSettings, "p_values", "smooth", "'smooth' is not one of 'conservative', 'smoothed'."),
    (AuditSettings, "false_discovery", "by", "'by' is not one of 'bh', 'storey'."),
    (CompareSettings, "views", 3, "3 is not one of 2, 14, 26."),
    (TrainSettings, "device", "gpu", "'gpu' is not one of 'auto', 'cpu', 'cuda'."),
    (
        TrainSettings,
        "module",
        "nn",
        "'nn' is not one of 'auto', 'views', 'trees', 'relative', 'phi', 'gap', 'cnn', 'vanilla'.",
    ),
    (TrainSettings, "views", 5, "5 is not one of 2, 14, 26, 50."),
    (TrainSettings, "seed", -1, "-1 is not in the range x>=0."),
    (TrainSettings, "limit", 0, "0 is not in the range x>=1."),
    (TrainSettings, "folds", 1, "1 is not in the range 2<=x<=20."),
    (TrainSettings, "batch_size", 5000, "5000 is not in the range 1<=x<=4096."),
]
OF_PYTHON = [
    (AuditSettings, "alpha", float("nan"), "nan is not in the range 0<x<=0.5."),
    (TrainSettings, "layers", "all", "'all' is no tuple, such as ('all',)."),
    (TrainSettings, "layers", (3,), "3 is no text."),
    (TrainSettings, "labels", 1, "1 is no truth value."),
    (TrainSettings, "seed", 1.5, "1.5 is no whole number."),
    (TrainSettings, "seed", True, "True is no whole number."),
    (TrainSettings, "reference", ("other.onnx",), "'other.onnx' is no Path."),
    (EvaluateSettings, "modules", ("phi",), "'phi' is not one of 'views', 'trees', 'relative', 'cnn', 'vanilla'."),
    (AuditSettings, "alpha", None, "None is no number."),
    (AuditSettings, "group", Path("x"), "PosixPath('x') is no text."),
    (AuditSettings, "device", ["cpu"], "['cpu'] is not one of 'auto', 'cpu', 'cuda'."),
]


@pytest.mark.parametrize("kind", KINDS)
def test_the_defaults_are_fine(kind: type[ImageSettings]) -> None:
    assert replace(kind()) == kind()


@pytest.mark.parametrize(("kind", "field", "value", "message"), [*WRONG, *OF_PYTHON])
def test_what_cannot_be_is_refused_when_it_is_made(
    kind: type[ImageSettings], field: str, value: Any, message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        kind(**{field: value})
    assert str(caught.value) == f"Invalid value for '{field}': {message}"


@pytest.mark.parametrize("kind", [TrainSettings, EvaluateSettings])
def test_more_views_than_the_usual_ones_take_an_augmentation(kind: type[ImageSettings]) -> None:
    with pytest.raises(UsageError, match=r"^--views 50 draws views from .*--augmentation, or take --views 26$"):
        kind(views=50)
    assert kind(views=50, augmentation="crop4+mirror").views == 50


@pytest.mark.parametrize(("kind", "field", "value", "message"), WRONG)
def test_the_command_line_says_the_same(kind: type[ImageSettings], field: str, value: Any, message: str) -> None:
    command, words = COMMANDS[kind]
    (option,) = [one for one in command.params if one.name == field]
    found = CliRunner().invoke(command, [*words, option.opts[0], str(value)])
    assert found.exit_code == 2
    given = message.partition(" is not ")[2]
    allowed = re.sub(r"(\d+)", r"'\1'", given) if field == "views" else given  # words until chosen
    assert f" is not {allowed}" in " ".join(found.output.split())


@pytest.mark.parametrize("kind", [TrainSettings, AuditSettings, EvaluateSettings])
def test_options_left_out_are_the_defaults(kind: type[ImageSettings]) -> None:
    command, words = COMMANDS[kind]
    seen: dict[str, Any] = {}

    def look(**options: Any) -> None:
        seen.update(options)

    twin = click.Command(command.name, params=command.params, callback=look)
    assert CliRunner().invoke(twin, words, standalone_mode=False).exit_code == 0
    assert settings_of(kind, seen) == kind()
    assert {field.name for field in fields(kind)} <= seen.keys() | {"modules"}


def test_numbers_of_numpy_are_numbers() -> None:
    assert TrainSettings(seed=np.int64(3), limit=np.int32(5)).seed == 3  # type: ignore[arg-type]
    assert AuditSettings(alpha=np.float64(0.01)).alpha == 0.01


@given(st.floats(-2, 2), st.booleans(), st.booleans())
def test_a_range_holds_what_click_lets_through(value: float, above: bool, below: bool) -> None:
    ours = Within(low=-1, high=1, above=above, below=below)
    theirs = click.FloatRange(-1, 1, min_open=above, max_open=below)
    assert str(ours) == theirs._describe_range()
    if ours.holds(value):
        assert theirs.convert(str(value), None, None) == value
    else:
        with pytest.raises(click.BadParameter, match=re.escape(f"is not in the range {ours}.")):
            theirs.convert(str(value), None, None)
