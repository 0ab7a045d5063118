"""What a redacted run says of images, by the names that the owner of its key knows them by."""

from dataclasses import dataclass
from typing import Literal

from onnxmint.results.json import Document

Found = Literal["judged", "not judged", "not in the run"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LookedUp:
    """One image.

    Attributes:
        name: as its place names it; None where only the pseudonym is known.
        pseudonym: as the run names it.
        found: whether the run judged it, skipped it, or does not hold it.
        reason: why it was not judged; None where it was.
        score, p_value, q_value, flagged: of it, as in scores.parquet; None where it was not judged.
    """

    name: str | None
    pseudonym: str
    found: Found
    reason: str | None = None
    score: float | None = None
    p_value: float | None = None
    q_value: float | None = None
    flagged: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """Images looked up in a run, in the order in which they were asked for."""

    version: str
    rows: tuple[LookedUp, ...]


LOOKUP = Document(kind=Lookup, schema="onnxmint.lookup/1", mend="run onnxmint lookup again")
"""What `lookup --json` prints."""
