"""Everything that a control may want to know. Controls show nothing to a model: they judge what was observed."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onnxmint.evidence.copies import Copies
from onnxmint.evidence.known import Evidence
from onnxmint.evidence.questioned import Questioned
from onnxmint.results.facts import EvidenceFacts
from onnxmint.stats.estimates import FloatArray
from onnxmint.verdict.units import Units
from onnxmint.verdict.yardstick import HeldOutScores, Traces, Yardstick

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Twin:
    """What the placebo twin gave.

    Attributes:
        scored: the same module fitted on it.
        yardstick: its held-out scores.
        row: (r,) rows of the evidence that it was shown; those of `scored` are these, in order.
    """

    scored: HeldOutScores
    yardstick: Yardstick
    row: Rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Difficulty:
    """How easy known images are for models that were not trained on them.

    Attributes:
        score: (n,) mean log-odds of the label (or of the model's own top class without labels); NaN where unknown.
        fold: (n,) which classifier gave it; 0 throughout for given models.
        words: what gave it.
        learned: whether it was learned from the known images themselves.
        other: another estimate, where the audit's score compares with this one: a number cannot be both what a score
            reads and what it is controlled by.
    """

    score: FloatArray
    fold: NDArray[np.int8]
    words: str
    learned: bool
    other: "Difficulty | Missing | None" = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """Why something could not be observed."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What is known of the evidence.

    Attributes:
        evidence: the known images, divided.
        copies: what was done about copies among them.
        facts: numbers of the evidence, and how the target treats it.
        classes: outputs of the target, None when unknown.
        advice: what trying other preparations found, where that was done.
        target: what the module gave on the target; None where none was fitted.
        twin: what the twin gave.
        difficulty: how easy the images are for others.
        seed: of the audit.
    """

    evidence: Evidence
    copies: Copies
    facts: EvidenceFacts
    classes: int | None
    advice: str | None = None
    target: HeldOutScores | None = None
    twin: Twin | Missing | None = None
    difficulty: Difficulty | Missing | None = None
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenQuestioned:
    """What is known of the questioned images.

    Attributes:
        questioned: the images.
        units: what is counted of them, and the known images that they are measured by.
        yardstick: held-out known images.
        traces: what the auditor remembers of the known images.
        row: (k,) rows that the twin described.
        features: (k, d) float64 pixel statistics and features of the twin; why not, where there are none.
        easy: (n,) how easy they are for the references, NaN where unknown; why not, where they were not asked.
        aligned: (k, readings) log-odds of images shown moved and mirrored; None where it is not needed.
        scored: (n,) rows that were scored, ascending.
        predicted: (n,) the target's top classes of them.
        told: whether the auditor is told labels.
        seed: of the audit.
    """

    questioned: Questioned
    units: Units
    yardstick: Yardstick
    traces: Traces
    row: Rows
    features: FloatArray | Missing
    easy: FloatArray | Missing | None
    aligned: FloatArray | Missing | None
    scored: Rows
    predicted: Rows
    told: bool
    seed: int
