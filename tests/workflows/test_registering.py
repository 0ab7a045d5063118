"""An audit fixed before anything is scored: another one is refused, or tells that it is another."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from onnxmint.errors import UsageError
from onnxmint.mint.auditor import Auditor
from onnxmint.report.files import run_files
from onnxmint.report.registration import registration_words
from onnxmint.results.audit import AuditResult
from onnxmint.results.registration import REGISTRATION, Registration, canonical, digest_of
from onnxmint.results.verification import Step
from onnxmint.settings import AuditSettings, TrainSettings
from onnxmint.workflows.auditing import Known, audit
from onnxmint.workflows.registering import keep_to, register
from onnxmint.workflows.verifying import Checking, verify
from tests.conftest import DEMO, KNOWN

MODEL, QUESTIONED = DEMO / "target.onnx", DEMO / "questioned.parquet"
SETTINGS = AuditSettings(device="cpu", controls=False, p_values="smoothed")


@pytest.fixture
def registered(phi: Auditor) -> Registration:
    found = register(MODEL, QUESTIONED, phi, settings=SETTINGS)
    return replace(found, created="2020-01-01T00:00:00+00:00")


def _known(**training: Any) -> Known:
    return Known(members=KNOWN[0], nonmembers=KNOWN[1], training=TrainSettings(preprocess="0-1", **training))


def test_it_is_written_in_one_way_names_no_place_and_comes_back(registered: Registration) -> None:
    text = canonical(registered)
    assert REGISTRATION.read(text, "registration.json") == registered
    assert str(DEMO).encode() not in text
    assert list(json.loads(text)) == sorted(json.loads(text))


def test_every_input_and_setting_that_is_another_is_told_and_where_it_runs_is_not(phi: Auditor) -> None:
    before = register(MODEL, QUESTIONED, _known(), settings=SETTINGS)
    same = register(MODEL, QUESTIONED, _known(device="cpu", batch_size=7), settings=replace(SETTINGS, batch_size=3))
    assert keep_to(before, same).deviations == ()
    other = register(MODEL, KNOWN[0], phi, settings=replace(SETTINGS, alpha=0.2))
    found = keep_to(before, other, deviate="the images came late").deviations
    told = {line.partition(" ")[0] for line in found}
    assert {"alpha", "questioned", "members", "nonmembers", "auditor_sha256", "training.module"} <= told
    assert "alpha is 0.2, registered was 0.05" in found


def test_another_audit_is_refused_without_a_reason_and_a_reason_without_another(registered: Registration) -> None:
    other = replace(registered, settings=registered.settings | {"alpha": "0.2"})
    for reason in (None, "  "):
        with pytest.raises(UsageError, match=r"alpha is 0.2, registered was 0.05. Make that audit, or say why"):
            keep_to(registered, other, deviate=reason)
    with pytest.raises(UsageError, match="this is that: leave it out"):
        keep_to(registered, registered, deviate="for nothing")


def test_a_report_says_whether_and_when_settings_were_fixed(registered: Registration) -> None:
    assert registration_words(None) == "nothing: settings could have been chosen after seeing scores"
    kept = keep_to(registered, registered)
    assert registration_words(kept).endswith("the audit is as registered")
    other = replace(registered, settings=registered.settings | {"alpha": "0.2"})
    words = registration_words(keep_to(registered, other, deviate="a slip"))
    assert words.endswith("the audit is another: alpha is 0.2, registered was 0.05. Reason given: a slip")


@pytest.fixture(scope="module")
def result(once: Callable[..., Any], phi: Auditor) -> AuditResult:
    found: AuditResult = once("audit-by-phi", lambda: audit(MODEL, QUESTIONED, phi, settings=SETTINGS))
    return found


def _order(result: AuditResult, phi: Auditor, folder: Path, registered: Registration, **options: Any) -> Step:
    for name, content in run_files(
        result, run_settings={}, auditor=phi.model, registration=canonical(registered)
    ).items():
        (folder / name).write_bytes(content)
    checking = Checking(steps=("integrity", "order"), **options)
    integrity, order = verify(folder, checking=checking).steps
    assert integrity.outcome == "passed", integrity
    return order


def test_only_who_got_the_registration_before_can_say_that_it_was_before(
    result: AuditResult, phi: Auditor, registered: Registration, tmp_path: Path
) -> None:
    kept = replace(result, registration=keep_to(registered, registered))
    assert _order(kept, phi, tmp_path, registered).outcome == "not done"
    held = tmp_path.parent / "held.json"
    held.write_bytes(canonical(registered))
    assert _order(kept, phi, tmp_path, registered, registration=held).outcome == "passed"
    held.write_bytes(canonical(replace(registered, created="2019-01-01T00:00:00+00:00")))
    step = _order(kept, phi, tmp_path, registered, registration=held)
    assert step.differences == ("registration.json is not the file that you hold",)


def test_a_registration_after_the_run_or_with_an_untold_difference_is_found(
    result: AuditResult, phi: Auditor, registered: Registration, tmp_path: Path
) -> None:
    late = replace(registered, created="2999-01-01T00:00:00+00:00")
    step = _order(replace(result, registration=keep_to(late, late)), phi, tmp_path, late)
    assert step.outcome == "failed"
    assert "after the run of" in step.differences[0]
    other = replace(registered, settings=registered.settings | {"alpha": "0.01"})
    told = keep_to(other, other)
    assert told.sha256 == digest_of(other)
    step = _order(replace(result, registration=told), phi, tmp_path, other)
    assert step.differences == ("alpha is 0.05, registered was 0.01, and the run does not tell",)
    said = keep_to(other, registered, deviate="a slip")
    assert _order(replace(result, registration=said), phi, tmp_path, other).outcome == "not done"
