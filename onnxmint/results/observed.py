"""What was observed for another party, told to who gives it away."""

from dataclasses import dataclass

from onnxmint.results.facts import Skipped, TargetFacts
from onnxmint.results.json import Document
from onnxmint.stats.ranges import Count, Few


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedFacts:
    """Observations of some images.

    Attributes:
        version: of onnxmint.
        created: ISO 8601, UTC.
        target: the model and how it was run; its hash goes with the observations.
        images: that were observed.
        skipped: those that could not be, with the reason; they go with the observations too.
        labelled: whether log-odds are those of the images' labels.
        views: of each image that the model was shown.
        layers: whose activations are given out.
        seed: of the placebo twin that was observed; None without.
        numbers: of answers and activations that each image's observation holds.
        warnings: what who gives them away has to know.
    """

    version: str
    created: str
    target: TargetFacts
    images: Count
    skipped: tuple[Skipped, ...]
    labelled: bool
    views: Few
    layers: tuple[str, ...]
    seed: int | None
    numbers: int
    warnings: tuple[str, ...] = ()


OBSERVED_FACTS = Document(kind=ObservedFacts, schema="onnxmint.observed/1", mend="run onnxmint observe again")
"""What `observe --json` prints, and observed.json beside the observations."""
