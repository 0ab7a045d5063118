"""Signatures that `ssh-keygen -Y sign` makes, read without it (openssh-portable, PROTOCOL.sshsig)."""

import base64
import binascii
import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass

NAME = "manifest.json.sig"
NAMESPACE = "onnxmint"
_MAGIC = b"SSHSIG"
_KIND = b"ssh-ed25519"
_ARMOUR = ("-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----")
_HASHES = {b"sha256": hashlib.sha256, b"sha512": hashlib.sha512}
_PARTS = 5  # key, namespace, reserved, hash, signature


@dataclass(frozen=True, slots=True, kw_only=True)
class SshSignature:
    """A signature by an Ed25519 key.

    Attributes:
        key: 32 bytes, the public key that it names.
        signature: 64 bytes.
        signed: what it is over.
    """

    key: bytes
    signature: bytes
    signed: bytes


def read_ssh_signature(text: bytes, content: bytes) -> SshSignature:
    """Read a signature of a file.

    Args:
        text: of the signature's file.
        content: that was signed.

    Raises:
        ValueError: it is none, of another kind of key, or was made for another purpose.
    """
    try:
        key, namespace, reserved, name, signature = _strings(_blob(text), _PARTS)
        (kind, raw), (of, signed) = _strings(key, 2), _strings(signature, 2)
    except (UnicodeDecodeError, binascii.Error, struct.error, ValueError) as problem:
        raise ValueError(f"is no signature of ssh-keygen ({problem})") from None
    if kind != _KIND or of != _KIND or name not in _HASHES:
        raise ValueError("is of another kind of key than Ed25519")
    if namespace != NAMESPACE.encode():
        raise ValueError(f"was made for {namespace.decode('utf-8', 'replace')!r}: sign with ssh-keygen -n {NAMESPACE}")
    parts = (namespace, reserved, name, _HASHES[name](content).digest())
    return SshSignature(key=raw, signature=signed, signed=_MAGIC + b"".join(map(_string, parts)))


def _blob(text: bytes) -> bytes:
    """Return what stands between the lines of the armour, behind its head."""
    words = text.decode("ascii").split()
    body = "".join(words[3:-3]) if " ".join(words[:3] + words[-3:]) == " ".join(_ARMOUR) else ""
    blob = base64.b64decode(body, validate=True)
    if not blob.startswith(_MAGIC) or struct.unpack_from(">I", blob, len(_MAGIC)) != (1,):
        raise ValueError("it has no head of version 1")
    return blob[len(_MAGIC) + 4 :]


def _strings(blob: bytes, count: int) -> tuple[bytes, ...]:
    found = tuple(_each(blob))
    if len(found) != count:
        raise ValueError(f"{len(found)} parts, not {count}")
    return found


def _each(blob: bytes) -> Iterator[bytes]:
    """Yield strings that begin with their length."""
    while blob:
        (length,) = struct.unpack_from(">I", blob)
        if len(blob) < 4 + length:
            raise ValueError("it ends too early")
        yield blob[4 : 4 + length]
        blob = blob[4 + length :]


def _string(content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + content
