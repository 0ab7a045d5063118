"""seal.json, the owner's secret: which variant of each picture was published, and how anybody can check the coin."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from onnxmint.images.variants import Change
from onnxmint.results.facts import Skipped
from onnxmint.results.json import Document
from onnxmint.stats.ranges import Count, Few

NAME = "seal.json"
COMMITMENT = "commitment.txt"
VARIANTS = "variants"
"""The folder of all variants, beside the secret."""
_DRAW = b"onnxmint.seal/1 draw\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedPicture:
    """One picture.

    Attributes:
        name: of the published file, with the folders above it, "/" between them.
        label: its class, by name; None where it has none.
        sha256: of the file of each variant.
        published: which of them was published, from 0.
    """

    name: str
    label: str | None
    sha256: tuple[str, ...]
    published: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """What an owner keeps.

    Attributes:
        version: of onnxmint.
        created: by the own clock of the machine, UTC, ISO 8601.
        nonce: 32 random bytes in hexadecimal, which nobody else knows before the owner shows them: the coin.
        change: how variants differ.
        variants: of each picture.
        pictures: in the order in which they were drawn.
    """

    version: str
    created: str
    nonce: str
    change: Change
    variants: Few
    pictures: tuple[SealedPicture, ...]


SEAL = Document(kind=Seal, schema="onnxmint.seal/1", mend="take the copy that was kept when the pictures were sealed")
"""seal.json, in one canonical writing: see `canonical`."""


def canonical(seal: Seal) -> bytes:
    """Return the one way to write a seal: keys sorted, ASCII, a line break at the end."""
    return (json.dumps(SEAL.facts(seal), sort_keys=True, indent=1, allow_nan=False) + "\n").encode("ascii")


def commitment_of(seal: Seal) -> str:
    """Return the SHA-256 of a seal's file, which is published: it fixes nonce and draws and tells neither."""
    return hashlib.sha256(canonical(seal)).hexdigest()


def draw(nonce: str, number: int, sha256: Sequence[str]) -> int:
    """Return which variant the coin picks: a hash of nonce, number and variants, less whole multiples of their number.

    Of 256 bits, so no variant is likelier than another by more than one in 10^70.

    Args:
        nonce: of the seal.
        number: of the picture.
        sha256: of the files of its variants.
    """
    words = "\n".join([nonce, str(number), *sha256])
    return int.from_bytes(hashlib.sha256(_DRAW + words.encode()).digest(), "big") % len(sha256)


def variant_name(number: int, variant: int) -> str:
    """Return the name of a variant's file; files sort in the order of pictures and variants."""
    return f"{number:06}-{variant:02}.png"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealing:
    """What sealing did, without the secret.

    Attributes:
        version: of onnxmint.
        created: ISO 8601, UTC.
        commitment: SHA-256 of the secret.
        public: the folder to publish.
        private: the folder to keep.
        pictures: that were sealed.
        variants: of each.
        change: how they differ.
        psnr: median over pictures of that between picture and published variant, in decibels; None where variants are
            cut or mirrored, and pixels do not lie on each other.
        skipped: pictures that could not be sealed.
        notes: what a reader has to know.
    """

    version: str
    created: str
    commitment: str
    public: str
    private: str
    pictures: Count
    variants: Few
    change: Change
    psnr: float | None
    skipped: tuple[Skipped, ...]
    notes: tuple[str, ...]


SEALING = Document(kind=Sealing, schema="onnxmint.sealing/1", mend="read it in the folder that was kept")
"""What `seal --json` prints."""
