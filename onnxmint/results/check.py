"""What trying preparations found, best first."""

from dataclasses import dataclass
from typing import Literal

from onnxmint.images.classes import Numbering
from onnxmint.preprocess.spec import PreprocessSpec
from onnxmint.results.json import Document
from onnxmint.stats.leads import Lead
from onnxmint.stats.ranges import Count, Share
from onnxmint.stats.renumbering import Renumbering

RankedBy = Literal["accuracy", "best_permutation_accuracy", "score"]


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantResult:
    """What the target says of the sample under one preparation.

    Attributes:
        name: of the preparation, as a user writes it for --preprocess, or in words.
        spec: the preparation, what the target decides not yet filled in.
        toml: what a file for --preprocess has to hold; None when `name` itself can be given.
        images: how many the numbers rest on.
        accuracy: share of images classified as labelled, None without labels.
        loss: mean cross-entropy of the labels in nats, None without labels or when a label has no output.
        confidence: mean probability of the top class.
        entropy: mean entropy of the answers, in nats.
        score: what ranks without labels: the information that the answer holds of the image, as a share of the
            logarithm of the number of classes; 0 when answers are saturated. See `information.told`.
        best_permutation_accuracy: accuracy under the best one-to-one renumbering of the labels, None without labels.
        behind: how far the best row is ahead of this one in what ranks, on the same images; None for the best itself
            and where there are no numbers.
        skipped: why there are no numbers.
    """

    name: str
    spec: PreprocessSpec
    toml: str | None
    images: Count
    accuracy: Share | None = None
    loss: float | None = None
    confidence: Share | None = None
    entropy: float | None = None
    score: float | None = None
    best_permutation_accuracy: Share | None = None
    behind: Lead | None = None
    skipped: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """All preparations that were tried, best first.

    Attributes:
        model: path of the target.
        source: where the images came from, as the user wrote it.
        images: how many were tried.
        available: how many the source holds.
        unreadable: how many of the sample could not be read.
        classes: outputs of the target.
        ranked_by: which number of a row.
        declared: name of the row of what was declared, None when nothing was.
        renumbering: how labels and outputs correspond, None when they agree or nothing is known of it.
        order: the class names with the outputs that they turn out to have, None where labels do not say it.
        raw: whether the target takes uint8 pixels and scales them itself, so that only ways to resize were tried.
        outside: a label that no output has, None when there is none.
        enough: whether there were enough images a class to try any numbering of the classes.
        fits: whether the best row gave an answer and, where labels can tell, is better than chance.
        rivals: names of the rows that cannot be told from the best one: its lead lies within noise, or is too small to
            matter.
        advice: what to make of it, in a few sentences.
        notes: what a reader has to know of what was declared and of the graph.
        variants: the preparations, best first.
    """

    model: str
    source: str
    images: Count
    available: Count
    unreadable: Count
    classes: Count
    ranked_by: RankedBy
    declared: str | None
    renumbering: Renumbering | None
    order: Numbering | None
    raw: bool
    outside: Count | None
    enough: bool
    fits: bool
    rivals: tuple[str, ...]
    advice: str
    notes: tuple[str, ...]
    variants: tuple[VariantResult, ...]

    @property
    def best(self) -> VariantResult:
        """Return the preparation that fits best."""
        return self.variants[0]

    @property
    def noise(self) -> tuple[VariantResult, ...]:
        """Return the rivals over which the best row's lead lies within noise."""
        rows = (row for row in self.variants if row.name in self.rivals)
        return tuple(row for row in rows if row.behind is not None and not row.behind.settled)

    @property
    def declared_row(self) -> VariantResult | None:
        """Return what was declared, None when nothing was."""
        return next((row for row in self.variants if row.name == self.declared), None)


CHECK = Document(kind=CheckResult, schema="onnxmint.check/4", mend="run onnxmint check again")
"""What `onnxmint check --json` prints."""
