"""What was fixed before anything was scored: settings and inputs of an audit to come, by hash."""

import hashlib
import json
from dataclasses import dataclass

from onnxmint.results.json import Document
from onnxmint.results.listed import ListFacts

NAME = "registration.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """An audit that is to be made.

    Attributes:
        version: of onnxmint.
        created: by the own clock of the machine, UTC, ISO 8601.
        target_sha256: of the model.
        auditor_sha256: of the auditor; None where one is to be trained.
        members: files of the known members; None where none are given.
        nonmembers: the same of known non-members.
        questioned: the same of the questioned images.
        settings: of the audit and, named "training.", of what is to be fitted; each as JSON; reference models by their
            SHA-256.
    """

    version: str
    created: str
    target_sha256: str
    auditor_sha256: str | None
    members: ListFacts | None
    nonmembers: ListFacts | None
    questioned: ListFacts
    settings: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationFacts:
    """How an audit keeps to what was registered.

    Attributes:
        sha256: of the registration's file.
        created: when it was made, as it says.
        deviations: what is not as it was registered, each in a line.
        reason: why, in the words of who made the audit; None where nothing is.
    """

    sha256: str
    created: str
    deviations: tuple[str, ...]
    reason: str | None


REGISTRATION = Document(kind=Registration, schema="onnxmint.registration/1", mend="register the audit again")
"""registration.json, in one canonical writing: see `canonical`."""


def canonical(found: Registration) -> bytes:
    """Return the one way to write a registration: keys sorted, ASCII, a line break at the end."""
    return (json.dumps(REGISTRATION.facts(found), sort_keys=True, indent=1, allow_nan=False) + "\n").encode("ascii")


def digest_of(found: Registration) -> str:
    """Return the SHA-256 of a registration's file."""
    return hashlib.sha256(canonical(found)).hexdigest()
