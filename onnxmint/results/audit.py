"""What an audit says: one frozen tree of values, of which terminal, JSON, Parquet and HTML are renderings."""

from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from onnxmint.preprocess.spec import PreprocessSpec
from onnxmint.results.facts import (
    Baseline,
    Control,
    ControlName,
    EvidenceFacts,
    MethodFacts,
    OpinionFacts,
    Skipped,
    StatisticsFacts,
    TargetFacts,
    Units,
)
from onnxmint.results.json import Document
from onnxmint.results.next_steps import NextStep
from onnxmint.stats.estimates import Estimate, FloatArray, Performance
from onnxmint.stats.guarantee import Guarantee

VerdictKind = Literal["members-found", "no-evidence", "inconclusive"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreTable:
    """Per-image results of the questioned images, in the order of their source."""

    path: tuple[str, ...]
    score: FloatArray  # (n,) higher means more like a member
    p_value: FloatArray  # (n,) conformal, small means unlike the non-members; of its group where groups are known
    q_value: FloatArray  # (n,) adjusted for the number of units
    flagged: NDArray[np.bool_]  # (n,) q_value <= alpha
    likelihood_ratio: FloatArray  # (n,) how much likelier the score is for a member than for a non-member
    probability: FloatArray  # (n,) of membership, at the prior of the audit
    label: NDArray[np.int64] | None  # (n,) None without labels
    predicted: NDArray[np.int64]  # (n,) the target's own top class

    def __post_init__(self) -> None:
        """Refuse columns of several lengths."""
        for column in fields(self):
            values = getattr(self, column.name)
            if values is not None and len(values) != len(self.path):
                raise ValueError(f"{column.name} has {len(values)} values for {len(self.path)} images")


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionedFacts:
    """The questioned images as a whole."""

    images: int  # that were judged
    flagged: int
    alpha: float  # expected share of wrong ones among the flagged, and level of the test for the set
    prior: float  # probability of membership before an image's score is seen
    skipped: tuple[Skipped, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The answer for the set of questioned images."""

    kind: VerdictKind
    text: str
    p_value: float | None = None  # one-sided Mann-Whitney; None when nothing was tested
    share_of_members: Estimate | None = None  # with its 95% interval
    at_least: int | None = None  # so many units are members, with confidence 1 - alpha
    detectable_share: float | None = None  # smallest share found with 95% probability; None when not even all would be
    units: Units = "images"  # what is counted
    stopped_by: tuple[ControlName, ...] = ()  # failed ones, for which the numbers must not be read as membership
    guarantee: Guarantee | None = None  # of which auditors the level of the test holds: "each" of 95%, or on "average"
    average_p_value: float | None = None  # that holds on average over auditors; never larger
    opinions: tuple[OpinionFacts, ...] = ()
    preference: float | None = None  # so many times as likely must easy images have been chosen to explain the finding


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """Counts of scores in common bins."""

    edges: FloatArray  # (k + 1,) rising
    member: NDArray[np.int64]  # (k,) test part
    nonmember: NDArray[np.int64]  # (k,) test part
    questioned: NDArray[np.int64] | None  # (k,) None where no image is questioned

    def __post_init__(self) -> None:
        """Refuse bins that cannot be drawn."""
        if len(self.edges) < 2 or not (np.diff(self.edges) > 0).all():  # noqa: PLR2004 - a bin has two edges
            raise ValueError("the edges of the bins do not rise")
        for counts in (self.member, self.nonmember, self.questioned):
            if counts is not None and (len(counts) != len(self.edges) - 1 or (counts < 0).any()):
                raise ValueError(f"need {len(self.edges) - 1} counts, none below 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditResult:
    """Everything an audit found, and all that is needed to repeat it."""

    version: str
    created: str  # ISO 8601, UTC
    target: TargetFacts
    preprocess: PreprocessSpec
    method: MethodFacts
    statistics: StatisticsFacts
    evidence: EvidenceFacts
    performance: Performance
    baselines: tuple[Baseline, ...]
    questioned: QuestionedFacts
    verdict: Verdict
    controls: tuple[Control, ...]
    histogram: Histogram
    scores: ScoreTable
    warnings: tuple[str, ...] = ()
    next_steps: tuple[NextStep, ...] = ()  # what would help, most first; none where the audit sees what matters


AUDIT = Document(
    kind=AuditResult,
    schema="onnxmint.audit/3",
    elsewhere=("scores",),  # a table of its own, scores.parquet
    mend="run onnxmint audit again",
)
"""report.json."""
