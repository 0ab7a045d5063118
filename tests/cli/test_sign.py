"""onnxmint sign and register: the query for a time stamping authority, and every message a user can meet."""

from pathlib import Path

import pytest

from onnxmint.errors import OnnxmintError
from onnxmint.report.files import run_files
from onnxmint.results.audit import AuditResult
from onnxmint.workflows import stamping
from onnxmint.workflows.stamping import add_reply, query
from tests.cli.conftest import Run
from tests.report.conftest import result  # noqa: F401 - a fixture


@pytest.fixture
def run(result: AuditResult, tmp_path: Path) -> Path:  # noqa: F811
    folder = tmp_path / "run"
    folder.mkdir()
    for name, content in run_files(result, run_settings={}, auditor=b"onnx").items():
        (folder / name).write_bytes(content)
    return folder


def test_the_query_of_a_run_holds_its_hash_and_needs_no_package(call: Run, run: Path) -> None:
    code, out, err = call("sign", "run", "--time-query", "run.tsq")
    assert (code, err) == (0, "")
    assert "run.tsq asks for the time of the run; take the reply in with --time-reply" in out
    assert Path("run.tsq").read_bytes() == query((run / "manifest.json").read_bytes())
    assert len(Path("run.tsq").read_bytes()) == 59


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["sign", "run"], 2, "give --key, to sign, or --time-query or --time-reply"),
        (["sign", "none", "--time-query", "q"], 2, "give the folder of a run"),
        (["verify", "run", "--tsa", "none"], 2, "'--tsa': Path 'none' does not exist"),
    ],
)
def test_what_does_not_serve_is_said_in_one_line(
    call: Run, run: Path, words: list[str], status: int, message: str
) -> None:
    code, out, err = call(*words)
    assert (code, out) == (status, "")
    assert message in err


def test_a_package_that_is_missing_is_named_with_the_extra(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stamping, "find_spec", lambda _: None)
    with pytest.raises(OnnxmintError, match=r'pip install "onnxmint\[time\]"'):
        add_reply(run, run / "manifest.json")
