"""What an audit says: one frozen tree of values, of which terminal, JSON, Parquet and HTML are renderings."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from onnxmint.images.listing import Texts
from onnxmint.preprocess.spec import PreprocessSpec
from onnxmint.results.basis import Basis, RuleFacts
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
from onnxmint.results.frames import Tabular, storable
from onnxmint.results.json import Document
from onnxmint.results.listed import ListFacts
from onnxmint.results.next_steps import NextStep
from onnxmint.results.notebook import in_notebook
from onnxmint.results.registration import RegistrationFacts
from onnxmint.stats.estimates import Estimate, FloatArray, Performance
from onnxmint.stats.guarantee import Guarantee
from onnxmint.stats.likelihood import Calibration
from onnxmint.stats.ranges import Count, Share
from onnxmint.stats.share import PowerCost

_SHOWN = 12  # images in a notebook
NAMED = 1000  # images that were skipped and are named; of millions each would make the report a list of names
VerdictKind = Literal["members-found", "no-evidence", "inconclusive"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreTable:
    """Per-image results of the questioned images, in the order of their source."""

    path: Sequence[str]
    score: FloatArray  # (n,) higher means more like a member
    p_value: FloatArray  # (n,) conformal, small means unlike the non-members; of its group where groups are known
    q_value: FloatArray  # (n,) adjusted for the number of units
    flagged: NDArray[np.bool_]  # (n,) q_value <= alpha
    likelihood_ratio: FloatArray | None  # (n,) how much likelier for a member than a non-member; None: none is known
    probability: FloatArray | None  # (n,) of membership, at the prior of the audit; None where no members are known
    label: NDArray[np.int64] | None  # (n,) None without labels
    predicted: NDArray[np.int64]  # (n,) the target's own top class

    def __post_init__(self) -> None:
        """Refuse columns of several lengths."""
        for column in fields(self):
            values = getattr(self, column.name)
            if values is not None and len(values) != len(self.path):
                raise ValueError(f"{column.name} has {len(values)} values for {len(self.path)} images")

    def names(self, rows: NDArray[np.int64]) -> list[str]:
        """Return the names of the images of some rows."""
        return list(self.path.take(rows)) if isinstance(self.path, Texts) else [self.path[row] for row in rows.tolist()]

    def table(self) -> Any:
        """Return one row a questioned image, as scores.parquet holds them."""
        import pyarrow as pa

        columns = {column.name: getattr(self, column.name) for column in fields(self)}
        columns["path"] = list(map(storable, self.path))
        return pa.table({name: value for name, value in columns.items() if value is not None})

    def first(self, count: int) -> tuple[tuple[str, ...], ...]:
        """Return name, score, p-value, q-value and flag of the images with the smallest p-values, as words."""
        order = np.lexsort((-self.score, self.p_value))[:count].tolist()
        return tuple(
            (
                self.path[row],
                f"{self.score[row]:.3f}",
                f"{self.p_value[row]:.4f}",
                f"{self.q_value[row]:.4f}",
                "flagged" if self.flagged[row] else "",
            )
            for row in order
        )


def named_and_counted(skipped: Sequence[Skipped]) -> tuple[tuple[Skipped, ...], dict[str, int]]:
    """Return the skipped images that are named, and how many others there are by reason, without what is of one."""
    rest = Counter(one.reason.partition(":")[0] for one in skipped[NAMED:])
    return tuple(skipped[:NAMED]), dict(sorted(rest.items()))


@dataclass(frozen=True, slots=True, kw_only=True)
class LookFacts:
    """One look at questioned images that were scored in lots."""

    images: Count  # scored by then
    part: Share  # of the level that it could spend
    p_value: Share | None  # divided by that part, so that it holds whenever an audit stops


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionedFacts:
    """The questioned images as a whole."""

    images: Count  # that were judged
    flagged: Count
    alpha: Share  # expected share of wrong ones among the flagged, and level of the test for the set
    prior: Share | None  # probability of membership before an image's score is seen; None where it is of no use
    skipped: tuple[Skipped, ...] = ()  # the first ones, NAMED at most
    unnamed: dict[str, Count] = field(default_factory=dict)  # how many more were skipped, by reason
    listed: ListFacts | None = None  # the files that were given, judged or not
    drawn_from: Count | None = None  # different images or groups that a sample was drawn from; None when all were
    looks: tuple[LookFacts, ...] = ()  # of an audit in lots, which stopped after the last of them

    @property
    def left_out(self) -> int:
        """Return how many images were skipped."""
        return len(self.skipped) + sum(self.unnamed.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The answer for the set of questioned images."""

    kind: VerdictKind
    text: str
    p_value: Share | None = None  # one-sided Mann-Whitney; None when nothing was tested
    share_of_members: Estimate | None = None  # with its 95% interval
    at_least: Count | None = None  # so many units are members, with confidence 1 - alpha
    detectable_share: Share | None = None  # smallest share found with 95% probability; None when not even all would be
    units: Units = "images"  # what is counted
    stopped_by: tuple[ControlName, ...] = ()  # failed ones, for which the numbers must not be read as membership
    guarantee: Guarantee | None = None  # of which auditors the level of the test holds: "each" of 95%, or on "average"
    average_p_value: Share | None = None  # that holds on average over auditors; never larger
    opinions: tuple[OpinionFacts, ...] = ()
    preference: float | None = None  # so many times as likely must easy images have been chosen to explain the finding
    cost: PowerCost | None = None  # what the guarantee "each" costs in power, for the share that is relevant


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectFacts:
    """The answer for the images of one subject."""

    name: str
    images: Count  # that count for this subject alone
    units: Count  # of which so many count, copies and groups once
    kind: VerdictKind
    p_value: Share | None  # the largest of the tests that must all find members; None when nothing was tested
    q_value: Share | None  # adjusted for the number of subjects
    at_least: Count | None  # so many units are members, with confidence 1 - alpha for this subject alone
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectsFacts:
    """The answers for single subjects: of those found at most a share alpha is expected to be false."""

    by: str  # how subjects were told apart: a column, a pattern, or "folder"
    rule: str  # by which q-values were made
    alpha: Share
    found: Count
    shared: Count  # units in which images of several subjects come together, which count for none
    without: Count  # images of no subject
    first: str | None  # the subject that was asked for
    rows: tuple[SubjectFacts, ...]  # that one first, then by rising p-value


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityFacts:
    """What an audit is recognised by, whatever it was made with: SHA-256, of pixels and not of files."""

    evidence: str  # of the target and all known images, each with its side
    questioned: str  # of the questioned images


@dataclass(frozen=True, slots=True, kw_only=True)
class TryFacts:
    """An earlier audit of the same images with the same evidence."""

    created: str  # ISO 8601, UTC
    how: str  # what it was made by
    kind: VerdictKind
    p_value: Share | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TriesFacts:
    """What was tried before with the same evidence on this machine."""

    before: tuple[TryFacts, ...]  # of the same images, made otherwise
    others: Count  # sets of other images that this evidence was asked of
    corrected: Share | None  # the smallest p-value of all tries, this one included, times their number


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
class AuditResult(Tabular):
    """Everything an audit found, and all that is needed to repeat it."""

    version: str
    created: str  # ISO 8601, UTC
    target: TargetFacts
    preprocess: PreprocessSpec
    method: MethodFacts
    statistics: StatisticsFacts
    evidence: EvidenceFacts
    identity: IdentityFacts
    performance: Performance | None  # None where no members are known
    baselines: tuple[Baseline, ...]
    questioned: QuestionedFacts
    verdict: Verdict
    controls: tuple[Control, ...]
    histogram: Histogram
    scores: ScoreTable
    calibration: Calibration | None = None  # of probabilities, on the test part; None where there is none to test on
    class_names: tuple[str, ...] = ()  # by number, "" where a class has none; empty where no names are known
    warnings: tuple[str, ...] = ()
    unmeasured: str | None = None  # why there is no performance
    subjects: SubjectsFacts | None = None  # None where none were asked for
    rule: RuleFacts | None = None  # None in a result that was put together by hand
    basis: Basis | None = None
    registration: RegistrationFacts | None = None  # None where nothing was registered
    tries: TriesFacts | None = None  # None where earlier audits were not looked up
    next_steps: tuple[NextStep, ...] = ()  # what would help, most first; none where the audit sees what matters

    def table(self) -> Any:
        """Return an Arrow table with a row for each questioned image."""
        return self.scores.table()

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        rows, count = self.scores.first(_SHOWN), len(self.scores.path)
        return in_notebook(
            self.verdict.kind.replace("-", " ").capitalize(),
            (self.verdict.text,),
            ("image", "score", "p-value", "q-value", ""),
            rows,
            f"{len(rows)} of {count:,} images, the smallest p-values first: to_frame() has all.",
        )


AUDIT = Document(
    kind=AuditResult,
    schema="onnxmint.audit/6",
    elsewhere=("scores", "basis"),  # a table of its own, scores.parquet
    mend="run onnxmint audit again",
)
"""report.json."""
