"""manifest.json: what a run consists of and rests on, in hashes: what another checks, and what is signed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from onnxmint.results.json import Document
from onnxmint.results.listed import ListFacts
from onnxmint.results.redaction import RedactionFacts
from onnxmint.results.registration import RegistrationFacts
from onnxmint.writing.scratch import Content, sha256

NAME = "manifest.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """A file of a run."""

    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftwareFacts:
    """What a run was made with and on."""

    onnxmint: str
    python: str
    platform: str
    processor: str
    device: str
    provider: str  # onnxruntime's name for it
    packages: dict[str, str]  # name -> version


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a run consists of and rests on; it holds no number that is written in several ways.

    Attributes:
        kind: of the run.
        created: by the own clock of the machine, UTC, ISO 8601.
        files: of the run, all but this one and what was added later: signatures, tokens of time.
        target_sha256: of the model.
        auditor_sha256: of the auditor; None where the run has none.
        references: SHA-256 of the models that controls compared with, or of the second model of a comparison.
        members: files that were given for known members; None where none were.
        nonmembers: the same for known non-members.
        questioned: the same for questioned images.
        skipped: why images could not be used, with their number.
        registration: how the run keeps to what was registered; None without.
        settings: what was chosen, each as JSON.
        command: its words, each as JSON; how the run was called.
        software: what it was made with.
        redaction: that it tells no names of images; None where it does.
    """

    kind: Literal["audit", "evaluation", "comparison", "sealed"]
    created: str
    files: dict[str, FileFacts]
    target_sha256: str
    auditor_sha256: str | None
    references: tuple[str, ...]
    members: ListFacts | None
    nonmembers: ListFacts | None
    questioned: ListFacts | None
    skipped: dict[str, int]
    registration: RegistrationFacts | None
    settings: dict[str, str]
    command: dict[str, str]
    software: SoftwareFacts
    redaction: RedactionFacts | None = None


MANIFEST = Document(kind=Manifest, schema="onnxmint.manifest/2", mend="make the run again")
"""manifest.json, in one canonical writing: see `canonical`."""


def file_facts(content: Content) -> FileFacts:
    """Return the facts of a file's content."""
    return FileFacts(sha256=sha256(content), bytes=len(content))


def canonical(found: Manifest) -> bytes:
    """Return the one way to write a manifest: keys sorted, ASCII, a line break at the end."""
    return (json.dumps(MANIFEST.facts(found), sort_keys=True, indent=1, allow_nan=False) + "\n").encode("ascii")


def as_json(values: Mapping[str, object]) -> dict[str, str]:
    """Return each value as JSON; what JSON does not know as text."""
    return {name: json.dumps(value, sort_keys=True, default=str) for name, value in values.items()}
