"""Time by somebody else's clock: a query for a time stamping authority is written, its reply is read (RFC 3161).

Nobody is asked from here: the file of the query goes out, and that of the reply comes in, by whatever way the user has.
"""

import datetime as dt
import hashlib
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from onnxmint.errors import OnnxmintError, UsageError
from onnxmint.results.manifest import NAME as MANIFEST
from onnxmint.results.registration import NAME as REGISTRATION
from onnxmint.writing.files import atomic_write
from onnxmint.writing.regular import regular_bytes

if TYPE_CHECKING:
    from cryptography.x509 import Certificate
    from rfc3161_client import TimeStampResponse

TOKENS = {REGISTRATION: "registration.tsr", MANIFEST: "manifest.tsr"}
"""What may be stamped of a run, and the file of the token."""
_INSTALL = 'install it with: pip install "onnxmint[time]"'
_LARGEST = 1 << 18  # bytes of a reply or of certificates
# TimeStampReq of RFC 3161, section 2.4.1: version 1, SHA-256, the digest, and that the certificate is wanted.
_BEFORE = bytes.fromhex("30390201013031300d060960864801650304020105000420")
_BEHIND = bytes.fromhex("0101ff")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """A time that an authority gave a file.

    Attributes:
        time: UTC.
        by: who, as its certificate says; None where that was not checked.
    """

    time: dt.datetime
    by: str | None = None

    @property
    def words(self) -> str:
        """Return the time, as a report says it."""
        return f"{self.time.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%S}+00:00"


class NoStampError(ValueError):
    """Bytes that are no valid token of a file."""


def query(content: bytes) -> bytes:
    """Return what an authority is asked for a file: 59 bytes of DER, which hold its SHA-256 and nothing else of it."""
    return _BEFORE + hashlib.sha256(content).digest() + _BEHIND


def query_of_run(run: Path, output: Path) -> None:
    """Write the query for the manifest of a run.

    Raises:
        UsageError: there is no such run.
        OnnxmintError: it cannot be written.
    """
    atomic_write(output, query(_bytes(run / MANIFEST)))


def add_reply(run: Path, reply: Path) -> tuple[Path, Stamp]:
    """Put an authority's reply into a run, beside what it is about: the manifest or the registration.

    Returns:
        Where it is, and the time that it says, which `verify` checks.

    Raises:
        UsageError: there is no such run, or the reply is about neither.
        OnnxmintError: it cannot be read or written, or the package is not installed.
    """
    _require_package()
    try:
        content = _short(reply)
        found = _parsed(content)
    except (OSError, NoStampError) as problem:
        raise OnnxmintError(f"the reply {reply} cannot be used: {problem}; ask the authority again") from None
    for name, token in TOKENS.items():
        if (run / name).is_file() and _imprint(found) == hashlib.sha256(_bytes(run / name)).digest():
            atomic_write(run / token, content)
            return run / token, Stamp(time=found.tst_info.gen_time)
    raise UsageError(
        f"the reply {reply} is about neither {' nor '.join(TOKENS)} of {run}: ask with the query of onnxmint sign "
        "--time-query or onnxmint register --time-query"
    )


def check_token(token: bytes, content: bytes, authority: Path | None) -> Stamp:
    """Return the time that a token gives a file; who gave it only where the authority is trusted.

    Args:
        token: the reply of the authority.
        content: of the file.
        authority: certificates that the checker trusts, in PEM; None reads the time and trusts nobody.

    Raises:
        NoStampError: it is of another file, not signed by the authority, or its certificate did not hold then.
        OnnxmintError: the certificates cannot be read, or the package is not installed.
    """
    _require_package()
    from rfc3161_client import VerificationError, VerifierBuilder

    found, digest = _parsed(token), hashlib.sha256(content).digest()
    if _imprint(found) != digest:
        raise NoStampError("is a token of another file (message imprint differs)")
    if authority is None:
        return Stamp(time=found.tst_info.gen_time)
    try:
        VerifierBuilder(roots=_certificates(authority)).build().verify(found, digest)
    except VerificationError as problem:
        raise NoStampError(f"is not valid by {authority}: {problem}") from None
    return Stamp(time=found.tst_info.gen_time, by=_authority(found))


def _parsed(content: bytes) -> "TimeStampResponse":
    from rfc3161_client import PKIStatus, decode_timestamp_response

    try:
        found = decode_timestamp_response(content)
        status = PKIStatus(found.status)
        granted = status == PKIStatus.GRANTED and found.tst_info is not None
    except (ValueError, TypeError) as problem:
        raise NoStampError(f"is no time stamp ({problem})") from None
    if not granted:
        raise NoStampError(f"says that the authority did not stamp it ({status.name.lower()})")
    return found


def _imprint(found: "TimeStampResponse") -> bytes | None:
    """Return the SHA-256 that a token is about, None where it is about another hash."""
    imprint = found.tst_info.message_imprint
    return imprint.message if imprint.hash_algorithm.dotted_string == "2.16.840.1.101.3.4.2.1" else None


def _authority(found: "TimeStampResponse") -> str:
    """Return the name of who signed."""
    from cryptography.x509 import load_der_x509_certificate

    (signer,) = found.signed_data.signer_infos
    every = [load_der_x509_certificate(one) for one in found.signed_data.certificates]
    names = [one.subject.rfc4514_string() for one in every if one.serial_number == signer.serial_number]
    return names[0] if names else "an authority whose certificate is not in the token"


def _certificates(path: Path) -> "list[Certificate]":
    from cryptography.x509 import load_pem_x509_certificates

    try:
        return list(load_pem_x509_certificates(_short(path)))
    except (OSError, ValueError) as problem:
        raise OnnxmintError(
            f"{path} holds no certificates ({problem}); give those of the time stamping authority in PEM"
        ) from None


def _require_package() -> None:
    if find_spec("rfc3161_client") is None:
        raise OnnxmintError(f"reading time stamps needs the package rfc3161-client; {_INSTALL}")


def _bytes(path: Path) -> bytes:
    try:
        return regular_bytes(path)
    except (OSError, ValueError) as problem:
        why = getattr(problem, "strerror", None) or problem
        raise UsageError(
            f"{path} cannot be read ({why}): give the folder of a run, which onnxmint audit -o names"
        ) from None


def _short(path: Path) -> bytes:
    try:
        return regular_bytes(path, most=_LARGEST, links=True)
    except ValueError as problem:
        raise NoStampError(str(problem)) from None
