"""What was tried before with the same evidence is said, and corrected for; the record gives nothing away."""

import json
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onnxmint.results.audit import AuditResult, IdentityFacts
from onnxmint.workflows.remembering import UNRECORDED, remembered
from onnxmint.writing.tries import record, recorded, tries_file
from tests.cli.conftest import Run, call  # noqa: F401 - a fixture
from tests.conftest import DEMO


def seeded(result: AuditResult, seed: int, p_value: float) -> AuditResult:
    verdict = replace(result.verdict, p_value=p_value, kind="inconclusive" if p_value > 0.05 else "members-found")
    return replace(result, method=replace(result.method, seed=seed), verdict=verdict, warnings=())


def test_the_first_audit_has_none_before_it(result: AuditResult, tmp_path: Path) -> None:
    found = remembered(seeded(result, 0, 0.04), tmp_path / "state" / "tries.jsonl")
    assert found.tries is not None
    assert (found.tries.before, found.tries.others, found.tries.corrected) == ((), 0, 0.04)
    assert found.warnings == ()


def test_the_same_images_tried_again_otherwise_are_told_and_corrected_for(result: AuditResult, tmp_path: Path) -> None:
    file = tmp_path / "tries.jsonl"
    for seed, p_value in enumerate((0.4, 0.2, 0.03)):
        found = remembered(seeded(result, seed, p_value), file)
    assert found.tries is not None
    assert [one.p_value for one in found.tries.before] == [0.4, 0.2]
    assert found.tries.corrected == pytest.approx(0.09)
    (text,) = found.warnings
    assert "This is audit number 3 of these images with this evidence on this machine" in text
    assert "inconclusive (p = 0.4000; " in text
    assert "times 3, is p = 0.0900, and only that may be held against the level" in text


def test_the_same_audit_again_is_no_new_try(result: AuditResult, tmp_path: Path) -> None:
    file = tmp_path / "tries.jsonl"
    for _ in range(3):
        found = remembered(seeded(result, 0, 0.03), file)
    assert found.tries is not None
    assert found.tries.before == ()
    assert len(list(recorded(file))) == 1


def test_other_images_and_other_evidence_are_no_tries(result: AuditResult, tmp_path: Path) -> None:
    file, one = tmp_path / "tries.jsonl", seeded(result, 0, 0.03)
    remembered(replace(one, identity=IdentityFacts(evidence="e" * 64, questioned="b" * 64)), file)
    remembered(replace(one, identity=IdentityFacts(evidence="f" * 64, questioned="a" * 64)), file)
    found = remembered(seeded(result, 1, 0.03), file)
    assert found.tries is not None
    assert (found.tries.before, found.tries.others) == ((), 1)


def test_without_a_record_it_is_said_so(result: AuditResult) -> None:
    found = remembered(result, None)
    assert found.tries is None
    assert found.warnings[-1] == UNRECORDED


def test_the_record_holds_hashes_and_no_names_and_is_the_users_alone(result: AuditResult, tmp_path: Path) -> None:
    file = tmp_path / "state" / "tries.jsonl"
    remembered(result, file)
    (line,) = map(json.loads, file.read_text().splitlines())
    assert set(line) == {"evidence", "questioned", "how", "created", "kind", "p_value"}
    text = file.read_text()
    assert not any(name in text for name in (result.target.path, *result.scores.path))
    assert stat.S_IMODE(file.stat().st_mode) & 0o077 == 0


def test_a_record_that_cannot_be_written_is_told(result: AuditResult, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    found = remembered(result, tmp_path / "file" / "tries.jsonl")
    assert any("could not be recorded" in text for text in found.warnings)


@given(st.lists(st.one_of(st.binary(max_size=30), st.just(b'{"evidence": 3}'), st.just(b"[" * 40)), max_size=6))
def test_lines_that_are_none_of_ours_are_passed_over(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]
) -> None:
    file = tmp_path_factory.mktemp("record") / "tries.jsonl"
    file.write_bytes(b"\n".join(lines) + b"\n")
    before = len(list(recorded(file)))
    assert record(file, {"evidence": "a"})
    found = list(recorded(file))
    assert found[-1] == {"evidence": "a"}
    assert len(found) == before + 1


def test_odd_lines_of_the_same_evidence_do_no_harm(result: AuditResult, tmp_path: Path) -> None:
    file = tmp_path / "tries.jsonl"
    mine = {"evidence": result.identity.evidence, "questioned": result.identity.questioned, "how": "x", "created": "y"}
    for odd in (
        {"kind": "guilty"},
        {"kind": "inconclusive", "p_value": "small"},
        {"kind": "inconclusive", "p_value": 7},
    ):
        record(file, mine | odd)
    found = remembered(seeded(result, 0, 0.03), file)
    assert found.tries is not None
    assert [one.p_value for one in found.tries.before] == [None, None]


def test_the_folder_is_the_one_that_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ONNXMINT_STATE", str(tmp_path))
    assert tries_file() == tmp_path / "tries.jsonl"
    monkeypatch.delenv("ONNXMINT_STATE")
    assert tries_file().parent.name == "onnxmint"


def test_the_command_line_says_what_was_tried_before(call: Run, tmp_path: Path, phi_file: Path) -> None:  # noqa: F811
    words = ["audit", DEMO / "target.onnx", f"{DEMO / 'questioned.parquet'}?rows=0:40", "--auditor", phi_file]
    words += ["--no-controls", "-q"]
    assert call(*words, "-o", "run1")[0] == 0
    _, out, _ = call(*words, "--guarantee", "average", "-o", "run2")
    assert "This is audit number 2 of these images with this evidence" in " ".join(out.split())
    assert "audit number 2" in (tmp_path / "run2" / "report.html").read_text()
    _, out, _ = call(*words, "--no-record", "-o", "run3")
    assert "was not looked up" in " ".join(out.split())
