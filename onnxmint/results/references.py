"""Reference models that were made for a target: which, from what, and how right they are."""

from dataclasses import dataclass
from typing import Literal

from onnxmint.results.facts import Skipped
from onnxmint.results.json import Document
from onnxmint.stats.ranges import Count, Share

Way = Literal["features", "retrain"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeReference:
    """A reference model.

    Attributes:
        file: its name in the folder.
        images: that it learned from; their names are in the list beside it.
        right: share of these that it is right on.
        unseen: images that it did not learn from, or that a first fit did not.
        right_unseen: share of these that it is right on; None where there are none.
        kept: it was there already, and was not made again.
    """

    file: str
    images: Count
    right: Share
    unseen: Count
    right_unseen: Share | None
    kept: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class References:
    """Reference models of a target.

    Attributes:
        version: of onnxmint.
        created: ISO 8601, UTC.
        target: file of the model that they are for.
        target_sha256: its hash.
        way: "features" of another model, or "retrain": the target's own graph, trained anew.
        source: where the features come from; None when trained anew.
        folder: where the references are.
        images: labelled images that were given and could be read.
        skipped: those that could not be, with the reason.
        references: in the order of their names.
        target_right: share of the images that the target is right on; None where it was not asked.
        normalised: each convolution was normalised while training, and the normalisation folded back.
        seed: of weights, halves and order.
        warnings: what a reader has to know.
    """

    version: str
    created: str
    target: str
    target_sha256: str
    way: Way
    source: str | None
    folder: str
    images: Count
    skipped: tuple[Skipped, ...]
    references: tuple[MadeReference, ...]
    target_right: Share | None
    normalised: bool
    seed: int
    warnings: tuple[str, ...] = ()


REFERENCES = Document(kind=References, schema="onnxmint.references/1", mend="run onnxmint references again")
"""What `references --json` prints."""
