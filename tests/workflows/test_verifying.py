"""A run checked by somebody else: what was changed is named, and what could not be done never counts as passed."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from onnxmint.errors import UsageError
from onnxmint.mint.auditor import Auditor
from onnxmint.report.again import readable_files
from onnxmint.report.files import load_run, run_files
from onnxmint.results.audit import AuditResult
from onnxmint.results.verification import Step, StepName, Verification
from onnxmint.settings import AuditSettings, TrainSettings
from onnxmint.workflows.auditing import audit
from onnxmint.workflows.recomputing import noticed_share
from onnxmint.workflows.rehashing import Places
from onnxmint.workflows.training import train
from onnxmint.workflows.verifying import Checking, verify
from tests.conftest import DEMO, KNOWN

MODEL, QUESTIONED = DEMO / "target.onnx", DEMO / "questioned.parquet"
WITHIN: tuple[StepName, ...] = ("integrity", "derivation")


def _write(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def _files(result: AuditResult, auditor: Auditor) -> dict[str, bytes]:
    words = {"folder": str(DEMO), "model": "target.onnx", "images": ["questioned.parquet"]}
    return run_files(result, run_settings=words, auditor=auditor.model, paths=True)


@pytest.fixture(scope="module")
def result(once: Callable[..., Any], phi: Auditor) -> AuditResult:
    settings = AuditSettings(device="cpu", controls=False, p_values="smoothed")
    found: AuditResult = once("audit-by-phi", lambda: audit(MODEL, QUESTIONED, phi, settings=settings))
    return found


@pytest.fixture(scope="module")
def written(result: AuditResult, phi: Auditor) -> dict[str, bytes]:
    return _files(result, phi)


@pytest.fixture
def run(written: dict[str, bytes], tmp_path: Path) -> Path:
    return _write(tmp_path / "run", written)


def _checked(run: Path, *steps: StepName, **options: Any) -> Verification:
    checking = Checking(steps=steps or WITHIN, device="cpu", **options)
    return verify(run, checking=checking, rendered=readable_files)


def _step(found: Verification, name: StepName) -> Step:
    return next(step for step in found.steps if step.name == name)


def test_a_run_that_nobody_touched_passes_and_its_numbers_follow_to_the_last_bit(run: Path) -> None:
    found = _checked(run)
    assert found.verified, found.steps
    assert "to the last bit" in _step(found, "derivation").text
    assert found.manifest_sha256 == hashlib.sha256((run / "manifest.json").read_bytes()).hexdigest()


def test_a_run_in_lots_follows_from_what_was_scored_until_it_stopped(phi: Auditor, tmp_path: Path) -> None:
    settings = AuditSettings(device="cpu", controls=False, sequential=True)
    stopped = audit(MODEL, f"{QUESTIONED}?member=True", phi, settings=settings)
    found = _checked(_write(tmp_path / "lots", _files(stopped, phi)))
    assert found.verified, found.steps
    *first, last = stopped.questioned.looks
    bold = replace(stopped.questioned, looks=(*first, replace(last, part=1.0)))
    forged = _checked(_write(tmp_path / "forged", _files(replace(stopped, questioned=bold), phi)), "derivation")
    assert not forged.verified


def test_what_cannot_be_done_says_so_and_is_not_passed(run: Path) -> None:
    found = _checked(run, "integrity", "authenticity", "order")
    assert [step.outcome for step in found.steps] == ["passed", "not done", "not done"]
    assert not found.verified
    assert _step(found, "authenticity").text == "not signed: could not be checked"


@pytest.mark.parametrize("name", ["report.html", "report.json", "scores.parquet", "auditor.onnx", "run.toml"])
def test_a_flipped_bit_in_any_file_is_named(run: Path, name: str) -> None:
    content = bytearray((run / name).read_bytes())
    content[len(content) // 2] ^= 1
    (run / name).write_bytes(content)
    found = _checked(run, "integrity")
    assert not found.verified
    assert any(name in line for line in _step(found, "integrity").differences)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda run: (run / "scores.parquet").unlink(), "scores.parquet is missing"),
        (lambda run: (run / "notes.txt").write_text("x"), "notes.txt was added"),
        (lambda run: (run / "manifest.json").unlink(), "there is no manifest.json"),
        (lambda run: (run / "manifest.json").write_text("{}"), "manifest.json"),
        (lambda run: (run / "manifest.json").write_text((run / "manifest.json").read_text() + " "), "not as a run"),
    ],
)
def test_a_file_that_is_gone_added_or_rewritten_is_named(run: Path, change: Callable[[Path], Any], words: str) -> None:
    change(run)
    found = _checked(run)
    assert not found.verified
    assert words in " ".join(_step(found, "integrity").differences)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.parametrize(
    "name", ["manifest.json", "report.json", "scores.parquet", "report.html", "run.toml", "auditor.onnx", "scores.csv"]
)
def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(run: Path, name: str) -> None:
    (run / name).unlink()
    os.mkfifo(run / name)
    found = _checked(run)
    assert not found.verified
    assert name in " ".join(_step(found, "integrity").differences)


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"[["])
def test_a_run_file_that_is_none_fails_the_check_and_does_not_end_it(run: Path, content: bytes | None) -> None:
    (run / "run.toml").unlink() if content is None else (run / "run.toml").write_bytes(content)
    found = _checked(run)
    assert _step(found, "integrity").outcome == "failed"
    assert not found.verified


def test_files_of_another_run_are_noticed(run: Path, result: AuditResult, phi: Auditor) -> None:
    other = _files(replace(result, created="2020-01-01T00:00:00+00:00"), phi)
    (run / "scores.parquet").write_bytes(other["scores.parquet"])
    assert "scores.parquet" in _step(_checked(run), "integrity").differences[0]


def _first_score(result: AuditResult, value: float) -> AuditResult:
    score = result.scores.p_value.copy()
    score[0] = value
    return replace(result, scores=replace(result.scores, p_value=score))


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda one: replace(one, verdict=replace(one.verdict, kind="no-evidence")), "verdict.kind"),
        (lambda one: replace(one, verdict=replace(one.verdict, p_value=0.5)), "verdict.p_value: 0.5 is written"),
        (lambda one: _first_score(one, 0.123), "p_value of 1 images"),
        (lambda one: replace(one, rule=replace(one.rule, alpha=0.2)), "questioned.alpha"),
        (lambda one: replace(one, performance=None), "performance"),
        (lambda one: replace(one, questioned=replace(one.questioned, prior=0.9)), "questioned.prior"),
    ],
)
def test_an_edited_result_is_found_although_every_hash_was_made_anew(
    run: Path, result: AuditResult, phi: Auditor, edit: Callable[[AuditResult], AuditResult], words: str
) -> None:
    _write(run, _files(edit(result), phi))
    found = _checked(run)
    assert _step(found, "integrity").outcome == "passed"
    assert _step(found, "derivation").outcome == "failed"
    assert any(words in line for line in _step(found, "derivation").differences), found.steps


def test_an_edited_page_is_found_although_every_hash_was_made_anew(run: Path, result: AuditResult) -> None:
    from onnxmint.report.manifest import renew

    page = (run / "report.html").read_bytes().replace(b"questioned", b"known", 1)
    (run / "report.html").write_bytes(page)
    renew(run, {"report.html": page})
    found = _checked(run)
    assert _step(found, "integrity").outcome == "passed"
    assert "report.html is not what follows" in _step(found, "derivation").differences[0]


def test_a_run_without_its_auditor_cannot_be_derived(run: Path) -> None:
    (run / "auditor.onnx").unlink()
    step = _step(_checked(run), "derivation")
    assert step.outcome == "not done"
    assert step.text.startswith("cannot check: the run has no auditor.onnx")


def test_inputs_that_are_others_now_are_named(run: Path, tmp_path: Path) -> None:
    same = _step(
        _checked(
            run,
            "inputs",
            places=Places(members=str(DEMO / "members.parquet"), nonmembers=str(DEMO / "nonmembers.parquet")),
        ),
        "inputs",
    )
    assert same.outcome == "passed", same
    other = _step(_checked(run, "inputs", places=Places(images=(str(DEMO / "members.parquet"),))), "inputs")
    assert other.outcome == "failed"
    assert other.differences[0].startswith("the questioned images are 1,000 files of")
    unknown = _step(_checked(run, "inputs"), "inputs")
    assert unknown.outcome == "not done"
    assert "the run does not say where the known members are (--members)" in unknown.text
    (tmp_path / "other.onnx").write_bytes(b"no model")
    assert _step(_checked(run, "inputs", places=Places(model=tmp_path / "other.onnx")), "inputs").outcome == "failed"


def test_forged_scores_are_found_by_scoring_again(run: Path, result: AuditResult, phi: Auditor) -> None:
    """Everything that follows from them may be forged with them: only the model knows better."""
    assert result.basis is not None
    scores = result.basis.networks.copy()
    scores[[3, 100]] += 1
    _write(run, _files(replace(result, basis=replace(result.basis, networks=scores)), phi))
    every = _step(_checked(run, "integrity", sample=10_000, seed=0), "recomputation")
    assert every.outcome == "failed"
    assert {line.partition(":")[0] for line in every.differences} == {result.scores.path[row] for row in (3, 100)}


def test_what_a_sample_would_have_noticed_is_said(run: Path) -> None:
    step = _step(_checked(run, "integrity", sample=20, seed=1), "recomputation")
    assert step.outcome == "passed", step
    assert "an edit of 13.91% of the rows would have been noticed with 95%" in step.text
    assert noticed_share(200) == pytest.approx(0.0149, abs=1e-4)
    assert pytest.approx(0.18, abs=0.005) == 1 - (1 - 0.001) ** 200
    edited = np.random.default_rng(0).random((20_000, 200)) < noticed_share(200)
    assert edited.any(axis=1).mean() == pytest.approx(0.95, abs=0.01)


def test_a_place_without_a_run_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no folder: give the folder of a run"):
        verify(tmp_path / "none")


def test_kept_runs_come_back_with_what_their_verdict_follows_from(run: Path, result: AuditResult) -> None:
    again = load_run(run)
    assert again.basis is not None
    assert result.basis is not None
    np.testing.assert_array_equal(again.basis.networks, result.basis.networks)
    assert again.basis.sha256 == result.basis.sha256
    assert (again.rule, again.basis.free is None) == (result.rule, result.basis.free is None)


def test_the_command_says_what_it_found_and_needs_no_runtime_for_its_own_steps(run: Path) -> None:
    code = (
        "import sys; from onnxmint.cli.main import run; code = run(sys.argv[1:]);"
        "print([name for name in ('torch', 'onnxruntime') if name in sys.modules], code, file=sys.stderr)"
    )
    words = ["verify", str(run), "--step", "integrity", "--step", "derivation", "--json"]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[] 0"
    assert [step["outcome"] for step in json.loads(done.stdout)["steps"]] == ["passed", "passed"]
    done = subprocess.run([sys.executable, "-m", "onnxmint", "verify", str(run), "--step", "authenticity"],
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode == 5
    assert "could not be done: authenticity" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("training", "asked"),
    [
        ({"module": "views", "views": 2, "folds": 3}, {"subject": "label", "false_discovery": "storey"}),
        ({"module": "phi"}, {"per_class": True, "subject": "label", "guarantee": "average"}),
        ({"module": "gap", "views": 14, "labels": False}, {"labels": False, "prior": 0.3}),
    ],
)
def test_whatever_an_audit_was_asked_it_follows_to_the_last_bit(
    training: dict[str, Any], asked: dict[str, Any], tmp_path: Path
) -> None:
    settings = TrainSettings(preprocess="0-1", device="cpu", limit=200, controls=False, **training)
    auditor = train(MODEL, *KNOWN, settings=settings)
    question = AuditSettings(device="cpu", controls=False, p_values="smoothed", **asked)
    found = audit(MODEL, QUESTIONED, auditor, settings=question)
    step = _step(_checked(_write(tmp_path / "run", _files(found, auditor))), "derivation")
    assert step.outcome == "passed", step
    assert "to the last bit" in step.text
