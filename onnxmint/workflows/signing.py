"""A run signed, and a signature checked: Ed25519 keys of OpenSSL or OpenSSH, nothing stored and nobody asked."""

import hashlib
import stat
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from onnxmint.errors import OnnxmintError, UsageError
from onnxmint.results.envelope import NAME, Envelope, NoEnvelopeError, enveloped, raw, read_envelope, statement
from onnxmint.results.manifest import NAME as MANIFEST
from onnxmint.results.verification import Outcome, Step
from onnxmint.workflows.integrity import check_files
from onnxmint.workflows.ssh_signatures import NAME as SSH_NAME
from onnxmint.workflows.ssh_signatures import read_ssh_signature
from onnxmint.writing.files import atomic_write
from onnxmint.writing.regular import regular_bytes

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_INSTALL = 'install it with: pip install "onnxmint[sign]"'
_MAKE = "make one with: openssl genpkey -algorithm ed25519 -out key.pem"
_LARGEST = 1 << 16  # bytes of a key or an envelope


def sign(run: Path, key: Path) -> tuple[Path, str]:
    """Sign the manifest of a run; an older signature is replaced.

    Args:
        run: folder of an audit or an evaluation.
        key: private Ed25519 key without a passphrase, as OpenSSL (PKCS 8, PEM) or OpenSSH writes it.

    Returns:
        The file, and the identity of the key.

    Raises:
        UsageError: there is no such run, or the key is none.
        OnnxmintError: cryptography is not installed, a file of the run was changed, or nothing can be written.
    """
    if not run.is_dir():
        raise UsageError(f"{run} is no folder: give the folder of a run, which onnxmint audit -o names")
    private = _private(key)
    _, whole = check_files(run)
    if whole.outcome != "passed":
        raise OnnxmintError(f"{run} is not signed: {'; '.join(whole.differences)}; make the run again")
    payload = statement(regular_bytes(run / MANIFEST))
    identity = identity_of(private.public_key())
    signed = enveloped(payload, keyid=identity, signature=b"")
    made = enveloped(payload, keyid=identity, signature=private.sign(signed.signed))
    atomic_write(run / NAME, made.write())
    return run / NAME, identity


def check_signature(run: Path, key: Path | None) -> Step:
    """Say who signed a run: only a key that the checker trusts tells.

    Args:
        run: folder of an audit or an evaluation.
        key: public Ed25519 key, in PEM or as OpenSSH writes it.

    Raises:
        UsageError: the key is none.
        OnnxmintError: it cannot be read.
    """
    path = run / NAME
    if not path.is_file() or path.is_symlink():
        ssh = run / SSH_NAME
        there = ssh.is_file() and not ssh.is_symlink()
        return _by_ssh(ssh, run, key) if there else _step("not done", "not signed: could not be checked")
    try:
        content = regular_bytes(run / MANIFEST)
        found = read_envelope(_short(path))
        signers = ", ".join(one.keyid[:16] for one in found.signatures)
        if found.content != statement(content):
            return _step("failed", f"{NAME} signs another manifest than that of the run")
        if key is None:
            text = f"signed by {signers}, as it says: could not be checked without the key that you trust (--key)"
            return _step("not done", text)
        return _checked(found, _public(key))
    except (OSError, ValueError) as problem:  # NoEnvelopeError too
        return _step("failed", f"{NAME} {problem}")


def _by_ssh(path: Path, run: Path, key: Path | None) -> Step:
    """Say who signed with ssh-keygen -Y sign."""
    try:
        found = read_ssh_signature(_short(path), regular_bytes(run / MANIFEST))
    except (OSError, ValueError) as problem:
        return _step("failed", f"{SSH_NAME} {problem}")
    if key is None:
        return _step("not done", "signed with ssh-keygen: could not be checked without the key that you trust (--key)")
    from cryptography.exceptions import InvalidSignature

    public = _public(key)
    try:
        public.verify(found.signature, found.signed)
    except InvalidSignature:
        return _step(
            "failed", f"wrong key: {SSH_NAME} is not by the key {identity_of(public)[:16]}..., or of another run"
        )
    return _step("passed", f"signed with ssh-keygen by the key {identity_of(public)}")


def identity_of(key: "Ed25519PublicKey") -> str:
    """Return the SHA-256 of a public key in DER (SubjectPublicKeyInfo), by which it is told."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def _checked(found: Envelope, key: "Ed25519PublicKey") -> Step:
    from cryptography.exceptions import InvalidSignature

    identity = identity_of(key)
    for one in found.signatures:
        try:
            key.verify(raw(one), found.signed)
        except InvalidSignature:
            continue
        return _step("passed", f"signed by the key {identity}")
    return _step("failed", f"wrong key: no signature of {NAME} is by the key {identity[:16]}...")


def _step(outcome: Outcome, text: str) -> Step:
    return Step(name="authenticity", outcome=outcome, text=text)


def _private(path: Path) -> "Ed25519PrivateKey":
    _require_cryptography()
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_ssh_private_key

    content = _key(path)
    load = load_ssh_private_key if b"OPENSSH PRIVATE KEY" in content else load_pem_private_key
    try:
        found = load(content, None)
    except (ValueError, TypeError) as problem:  # TypeError: it has a passphrase
        raise UsageError(f"{path} is no private key without a passphrase ({problem}); {_MAKE}") from None
    if not isinstance(found, Ed25519PrivateKey):
        raise _another_kind(path)
    return found


def _public(path: Path) -> "Ed25519PublicKey":
    _require_cryptography()
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key, load_ssh_public_key

    content = _key(path)
    load = load_ssh_public_key if content.startswith(b"ssh-") else load_pem_public_key
    try:
        found = load(content)
    except ValueError as problem:
        raise UsageError(
            f"{path} is no public key ({problem}); give what openssl pkey -pubout or ssh-keygen wrote"
        ) from None
    if not isinstance(found, Ed25519PublicKey):
        raise _another_kind(path)
    return found


def _another_kind(path: Path) -> UsageError:
    return UsageError(f"{path} is a key of another kind than Ed25519; {_MAKE}")


def _require_cryptography() -> None:
    if find_spec("cryptography") is None:
        raise OnnxmintError(f"signatures need the package cryptography; {_INSTALL}")


def _key(path: Path) -> bytes:
    try:
        return _short(path)
    except (OSError, NoEnvelopeError) as problem:
        raise OnnxmintError(f"cannot read the key {path}: {problem}") from None


def _short(path: Path) -> bytes:
    """Return the content of a small regular file; one that the user names may be a link."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise NoEnvelopeError("is no regular file")
    with path.open("rb") as file:
        content = file.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise NoEnvelopeError("is absurdly long")
    return content
