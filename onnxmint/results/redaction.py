"""Names that only who has a key can tell: pseudonyms by HMAC, and the key's file, which is never of a run."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass

from onnxmint.results.frames import storable
from onnxmint.results.json import Document

SUFFIX = ".redaction-key"
"""Of the file beside a run that holds its key."""
_LETTERS = 32  # of a pseudonym: 128 bits
_NUMBER = 6  # bytes of a class's number: of thousands of classes no two come together
_BYTES = 32  # of a key


@dataclass(frozen=True, slots=True, kw_only=True)
class RedactionFacts:
    """That a run tells no names of images.

    Attributes:
        key_sha256: of the key, by which who has it sees that it fits; it tells nothing of the key.
        auditor_sha256: of the auditor before names were taken out of it; None where the run has none.
    """

    key_sha256: str
    auditor_sha256: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RedactionKey:
    """What the owner of the images keeps.

    Attributes:
        version: of onnxmint.
        key: 32 random bytes in hexadecimal.
    """

    version: str
    key: str

    @classmethod
    def new(cls, version: str) -> "RedactionKey":
        """Return a key that nobody has."""
        return cls(version=version, key=secrets.token_hex(_BYTES))

    @property
    def sha256(self) -> str:
        """Return the SHA-256 of the key."""
        return hashlib.sha256(self.raw).hexdigest()

    @property
    def raw(self) -> bytes:
        """Return the key's bytes.

        Raises:
            ValueError: it is none.
        """
        found = bytes.fromhex(self.key)
        if len(found) != _BYTES:
            raise ValueError(f"a key has {_BYTES} bytes, this one {len(found)}")
        return found

    def name(self, text: str) -> str:
        """Return the pseudonym of a name: HMAC-SHA256 of its UTF-8, the first half of it in hexadecimal."""
        return hmac.digest(self.raw, storable(text).encode(), "sha256").hex()[:_LETTERS]

    def number(self, value: int) -> int:
        """Return what stands for a class's number."""
        return int.from_bytes(hmac.digest(self.raw, str(value).encode(), "sha256")[:_NUMBER], "big")


REDACTION_KEY = Document(
    kind=RedactionKey, schema="onnxmint.redaction-key/1", mend="give the key that was written beside the run"
)
"""The key's file."""
