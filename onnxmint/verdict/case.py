"""All that a verdict on a set is reached from, so that it can be asked of a part of the set too."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from onnxmint.results.audit import Verdict
from onnxmint.results.facts import Control
from onnxmint.stats.estimates import Estimate, FloatArray
from onnxmint.stats.heldout import HeldOut
from onnxmint.verdict.answer import reach_verdict
from onnxmint.verdict.findings import Question
from onnxmint.verdict.opinions import SecondScores


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A set and what it is measured by; the parts as `reach_verdict` takes them."""

    question: Question
    known: HeldOut
    second: SecondScores
    auc: Estimate | None
    controls: Sequence[Control]

    def verdict(self) -> Verdict:
        """Return the answer."""
        return reach_verdict(self.question, self.known, auc=self.auc, controls=self.controls, asked=self.second)

    def of(self, chosen: NDArray[np.bool_], *, images: int) -> "Case":
        """Return the same of some units.

        Args:
            chosen: (u,) which.
            images: how many images these stand for.
        """

        def part(values: FloatArray | None) -> FloatArray | None:
            return None if values is None else values[chosen]

        question, second = self.question, self.second
        return replace(
            self,
            question=replace(
                question,
                scores=question.scores[chosen],
                images=images,
                grouped=images > int(chosen.sum()),
                strata=None if question.strata is None else question.strata[chosen],
            ),
            second=replace(
                second, free=part(second.free), level=part(second.level), free_level=part(second.free_level)
            ),
        )
