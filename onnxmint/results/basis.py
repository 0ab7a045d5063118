"""What a verdict follows from beside the scores of the images, kept so that another can reach it again."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from onnxmint.settings import FalseDiscovery, Guarantee, PValues
from onnxmint.stats.estimates import FloatArray
from onnxmint.stats.ranges import Share


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleFacts:
    """How questioned images were judged: of the settings those that a verdict follows from, as `AuditSettings`."""

    alpha: Share
    relevant_share: Share
    guarantee: Guarantee
    false_discovery: FalseDiscovery
    p_values: PValues
    per_class: bool
    prior: Share | None  # as it was given
    seed: int
    controls: bool
    subject: str | None = None
    subject_first: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """Columns of the score table that a verdict follows from, row by row; no reader of an answer needs them.

    Attributes:
        networks: (n, K) float64 scores by each network.
        free: (n, K) float64 scores that the target's own top class would have got; None where no labels are told.
        level: (n,) float64 mean log-odds over all views; None with fewer than two.
        free_level: (n,) float64, that of the target's own top class; None where no labels are told.
        unit: (n,) int64, what the image counts with.
        counted: (n,) bool, whether its unit is made of it; of large groups only some images are.
        sha256: of each file, in hexadecimal.
        subject: whose image it is, None where it is nobody's; None where no subjects were told apart.
    """

    networks: FloatArray
    free: FloatArray | None
    level: FloatArray | None
    free_level: FloatArray | None
    unit: NDArray[np.int64]
    counted: NDArray[np.bool_]
    sha256: Sequence[str]
    subject: tuple[str | None, ...] | None

    def __post_init__(self) -> None:
        """Refuse columns of several lengths."""
        for column in fields(self):
            values = getattr(self, column.name)
            if values is not None and len(values) != len(self.sha256):
                raise ValueError(f"{column.name} has {len(values)} values for {len(self.sha256)} images")
