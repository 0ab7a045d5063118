"""How tests of the command line call it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from onnxmint.cli.main import run

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command in an empty folder; return exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("ONNXMINT_STATE", str(tmp_path.with_name(f"{tmp_path.name}-state")))

    def act(*words: object) -> tuple[int, str, str]:
        code = run([str(word) for word in words])
        captured = capfd.readouterr()
        return code, captured.out, captured.err

    return act
