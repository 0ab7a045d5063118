"""What an audit of sealed pictures found: a p-value that rests on the owner's coin and on nothing else."""

from dataclasses import dataclass
from typing import Literal

from onnxmint.images.variants import Change
from onnxmint.preprocess.spec import PreprocessSpec
from onnxmint.results.facts import Skipped, TargetFacts
from onnxmint.results.json import Document
from onnxmint.stats.coin import CoinTest
from onnxmint.stats.ranges import Count, Share

SealedKind = Literal["members-found", "inconclusive"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SealFacts:
    """The secret that was opened.

    Attributes:
        commitment: SHA-256 of seal.json.
        committed: the commitment that was given to compare with; None where none was.
        created: when it was made, as it says.
        change: how variants differ.
        pictures: that were sealed.
        compared: published files that were compared with the seal; 0 where no folder of them was given.
    """

    commitment: str
    committed: str | None
    created: str
    change: Change
    pictures: Count
    compared: Count


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedAudit:
    """An audit of sealed pictures.

    Attributes:
        version: of onnxmint.
        created: ISO 8601, UTC.
        target: the model.
        preprocessing: how pictures were prepared.
        seal: the secret.
        labels: whether scores are log-odds of the pictures' own classes, or of the model's top class for each variant.
        alpha: level of the test.
        test: of the pictures that were judged.
        ranks: (k,) pictures whose published variant has each rank, lowest first; shared ranks count as the lower one.
        kind: of the answer.
        headline: the answer in two words.
        text: the answer in sentences.
        skipped: pictures that were not judged.
        warnings: what a reader has to know.
    """

    version: str
    created: str
    target: TargetFacts
    preprocessing: PreprocessSpec
    seal: SealFacts
    labels: bool
    alpha: Share
    test: CoinTest
    ranks: tuple[Count, ...]
    kind: SealedKind
    headline: str
    text: str
    skipped: tuple[Skipped, ...]
    warnings: tuple[str, ...]


SEALED = Document(kind=SealedAudit, schema="onnxmint.sealed/1", mend="run onnxmint audit --sealed again")
"""sealed.json, and what `audit --sealed --json` prints."""
