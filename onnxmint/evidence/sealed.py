"""Sealed pictures opened by their owner: the secret checked against itself, its files and what was published."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onnxmint.errors import EvidenceError, UsageError
from onnxmint.images.entries import ImageEntry
from onnxmint.images.files import FileSource
from onnxmint.results.seal import COMMITMENT, NAME, SEAL, VARIANTS, Seal, canonical, commitment_of, draw, variant_name

_LARGEST = 1 << 28  # bytes of a secret: more than two million pictures take
_KEPT = "take the folder as it was kept when the pictures were sealed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """Pictures whose seal holds.

    Attributes:
        seal: the secret.
        source: all variants, those of a picture one after the other.
        drawn: (n,) int64, which of them was published.
    """

    seal: Seal
    source: FileSource
    drawn: NDArray[np.int64]


def open_sealed(private: Path, *, committed: str | None = None) -> Sealed:
    """Open what an owner kept.

    Args:
        private: the folder that seal wrote with --keep.
        committed: the commitment as somebody else has it, who got it before the model was trained.

    Raises:
        UsageError: there is no such folder.
        EvidenceError: the secret was edited, is not what was committed to, or a variant is missing or was edited.
    """
    seal = _read(private)
    own, told = commitment_of(seal), (private / COMMITMENT)
    for said, whose in ((_word(told), str(told)), (committed, "the one that was given")):
        if said is not None and said.strip().lower() != own:
            raise EvidenceError(
                f"{private / NAME} has the commitment {own}, and {whose} is {said.strip()[:64]}: the secret was edited "
                f"or is another one; {_KEPT}"
            )
    for number, one in enumerate(seal.pictures):
        if len(one.sha256) != seal.variants or one.published != draw(seal.nonce, number, one.sha256):
            raise EvidenceError(
                f"{private / NAME} says that variant {one.published} of {one.name} was published, which its coin did "
                f"not draw: the secret was edited; {_KEPT}"
            )
    files = [
        private / VARIANTS / variant_name(number, variant)
        for number in range(len(seal.pictures))
        for variant in range(seal.variants)
    ]
    _require_same(files, [digest for one in seal.pictures for digest in one.sha256])
    entries = tuple(ImageEntry(index=index, path=str(path), label=None, group=None) for index, path in enumerate(files))
    return Sealed(
        seal=seal,
        source=FileSource(str(private / VARIANTS), files, entries),
        drawn=np.array([one.published for one in seal.pictures], np.int64),
    )


def require_published(sealed: Sealed, public: Path) -> int:
    """Refuse a folder that does not hold what was published; return the number of files that were compared.

    Raises:
        UsageError: there is no such folder.
        EvidenceError: a file is missing, or is not the variant that was drawn.
    """
    if not public.is_dir():
        raise UsageError(f"{public} is no folder: give the folder that onnxmint seal -o wrote, or leave it out")
    for one in sealed.seal.pictures:
        path = public / one.name
        found = _digest(path)
        if found is None:
            raise EvidenceError(
                f"{path} is missing, and {one.name} was sealed: give the folder as it was published, or leave it out"
            )
        if found != one.sha256[one.published]:
            which = f"variant {one.sha256.index(found)}" if found in one.sha256 else "no variant of it"
            raise EvidenceError(
                f"{path} is {which}, and variant {one.published} was sealed as the published one: pictures and secret "
                "do not belong together; give the folder as it was published, or leave it out"
            )
    return len(sealed.seal.pictures)


def _read(private: Path) -> Seal:
    path = private / NAME
    if not path.is_file():
        raise UsageError(f"{path} does not exist: give the folder that onnxmint seal wrote with --keep")
    if path.stat().st_size > _LARGEST:
        raise EvidenceError(f"{path} holds more than {_LARGEST:,} bytes, which no seal does; {_KEPT}")
    content = path.read_bytes()
    seal = SEAL.read(content, str(path))
    if not seal.pictures or seal.variants < 2:  # noqa: PLR2004 - a coin has two sides
        raise EvidenceError(f"{path} seals {len(seal.pictures)} pictures in {seal.variants} variants; {_KEPT}")
    if content != canonical(seal):
        raise EvidenceError(f"{path} is not written as onnxmint writes it: the secret was edited; {_KEPT}")
    return seal


def _word(path: Path) -> str | None:
    """Return the commitment that lies beside the secret, None where none does."""
    return path.read_text("utf-8", errors="replace") if path.is_file() else None


def _require_same(files: list[Path], digests: list[str]) -> None:
    for path, digest in zip(files, digests, strict=True):
        found = _digest(path)
        if found != digest:
            what = "is missing" if found is None else "was edited: it is not the variant that was sealed"
            raise EvidenceError(f"{path} {what}; {_KEPT}")


def _digest(path: Path) -> str | None:
    """Return the SHA-256 of a file, None where there is none."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
