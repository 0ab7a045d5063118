"""Time by an authority that OpenSSL plays: its tokens are read, and those that say something else are told."""

import datetime as dt
import hashlib
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from onnxmint.errors import OnnxmintError, UsageError
from onnxmint.report.files import run_files
from onnxmint.results.audit import AuditResult
from onnxmint.results.listed import ListFacts
from onnxmint.results.registration import Registration, RegistrationFacts, canonical, digest_of
from onnxmint.results.verification import Step
from onnxmint.workflows.stamping import add_reply, query, query_of_run
from onnxmint.workflows.verifying import Checking, verify
from tests.report.conftest import result  # noqa: F401 - a fixture

pytest.importorskip("rfc3161_client", reason="tokens of time need the extra time")
pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl on this machine")

NOW = dt.datetime.now(dt.UTC).replace(microsecond=0)
CONFIGURATION = """
[ tsa ]
default_tsa = a
[ a ]
serial = {folder}/serial
signer_digest = sha256
default_policy = 1.2.3.4
other_policies = 1.2.3.5
digests = sha256
accuracy = secs:1
ess_cert_id_chain = no
ess_cert_id_alg = sha256
"""


def _call(*words: str | Path) -> str:
    return subprocess.run(list(map(str, words)), capture_output=True, text=True, check=True).stdout


def _authority(folder: Path, name: str, *, until: dt.datetime) -> Path:
    """Make a root, and an authority of it whose certificate holds until some time; return the root's certificate."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    def named(of: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, of)])

    usage = dict.fromkeys(
        (
            "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
            "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
        ),
        False,
    )  # fmt: skip
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root, signer = f"root of {name}", f"throw-away authority {name}"
    for subject, issuer, of, by, extensions in (
        (
            root,
            root,
            root_key,
            root_key,
            [x509.BasicConstraints(ca=True, path_length=None), x509.KeyUsage(**usage | {"key_cert_sign": True})],
        ),
        (
            signer,
            root,
            key,
            root_key,
            [
                x509.BasicConstraints(ca=False, path_length=None),
                x509.KeyUsage(**usage | {"digital_signature": True}),
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]),
            ],
        ),
    ):
        made = (
            x509.CertificateBuilder()
            .subject_name(named(subject))
            .issuer_name(named(issuer))
            .public_key(of.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - dt.timedelta(days=20))
            .not_valid_after(until if of is key else NOW + dt.timedelta(days=20))
        )
        for extension in extensions:
            made = made.add_extension(extension, critical=True)
        path = folder / ("root.pem" if of is root_key else "signer.pem")
        path.write_bytes(made.sign(by, hashes.SHA256()).public_bytes(Encoding.PEM))
    (folder / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (folder / "tsa.cnf").write_text(CONFIGURATION.format(folder=folder))
    (folder / "serial").write_text("01")
    return folder / "root.pem"


def _stamped(asked: bytes, authority: Path) -> Path:
    """Return the reply of an authority, given by OpenSSL."""
    folder = authority.parent
    (folder / "query").write_bytes(asked)
    words = ("-queryfile", folder / "query", "-signer", folder / "signer.pem", "-inkey", folder / "key.pem")
    _call("openssl", "ts", "-reply", "-config", folder / "tsa.cnf", *words, "-out", folder / "reply.tsr")
    return folder / "reply.tsr"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _authority(tmp_path_factory.mktemp("tsa"), "a", until=NOW + dt.timedelta(days=5))


@pytest.fixture(scope="module")
def expired(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _authority(tmp_path_factory.mktemp("expired"), "b", until=NOW - dt.timedelta(days=5))


def _registration(of: AuditResult, *, created: str) -> Registration:
    return Registration(
        version="1", created=created, target_sha256=of.target.sha256, auditor_sha256=None, members=None,
        nonmembers=None, questioned=of.questioned.listed or ListFacts(sha256="", images=0, bytes=0), settings={},
    )  # fmt: skip


def _run(folder: Path, of: AuditResult, *, ended: dt.datetime, registered: bool = True) -> Path:
    """Write a run, by its own clock from some time, of an audit that was registered a day before, or was not."""
    listed = ListFacts(sha256="ab" * 32, images=4, bytes=9)
    of = replace(of, created=ended.isoformat(), questioned=replace(of.questioned, listed=listed))
    more: dict[str, Any] = {}
    if registered:
        before = _registration(of, created=(ended - dt.timedelta(days=1)).isoformat())
        told = RegistrationFacts(sha256=digest_of(before), created=before.created, deviations=(), reason=None)
        of, more = replace(of, registration=told), {"registration": canonical(before)}
    folder.mkdir()
    for name, content in run_files(of, run_settings={}, auditor=b"onnx", **more).items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def run(result: AuditResult, tmp_path: Path) -> Path:  # noqa: F811
    return _run(tmp_path / "run", result, ended=NOW + dt.timedelta(hours=1))


def _order(run: Path, tsa: Path | None) -> Step:
    integrity, found = verify(run, checking=Checking(steps=("integrity", "order"), tsa=tsa)).steps
    assert integrity.outcome == "passed", integrity
    return found


@pytest.mark.slow
def test_openssl_reads_the_query(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    _call(
        "openssl", "ts", "-query", "-data", tmp_path / "file", "-sha256", "-no_nonce", "-cert", "-out", tmp_path / "q"
    )
    assert (tmp_path / "q").read_bytes() == query(b"content")
    (tmp_path / "mine").write_bytes(query(b"content"))
    told = _call("openssl", "ts", "-query", "-in", tmp_path / "mine", "-text")
    assert "Hash Algorithm: sha256" in told
    assert "Certificate required: yes" in told


def test_a_registration_that_was_stamped_before_the_run_passes_without_a_copy(run: Path, authority: Path) -> None:
    assert _order(run, authority).outcome == "not done"
    path, stamp = add_reply(run, _stamped(query((run / "registration.json").read_bytes()), authority))
    assert path.name == "registration.tsr"
    assert abs((stamp.time - NOW).total_seconds()) < 600
    found = _order(run, authority)
    assert found.outcome == "passed", found
    assert "the registration existed at 20" in found.text
    assert "says a token of CN=throw-away authority a" in found.text
    nobody = _order(run, None)
    assert nobody.outcome == "not done"
    assert "could not be checked without the certificate that you trust (--tsa)" in nobody.text


@pytest.mark.slow
def test_openssl_itself_checks_the_token_that_lies_in_the_run(run: Path, authority: Path, tmp_path: Path) -> None:
    query_of_run(run, tmp_path / "run.tsq")
    path, _ = add_reply(run, _stamped((tmp_path / "run.tsq").read_bytes(), authority))
    words = ("-data", run / "manifest.json", "-in", path, "-CAfile", authority, "-untrusted", authority.parent / "signer.pem")  # fmt: skip  # noqa: E501
    assert "Verification: OK" in subprocess.run(["openssl", "ts", "-verify", *map(str, words)], capture_output=True, text=True, check=True).stdout  # fmt: skip  # noqa: E501


@pytest.mark.slow
def test_a_run_that_was_not_registered_is_told_when_it_existed_and_no_more(
    result: AuditResult, authority: Path, tmp_path: Path  # noqa: F811
) -> None:  # fmt: skip
    run = _run(tmp_path / "run", result, ended=NOW, registered=False)
    add_reply(run, _stamped(query((run / "manifest.json").read_bytes()), authority))
    found = _order(run, authority)
    assert found.outcome == "not done"
    assert "not registered" in found.text
    assert "the run existed at 20" in found.text


@pytest.mark.slow
def test_a_registration_that_was_stamped_after_the_run_fails(result: AuditResult, authority: Path, tmp_path: Path) -> None:  # fmt: skip  # noqa: F811, E501
    run = _run(tmp_path / "run", result, ended=NOW - dt.timedelta(days=2))
    add_reply(run, _stamped(query((run / "registration.json").read_bytes()), authority))
    found = _order(run, authority)
    assert found.outcome == "failed"
    assert "after the run of" in found.differences[0]


@pytest.mark.slow
def test_a_registration_that_was_stamped_after_the_run_was_fails(run: Path, authority: Path) -> None:
    manifest = _stamped(query((run / "manifest.json").read_bytes()), authority).read_bytes()
    (run / "manifest.tsr").write_bytes(manifest)
    late = _stamped(query((run / "registration.json").read_bytes()), authority)
    while True:  # tokens have seconds
        add_reply(run, late)
        found = _order(run, authority)
        if found.outcome == "failed":
            break
        late = _stamped(query((run / "registration.json").read_bytes()), authority)
    assert "after the run (20" in found.differences[0]


def test_a_token_whose_certificate_did_not_hold_then_fails(run: Path, expired: Path) -> None:
    add_reply(run, _stamped(query((run / "registration.json").read_bytes()), expired))
    found = _order(run, expired)
    assert found.outcome == "failed"
    assert "registration.tsr is not valid by" in found.differences[0]
    assert "expired" in found.differences[0]


def test_a_token_of_another_authority_or_of_another_file_fails(run: Path, authority: Path, expired: Path) -> None:
    path, _ = add_reply(run, _stamped(query((run / "manifest.json").read_bytes()), authority))
    assert _order(run, expired).outcome == "failed"
    token = path.read_bytes()
    path.write_bytes(_stamped(query(b"another file"), authority).read_bytes())
    for tsa in (authority, None):
        found = _order(run, tsa)
        assert found.outcome == "failed"
        assert "manifest.tsr is a token of another file (message imprint differs)" in found.differences[0]
    path.write_bytes(token.replace(hashlib.sha256((run / "manifest.json").read_bytes()).digest(), bytes(32)))
    assert _order(run, authority).outcome == "failed"


def _flipped(content: bytes) -> bytes:
    return content[:-3] + bytes([content[-3] ^ 1]) + content[-2:]


@pytest.mark.slow
@pytest.mark.parametrize("edit", [_flipped, lambda content: content[:100], lambda _: b"", lambda _: b"\x30\x03\x02\x01\x02"])  # fmt: skip  # noqa: E501
def test_a_token_that_was_edited_fails(run: Path, authority: Path, edit: Callable[[bytes], bytes]) -> None:
    path, _ = add_reply(run, _stamped(query((run / "manifest.json").read_bytes()), authority))
    path.write_bytes(edit(path.read_bytes()))
    assert _order(run, authority).outcome == "failed"


@pytest.mark.slow
def test_what_does_not_serve_is_refused_with_what_to_do(run: Path, authority: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"is about neither registration.json nor manifest.json of .*--time-query"):
        add_reply(run, _stamped(query(b"another"), authority))
    (tmp_path / "no").write_text("no reply")
    with pytest.raises(OnnxmintError, match=r"the reply .* cannot be used: is no time stamp"):
        add_reply(run, tmp_path / "no")
    with pytest.raises(OnnxmintError, match=r"the reply .* cannot be used"):
        add_reply(run, tmp_path / "none")
    with pytest.raises(UsageError, match="give the folder of a run"):
        query_of_run(tmp_path / "none", tmp_path / "q")
    add_reply(run, _stamped(query((run / "manifest.json").read_bytes()), authority))
    with pytest.raises(OnnxmintError, match="holds no certificates"):
        _order(run, tmp_path / "no")
