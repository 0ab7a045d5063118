"""What an evaluation says: every method on the same test part, one frozen tree of values."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from onnxmint.preprocess.spec import PreprocessSpec
from onnxmint.results.audit import Histogram
from onnxmint.results.facts import Control, EvidenceFacts, TargetFacts
from onnxmint.results.frames import frame_of, methods_table, scores_table
from onnxmint.results.json import Document
from onnxmint.results.leak import LeakVerdict
from onnxmint.results.notebook import evaluation_html
from onnxmint.settings import ModuleName
from onnxmint.stats.compare import Difference
from onnxmint.stats.epsilon import PrivacyBound
from onnxmint.stats.estimates import FloatArray, Performance

MethodKind = Literal["signal", "reference", "module"]
Side = Literal["member", "non-member"]
Part = Literal["fit", "calibrate", "test"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """One way to tell members from non-members, measured; or the reason why it could not be.

    Attributes:
        name: unique in the evaluation.
        kind: what it is.
        title: what a reader calls it.
        source: where it comes from.
        module: which one, None for other kinds.
        layer: what a module reads, None for other kinds and for modules that read the answer.
        depth: share of the target's operations spent up to that layer.
        fit_auc: AUC on images of the fit part that the method did not learn from; None when it learned from all.
        chosen: whether it is the best of its kind there: the best signal, the best with references, the best layer of
            a module. Which of all is judged, the verdict says.
        performance: on the test part.
        difference: of AUC on the test part, against the best signal.
        histogram: scores of the test part, for drawing.
        skipped: why there is no performance.
    """

    name: str
    kind: MethodKind
    title: str
    source: str
    module: ModuleName | None = None
    layer: str | None = None
    depth: float | None = None
    fit_auc: float | None = None
    chosen: bool = False
    performance: Performance | None = None
    difference: Difference | None = None
    histogram: Histogram | None = None
    skipped: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivacyFacts:
    """How private training can have been at most, where the owner drew the known members at random."""

    bound: PrivacyBound
    by: str  # the method that guessed: the best on the fit part
    condition: str  # under which the bound is one


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodScores:
    """What every method says of every known image that could be read, members first.

    Attributes:
        path: as reports name images.
        side: whether an image is a member.
        part: what it was used for.
        scores: name of a method -> (n,), higher means more like a member; NaN where it gives no score, as modules do
            of the images that they were fitted on.
    """

    path: tuple[str, ...]
    side: tuple[Side, ...]
    part: tuple[Part, ...]
    scores: dict[str, FloatArray]

    def __post_init__(self) -> None:
        """Refuse columns of several lengths."""
        for name, column in {"side": self.side, "part": self.part, **self.scores}.items():
            if len(column) != len(self.path):
                raise ValueError(f"{name} has {len(column)} values for {len(self.path)} images")

    def to_frame(self) -> Any:
        """Return a pandas DataFrame with a row for each image and a column for each method.

        Raises:
            OnnxmintError: pandas is not installed.
        """
        return frame_of(scores_table(self))

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Give the same table to whatever reads Arrow."""
        return scores_table(self).__arrow_c_stream__(requested_schema)


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeated:
    """One method over several divisions of the known images, each with a seed of its own.

    Attributes:
        name: of the method.
        auc: on the test part, one a seed; None where it was skipped.
        tpr: true-positive rate at 1% false positives, one a seed.
        judged: with how many of the seeds it was the method that the verdict is about.
    """

    name: str
    auc: tuple[float | None, ...]
    tpr: tuple[float | None, ...]
    judged: int

    def spread(self, values: tuple[float | None, ...]) -> tuple[float, float, float] | None:
        """Return mean, smallest and largest of the values that there are, None where there is none."""
        there = [value for value in values if value is not None]
        return (float(np.mean(there)), min(there), max(there)) if there else None


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationFacts:
    """What was compared, and how."""

    modules: tuple[ModuleName, ...]
    layers: tuple[str, ...]  # as they were asked for
    views: int
    references: tuple[str, ...]  # names of their files
    seed: int
    intervals: str  # how they were made
    chosen_on: str  # what layers and the best signal were chosen on


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Every method on the same images, and all that is needed to repeat it."""

    version: str
    created: str  # ISO 8601, UTC
    target: TargetFacts
    preprocess: PreprocessSpec
    settings: EvaluationFacts
    evidence: EvidenceFacts
    controls: tuple[Control, ...]  # those of the evidence that need no module
    verdict: LeakVerdict
    methods: tuple[Method, ...]
    seconds: dict[str, float]  # stage -> wall time
    scores: MethodScores
    repeated: tuple[
        Repeated, ...
    ] = ()  # every method over all seeds, where there are several; the rest is of the first
    warnings: tuple[str, ...] = ()
    privacy: PrivacyFacts | None = None  # None where it was not asked for

    def to_frame(self) -> Any:
        """Return a pandas DataFrame with a row for each method; `scores.to_frame()` has one for each image.

        Raises:
            OnnxmintError: pandas is not installed.
        """
        return frame_of(methods_table(self))

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Give the same table to whatever reads Arrow: pyarrow.table(found), polars.DataFrame(found), DuckDB."""
        return methods_table(self).__arrow_c_stream__(requested_schema)

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        return evaluation_html(self)

    def judged(self) -> Method:
        """Return the method that the verdict is about."""
        return next(method for method in self.methods if method.name == self.verdict.method)

    def best_signal(self) -> Method:
        """Return the signal that was best on the fit part."""
        return next(method for method in self.methods if method.kind == "signal" and method.chosen)


EVALUATION = Document(
    kind=Evaluation,
    schema="onnxmint.evaluation/5",
    elsewhere=("scores",),  # a table of its own, evaluation.parquet
    mend="run onnxmint evaluate again",
)
"""evaluation.json."""


def repeated(found: Sequence[Evaluation]) -> tuple[Repeated, ...]:
    """Return every method over the evaluations, which differ in their seeds only."""
    of = [{method.name: method.performance for method in one.methods} for one in found]
    rows = []
    for name in of[0]:
        measured = [performances.get(name) for performances in of]
        rows.append(
            Repeated(
                name=name,
                auc=tuple(None if one is None else one.auc.value for one in measured),
                tpr=tuple(None if one is None else one.tpr_at_fpr["0.01"].value for one in measured),
                judged=sum(one.verdict.method == name for one in found),
            )
        )
    return tuple(rows)
