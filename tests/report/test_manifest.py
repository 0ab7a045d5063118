"""manifest.json: every file of a run by its hash, in one writing, the same for the same run."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from onnxmint.report.files import run_files
from onnxmint.report.manifest import renew
from onnxmint.results.audit import AuditResult
from onnxmint.results.manifest import MANIFEST, Manifest, canonical


@pytest.fixture
def files(result: AuditResult) -> dict[str, bytes]:
    return run_files(result, run_settings={"images": "caf\udce9", "seed": 0}, auditor=b"onnx")


def _manifest(files: dict[str, bytes]) -> Manifest:
    return MANIFEST.read(files["manifest.json"], "manifest.json")


def test_it_names_every_other_file_with_hash_and_size(files: dict[str, bytes]) -> None:
    found = _manifest(files)
    assert sorted(found.files) == sorted(set(files) - {"manifest.json"})
    for name, facts in found.files.items():
        assert facts.sha256 == hashlib.sha256(files[name]).hexdigest()
        assert facts.bytes == len(files[name])
    assert found.auditor_sha256 == found.files["auditor.onnx"].sha256
    assert found.skipped == {"truncated image file": 1, "16-bit pixels; convert it to 8 bits first": 1}


def test_it_is_written_in_one_way_without_fractions_and_comes_back(files: dict[str, bytes]) -> None:
    text = files["manifest.json"]
    assert canonical(_manifest(files)) == text
    facts = json.loads(text, parse_float=lambda number: pytest.fail(f"{number} can be written in several ways"))
    assert list(facts) == sorted(facts)
    assert text.endswith(b"}\n")
    assert text.isascii()


def test_runs_of_one_command_differ_in_the_time_and_the_files_that_hold_it(
    result: AuditResult, files: dict[str, bytes]
) -> None:
    later = replace(result, created="2027-01-01T00:00:00+00:00")
    other = run_files(later, run_settings={"images": "caf\udce9", "seed": 0}, auditor=b"onnx")
    first, second = _manifest(files), _manifest(other)
    assert replace(first, created=second.created, files=second.files) == second


def test_a_page_made_again_renews_the_manifest_only_where_it_is_another(
    files: dict[str, bytes], tmp_path: Path
) -> None:
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    renew(tmp_path, {"report.html": files["report.html"]})
    assert (tmp_path / "manifest.json").read_bytes() == files["manifest.json"]
    renew(tmp_path, {"report.html": b"another"})
    found = MANIFEST.read((tmp_path / "manifest.json").read_bytes(), "manifest.json")
    assert found.files["report.html"].sha256 == hashlib.sha256(b"another").hexdigest()
    (tmp_path / "manifest.json").unlink()
    renew(tmp_path, {"report.html": b"of a run that has none"})
    assert not (tmp_path / "manifest.json").exists()
