"""A signed run: what OpenSSL says of a signature, and what another key, run or file does to it."""

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from onnxmint.errors import OnnxmintError, UsageError
from onnxmint.report.files import run_files
from onnxmint.results.audit import AuditResult
from onnxmint.results.envelope import raw, read_envelope
from onnxmint.results.verification import Step
from onnxmint.workflows.signing import sign
from onnxmint.workflows.verifying import Checking, verify
from tests.report.conftest import result  # noqa: F401 - a fixture

pytest.importorskip("cryptography", reason="signatures need the extra sign")
needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl on this machine")
needs_ssh = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="no ssh-keygen on this machine")


def _call(*words: str | Path) -> str:
    return subprocess.run(list(map(str, words)), capture_output=True, text=True, check=True).stdout


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    """A pair that OpenSSL made."""
    private, public = tmp_path / "key.pem", tmp_path / "public.pem"
    _call("openssl", "genpkey", "-algorithm", "ed25519", "-out", private)
    _call("openssl", "pkey", "-in", private, "-pubout", "-out", public)
    return private, public


def _write(folder: Path, of: AuditResult) -> Path:
    folder.mkdir()
    for name, content in run_files(of, run_settings={}, auditor=b"onnx").items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def run(result: AuditResult, tmp_path: Path) -> Path:  # noqa: F811
    return _write(tmp_path / "run", result)


def _authenticity(run: Path, key: Path | None) -> Step:
    integrity, found = verify(run, checking=Checking(steps=("integrity", "authenticity"), key=key)).steps
    assert integrity.outcome == "passed", integrity
    return found


@needs_openssl
def test_openssl_itself_checks_a_signature(run: Path, keys: tuple[Path, Path], tmp_path: Path) -> None:
    path, identity = sign(run, keys[0])
    found = read_envelope(path.read_bytes())
    (tmp_path / "signed").write_bytes(found.signed)
    (tmp_path / "signature").write_bytes(raw(found.signatures[0]))
    words = ("-pubin", "-inkey", keys[1], "-rawin", "-in", tmp_path / "signed", "-sigfile", tmp_path / "signature")
    assert "Signature Verified Successfully" in _call("openssl", "pkeyutl", "-verify", *words)
    der = subprocess.run(["openssl", "pkey", "-pubin", "-in", keys[1], "-outform", "DER"],
                         capture_output=True, check=True).stdout  # fmt: skip
    (tmp_path / "der").write_bytes(der)
    assert identity in _call("openssl", "dgst", "-sha256", tmp_path / "der")
    assert json.loads(found.content)["subject"][0]["name"] == "manifest.json"


@needs_openssl
def test_only_the_key_that_signed_says_who_signed(run: Path, keys: tuple[Path, Path], tmp_path: Path) -> None:
    assert _authenticity(run, keys[1]).text == "not signed: could not be checked"
    _, identity = sign(run, keys[0])
    assert _authenticity(run, keys[1]) == Step(
        name="authenticity", outcome="passed", text=f"signed by the key {identity}"
    )
    assert _authenticity(run, None).outcome == "not done"
    secret, other = tmp_path / "secret.pem", tmp_path / "other.pem"
    _call("openssl", "genpkey", "-algorithm", "ed25519", "-out", secret)
    _call("openssl", "pkey", "-in", secret, "-pubout", "-out", other)
    assert _authenticity(run, other).outcome == "failed"
    assert "wrong key" in _authenticity(run, other).text


@needs_openssl
def test_a_signature_of_another_run_or_that_was_edited_fails(
    run: Path,
    keys: tuple[Path, Path],
    tmp_path: Path,
    result: AuditResult,  # noqa: F811
) -> None:
    path, _ = sign(run, keys[0])
    other = _write(tmp_path / "other", replace(result, created="2020-01-01T00:00:00+00:00"))
    shutil.copy(path, other)
    assert "signs another manifest" in _authenticity(other, keys[1]).text
    facts = json.loads(path.read_text())
    for broken in (facts | {"payload": "?"}, facts | {"payloadType": "text/plain"}, facts | {"signatures": [{}]}):
        path.write_text(json.dumps(broken))
        assert _authenticity(run, keys[1]).outcome == "failed"
    signature = facts["signatures"][0]
    path.write_text(json.dumps(facts | {"signatures": [signature | {"sig": "AAAA" + signature["sig"][4:]}]}))
    assert "wrong key" in _authenticity(run, keys[1]).text


@needs_ssh
def test_keys_of_openssh_serve_too(run: Path, tmp_path: Path) -> None:
    private = tmp_path / "id"
    _call("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", private)
    sign(run, private)
    assert _authenticity(run, private.with_suffix(".pub")).outcome == "passed"


@needs_ssh
def test_ssh_keygen_itself_signs_and_checks_a_run_and_is_read_without_it(run: Path, tmp_path: Path) -> None:
    private, other, manifest = tmp_path / "id", tmp_path / "other", run / "manifest.json"
    for one in (private, other):
        _call("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", one)
    _call("ssh-keygen", "-q", "-Y", "sign", "-n", "onnxmint", "-f", private, manifest)
    allowed = tmp_path / "allowed"
    allowed.write_text(f"auditor {private.with_suffix('.pub').read_text()}")
    words = ["ssh-keygen", "-Y", "verify", "-n", "onnxmint", "-I", "auditor", "-f", allowed, "-s", f"{manifest}.sig"]
    with manifest.open("rb") as content:
        subprocess.run(list(map(str, words)), stdin=content, check=True, capture_output=True)
    found = _authenticity(run, private.with_suffix(".pub"))
    assert found.outcome == "passed"
    assert found.text.startswith("signed with ssh-keygen by the key ")
    assert _authenticity(run, None).outcome == "not done"
    assert "wrong key" in _authenticity(run, other.with_suffix(".pub")).text
    signature = run / "manifest.json.sig"
    for broken in (
        b"",
        b"-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n",
        signature.read_bytes()[:90],
    ):
        signature.write_bytes(broken)
        assert "is no signature of ssh-keygen" in _authenticity(run, private.with_suffix(".pub")).text
    signature.unlink()
    _call("ssh-keygen", "-q", "-Y", "sign", "-n", "git", "-f", private, manifest)
    assert "was made for 'git'" in _authenticity(run, private.with_suffix(".pub")).text


@needs_ssh
def test_keys_that_do_not_serve_are_named_with_what_to_do(run: Path, tmp_path: Path) -> None:
    locked, rsa, text = tmp_path / "locked", tmp_path / "rsa", tmp_path / "text"
    _call("ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", locked)
    _call("ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-f", rsa)
    text.write_text("no key")
    for key, words in ((locked, "without a passphrase"), (rsa, "another kind than Ed25519"), (text, "no private key")):
        with pytest.raises(UsageError, match=words):
            sign(run, key)
    with pytest.raises(OnnxmintError, match="cannot read the key"):
        sign(run, tmp_path / "none")


@needs_openssl
def test_a_run_that_was_changed_is_not_signed(run: Path, keys: tuple[Path, Path]) -> None:
    (run / "report.html").write_bytes(b"another")
    with pytest.raises(OnnxmintError, match=r"is not signed: report.html has SHA-256 .*; make the run again"):
        sign(run, keys[0])
