"""Names taken out of an audit: what is left follows from itself, and comes back with the key only."""

import hmac
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onnxmint.errors import OnnxmintError, UsageError
from onnxmint.images.classes import in_order, numbered_as_folders
from onnxmint.mint.auditor import Auditor
from onnxmint.report.again import readable_files
from onnxmint.report.files import run_files
from onnxmint.results.audit import AuditResult
from onnxmint.results.redaction import RedactionKey
from onnxmint.results.registration import Registration
from onnxmint.settings import AuditSettings
from onnxmint.workflows.auditing import audit
from onnxmint.workflows.looking_up import look_up
from onnxmint.workflows.redacting import Redacted, redact
from onnxmint.workflows.redaction_keys import fitting_key, read_key
from onnxmint.workflows.registering import register
from onnxmint.workflows.veiling import Veil, hidden_numbers, told_classes, told_numbers
from onnxmint.workflows.verifying import Checking, verify
from onnxmint.writing.files import write_secret
from tests.conftest import DEMO

MODEL, QUESTIONED = DEMO / "target.onnx", DEMO / "questioned.parquet"
KEY = RedactionKey(version="0.1.0", key="07" * 32)
WORDS = {"folder": str(DEMO), "model": "target.onnx", "images": ["questioned.parquet"]}


@pytest.fixture(scope="module")
def result(once: Callable[..., Any], phi: Auditor) -> AuditResult:
    settings = AuditSettings(device="cpu", controls=False, p_values="smoothed")
    found: AuditResult = once("audit-by-phi", lambda: audit(MODEL, QUESTIONED, phi, settings=settings))
    return found


def _written(folder: Path, hidden: Redacted, key: RedactionKey = KEY) -> Path:
    from onnxmint.results.redaction import REDACTION_KEY

    files = run_files(
        hidden.result, run_settings=hidden.words, auditor=hidden.auditor, paths=True, redaction=hidden.facts
    )
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    write_secret(folder.with_name("key"), REDACTION_KEY.write(key).encode())
    return folder


def test_numbers_stay_and_names_and_classes_go(result: AuditResult, phi: Auditor, tmp_path: Path) -> None:
    hidden = redact(result, phi, WORDS, WORDS, KEY)
    digest = hmac.digest(bytes([7] * 32), result.scores.path[3].encode(), "sha256")
    place = {path: row for row, path in enumerate(hidden.result.scores.path)}
    rows = np.array([place[KEY.name(path)] for path in result.scores.path])
    assert hidden.result.scores.path[rows[3]] == digest.hex()[:32]
    assert list(place) == sorted(place)  # names in their order would tell which is which
    assert np.array_equal(hidden.result.scores.score[rows], result.scores.score)
    assert hidden.result.verdict.p_value == pytest.approx(result.verdict.p_value)
    assert hidden.result.basis is not None
    first = np.unique(hidden.result.basis.unit, return_index=True)[1]
    assert (np.diff(first) > 0).all()  # nor do the numbers of units
    assert hidden.words == {"model": "target.onnx", "folder": str(DEMO)}
    assert not set(hidden.result.basis.sha256) & set(result.basis.sha256)  # type: ignore[union-attr]
    assert np.array_equal(told_numbers(KEY, hidden.result.scores.predicted)[rows], result.scores.predicted)
    run = _written(tmp_path / "run", hidden)
    text = (run / "report.json").read_text() + (run / "scores.csv").read_text() + (run / "report.html").read_text()
    assert not any(path in text for path in result.scores.path)
    found = verify(run, checking=Checking(steps=("integrity", "derivation")), rendered=readable_files)
    assert found.verified, found.steps
    beside = Checking(steps=(), sample=5, redaction_key=tmp_path / "key", device="cpu")
    assert not verify(run, checking=replace(beside, redaction_key=None)).verified
    from onnxmint.workflows.rehashing import Places

    again = verify(run, checking=replace(beside, places=Places(images=(str(QUESTIONED),))))
    assert again.verified, again.steps
    (row,) = look_up(hidden.result, KEY, [result.scores.path[3]]).rows
    assert (row.pseudonym, row.score) == (digest.hex()[:32], float(result.scores.score[3]))


@pytest.mark.slow
def test_p_values_by_class_follow_with_the_key_only(phi: Auditor, tmp_path: Path) -> None:
    settings = AuditSettings(device="cpu", controls=False, per_class=True)
    run = _written(tmp_path / "run", redact(audit(MODEL, QUESTIONED, phi, settings=settings), phi, WORDS, WORDS, KEY))
    asked = Checking(steps=("derivation",))
    (step,) = verify(run, checking=asked).steps
    assert (step.outcome, "classes are redacted (--redaction-key)" in step.text) == ("not done", True)
    assert verify(run, checking=replace(asked, redaction_key=tmp_path / "key"), rendered=readable_files).verified


def test_a_registration_that_tells_names_is_refused_and_another_is_kept(result: AuditResult, phi: Auditor) -> None:
    before = register(MODEL, QUESTIONED, phi, settings=AuditSettings(controls=False))
    redact(result, phi, WORDS, WORDS, KEY, registration=before)
    first = result.scores.path[0]
    for name, word in (("subject_first", '"Anna"'), ("group", f'"^({first})"')):
        told: Registration = replace(before, settings=before.settings | {name: word})
        with pytest.raises(UsageError, match=f"the registration tells names of images in {name}, and a run holds a"):
            redact(result, phi, WORDS, WORDS, KEY, registration=told)


def test_what_cannot_be_judged_again_is_refused(result: AuditResult, phi: Auditor) -> None:
    for lacking in (replace(result, basis=None), replace(result, version="0.0.1")):
        with pytest.raises(OnnxmintError, match=r"names cannot be taken out of this audit: .* with --redact"):
            redact(lacking, phi, WORDS, WORDS, KEY)


def test_a_key_is_its_owners_alone_and_of_one_run(tmp_path: Path) -> None:
    from onnxmint.results.redaction import REDACTION_KEY, RedactionFacts

    path, facts = tmp_path / "key", RedactionFacts(key_sha256=KEY.sha256, auditor_sha256=None)
    write_secret(path, REDACTION_KEY.write(KEY).encode())
    assert path.stat().st_mode & 0o777 == 0o600
    assert fitting_key(path, facts) == KEY
    with pytest.raises(OnnxmintError, match="was made by somebody else meanwhile and left alone"):
        write_secret(path, b"another")
    with pytest.raises(UsageError, match="is the key of another run; give the one that was written beside this one"):
        fitting_key(path, replace(facts, key_sha256="0" * 64))
    with pytest.raises(UsageError, match="belongs to a redacted run, and this one tells its names: leave it out"):
        fitting_key(path, None)
    for content, words in ((b"{}", "schema"), (REDACTION_KEY.write(replace(KEY, key="07")).encode(), "32 bytes")):
        path.write_bytes(content)
        with pytest.raises(OnnxmintError, match=words):
            read_key(path)
    path.unlink()
    if hasattr(os, "mkfifo"):
        os.mkfifo(path)
        with pytest.raises(OnnxmintError, match=r"cannot read the redaction key .* is no regular file"):
            read_key(path)


@given(st.lists(st.text("ab/ .(-é", min_size=3, max_size=9), max_size=4), st.text("ab/ .(-é", max_size=9))
def test_no_sentence_keeps_a_name_that_stands_by_itself(names: list[str], before: str) -> None:
    veil = Veil.of(KEY, names)
    for name in names:
        told = veil.sentence(f"{before} 'x' {name}, and more")
        assert f" {name}, and" not in told or name.casefold() in ("and",)
        assert told.endswith("and more")


def test_words_of_every_sentence_and_short_numbers_stay() -> None:
    veil = Veil.of(KEY, ["members/17/4711/anna.png", "cat", "Z\u00fcrich"], ["/home/ward 7/questioned", "Klinik"])
    told = veil.sentence("17 members of cat (4711): anna.png in Klinik, concatenated; questioned, Zu\u0308rich")
    assert told.startswith(f"17 members of {KEY.name('cat')} ({KEY.name('4711')}): {KEY.name('anna.png')} in ")
    assert "concatenated; questioned" in told
    assert not any(name in told for name in ("Klinik", "rich"))


@pytest.mark.parametrize(
    ("examples", "told"),
    [
        (["(for example a b.txt)"], [f"(for example {KEY.name('a b.txt')})"]),
        (
            ["(for example anna.txt)", "2 others (for example b.txt)"],
            [f"(for example {KEY.name('anna.txt')})", f"2 others (for example {KEY.name('b.txt')})"],
        ),
        (["(for example a (b) anna.txt)", "2 others (for example anna (1).txt)"], None),
        (["(for example a); anna (for example x.txt)"], None),
        (["(for example a\nanna.txt)"], [f"(for example {KEY.name('a' + chr(10) + 'anna.txt')})"]),
    ],
)
def test_what_a_sentence_gives_for_an_example_goes(examples: list[str], told: list[str] | None) -> None:
    sentence = Veil.of(KEY, []).sentence(f"Of photos, these were passed over: 1 file {'; '.join(examples)}.")
    assert "anna" not in sentence
    if told is not None:
        assert sentence == f"Of photos, these were passed over: 1 file {'; '.join(told)}."
    bare = Veil.of(KEY, []).sentence("3 of 40 images in photos have no label, for example anna; b/1.png.")
    assert bare == f"3 of 40 images in photos have no label, for example {KEY.name('anna; b/1.png')}."


def test_classes_come_back_with_the_key() -> None:
    numbers = np.array([3, 0, 999, 3])
    hidden = hidden_numbers(KEY, numbers)
    assert hidden[0] == hidden[3] != hidden[1]
    assert np.array_equal(told_numbers(KEY, hidden), numbers)
    with pytest.raises(ValueError, match="none that the key gives"):
        told_numbers(KEY, np.array([17]))
    veil, named = Veil.of(KEY, []), in_order(["cat", "dog"])
    assert told_classes(KEY, veil.classes(named), ["cat", "dog"]) == named
    assert veil.classes(numbered_as_folders(["0", "1"])) == numbered_as_folders(["0", "1"])
    assert (veil.classes(None), told_classes(KEY, None, ())) == (None, None)
