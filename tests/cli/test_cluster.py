"""onnxmint audit --engine ray: what is refused before anything is opened, in one line."""

from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.conftest import DEMO

WORDS = ["audit", DEMO / "target.onnx", DEMO / "questioned.parquet", "-q"]
GIVEN = ["--auditor", "auditor.onnx", "-o", "run"]


@pytest.fixture(autouse=True)
def _no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--engine", "ray", "-o", "run"], "--engine ray needs --auditor: train one first (onnxmint train)"),
        (["--engine", "ray", "--auditor", "auditor.onnx"], "--engine ray needs -o RUN, the same for all parts"),
        (
            ["--engine", "ray", "--auditor", "auditor.onnx", "-o", "s3://bucket/run"],
            "s3://bucket/run: parts are made in a folder that all processes see, not in a store",
        ),
        (["--engine", "ray", *GIVEN], "--engine ray joins a cluster, and starts none: give its --address HOST:PORT"),
        (["--engine", "ray", *GIVEN, "--address", "auto"], "'auto' is no address of a cluster: give HOST:PORT"),
        (["--engine", "ray", *GIVEN, "--part", "1/2"], "--part is for processes that nobody directs, --engine ray for"),
        (["--address", "10.0.0.1:6379", *GIVEN], "--address belongs to --engine ray: give both, or neither"),
        (["--cpus-per-task", "2", *GIVEN], "--cpus-per-task belongs to --engine ray"),
        (["--insecure-cluster", *GIVEN], "--insecure-cluster belongs to --engine ray"),
    ],
)
def test_words_that_do_not_go_together_are_refused(call: Run, given: list[object], said: str) -> None:
    code, out, err = call(*WORDS, *given)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert said in err
    assert not list(Path().glob("run*"))


def test_the_address_of_the_environment_is_for_engine_ray_alone(call: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "local")
    code, _, err = call(*WORDS, "--engine", "ray", *GIVEN)
    assert code == 2
    assert "'local' is no address of a cluster" in err
    code, _, err = call(*WORDS, "--auditor", "missing.onnx", "-o", "run")
    assert "cannot read the auditor missing.onnx" in err
