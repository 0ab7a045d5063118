"""A signed run: an in-toto statement about its manifest in a DSSE envelope, whose bytes OpenSSL checks as well.

What is signed is `DSSEv1 LENGTH TYPE LENGTH PAYLOAD` (https://github.com/secure-systems-lab/dsse, protocol.md).
"""

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass

import msgspec

from onnxmint.results.manifest import NAME as MANIFEST_NAME

NAME = "manifest.dsse.json"
TYPE = "application/vnd.in-toto+json"
STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "urn:x-onnxmint:run:1"


class NoEnvelopeError(ValueError):
    """Bytes that are no signed statement about a run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """One signature, as DSSE has it; `sig` in base64."""

    keyid: str
    sig: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A payload and who signed it, as DSSE has them; `payload` in base64."""

    payload: str
    payloadType: str
    signatures: tuple[Signature, ...]

    @property
    def content(self) -> bytes:
        """Return the payload.

        Raises:
            NoEnvelopeError: it is no base64.
        """
        return _decoded(self.payload)

    @property
    def signed(self) -> bytes:
        """Return the bytes that a signature is over."""
        return authenticated(self.content)

    def write(self) -> bytes:
        """Return the file."""
        return (json.dumps(msgspec.to_builtins(self), sort_keys=True, indent=1) + "\n").encode("ascii")


def read_envelope(content: bytes) -> Envelope:
    """Read an envelope of a statement.

    Raises:
        NoEnvelopeError: it is none, or of another type.
    """
    try:
        found = msgspec.json.decode(content, type=Envelope)
    except (msgspec.DecodeError, RecursionError) as problem:
        raise NoEnvelopeError(f"is no DSSE envelope: {problem}") from None
    if found.payloadType != TYPE:
        raise NoEnvelopeError(f"holds {found.payloadType[:60]!r}, not {TYPE!r}")
    return found


def authenticated(payload: bytes) -> bytes:
    """Return the pre-authentication encoding of a statement."""
    return b"DSSEv1 %d %s %d %s" % (len(TYPE), TYPE.encode(), len(payload), payload)


def statement(manifest: bytes) -> bytes:
    """Return the in-toto statement that a run is the one of this manifest."""
    digest = {"sha256": hashlib.sha256(manifest).hexdigest()}
    facts = {
        "_type": STATEMENT,
        "subject": [{"name": MANIFEST_NAME, "digest": digest}],
        "predicateType": PREDICATE,
        "predicate": {},
    }
    return json.dumps(facts, sort_keys=True, separators=(",", ":")).encode("ascii")


def enveloped(payload: bytes, *, keyid: str, signature: bytes) -> Envelope:
    """Return a signed payload."""
    one = Signature(keyid=keyid, sig=base64.b64encode(signature).decode())
    return Envelope(payload=base64.b64encode(payload).decode(), payloadType=TYPE, signatures=(one,))


def raw(signature: Signature) -> bytes:
    """Return the bytes of a signature.

    Raises:
        NoEnvelopeError: it is no base64.
    """
    return _decoded(signature.sig)


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as problem:
        raise NoEnvelopeError(f"holds no base64: {problem}") from None
