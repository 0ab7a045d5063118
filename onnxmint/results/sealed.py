"""What an audit of sealed pictures found: a p-value that rests on the owner's coin and on nothing else."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from onnxmint.images.variants import Change
from onnxmint.preprocess.spec import PreprocessSpec
from onnxmint.results.facts import Skipped, TargetFacts
from onnxmint.results.json import Document
from onnxmint.stats.coin import CoinTest
from onnxmint.stats.estimates import FloatArray
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
class SealedScores:
    """What the model said of every variant of the pictures that were judged, from which the answer follows.

    Attributes:
        picture: (n,) int64 place of each picture in the seal, from 0, ascending; names are the owner's.
        drawn: (n,) int64 variant that the coin picked, from 0.
        label: (n,) int64 class that the log-odds are of; None where they are of the model's top class of each variant.
        score: (n, k) float64 log-odds of each variant.
    """

    picture: NDArray[np.int64]
    drawn: NDArray[np.int64]
    label: NDArray[np.int64] | None
    score: FloatArray

    def __post_init__(self) -> None:
        """Refuse tables of several lengths, and pictures out of order.

        Raises:
            ValueError: saying which.
        """
        lengths = {len(one) for one in (self.picture, self.drawn, self.label, self.score) if one is not None}
        if self.score.ndim != 2 or len(lengths) != 1:  # noqa: PLR2004 - pictures and variants
            raise ValueError("picture, drawn, label and score are of several lengths")
        if (self.picture < 0).any() or (np.diff(self.picture) <= 0).any():
            raise ValueError("pictures do not ascend from 0")


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
        scores: of every variant.
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
    scores: SealedScores


SEALED = Document(
    kind=SealedAudit,
    schema="onnxmint.sealed/1",
    elsewhere=("scores",),  # a table of its own, sealed.parquet
    mend="run onnxmint audit --sealed again",
)
"""sealed.json, and what `audit --sealed --json` prints."""
