"""What an evaluation says: every method on the same test part, one frozen tree of values."""

from dataclasses import dataclass
from typing import Literal

from onnxmint.preprocess.spec import PreprocessSpec
from onnxmint.results.audit import Histogram
from onnxmint.results.facts import Control, EvidenceFacts, TargetFacts
from onnxmint.results.json import Document
from onnxmint.settings import ModuleName
from onnxmint.stats.compare import Difference
from onnxmint.stats.epsilon import PrivacyBound
from onnxmint.stats.estimates import Performance

MethodKind = Literal["signal", "reference", "module"]


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
        chosen: whether it is the best of its kind there: the best signal, the best layer of a module.
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
    methods: tuple[Method, ...]
    seconds: dict[str, float]  # stage -> wall time
    warnings: tuple[str, ...] = ()
    privacy: PrivacyFacts | None = None  # None where it was not asked for

    def best_signal(self) -> Method:
        """Return the signal that was best on the fit part."""
        return next(method for method in self.methods if method.kind == "signal" and method.chosen)


EVALUATION = Document(kind=Evaluation, schema="onnxmint.evaluation/4", mend="run onnxmint evaluate again")
"""evaluation.json."""
