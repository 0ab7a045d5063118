"""What an evaluation says: every method on the same test part, one frozen tree of values."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from onnxmint.kinds import ModuleName
from onnxmint.preprocess.spec import PreprocessSpec
from onnxmint.results.facts import Control, EvidenceFacts, TargetFacts
from onnxmint.results.frames import Tabular
from onnxmint.results.json import Document
from onnxmint.results.leak import LeakVerdict
from onnxmint.results.methods import Method, MethodScores, Repeated, methods_table
from onnxmint.results.notebook import in_notebook
from onnxmint.stats.epsilon import PrivacyBound
from onnxmint.stats.ranges import Few

_SHOWN = 60  # methods in a notebook


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
    views: Few
    references: tuple[str, ...]  # names of their files
    seed: int
    intervals: str  # how they were made
    chosen_on: str  # what layers and the best signal were chosen on
    augmentation: str | None = None  # of the target's training, from which views were drawn


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation(Tabular):
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

    def table(self) -> Any:
        """Return an Arrow table with a row for each method."""
        return methods_table(self.methods, self.repeated, self.verdict.method)

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        measured = [(method, method.performance) for method in self.methods if method.performance is not None]
        measured.sort(key=lambda row: -row[1].auc.value)
        rows = [
            (
                method.title + (" (judged)" if method.name == self.verdict.method else ""),
                f"{performance.auc.value:.3f}",
                f"{performance.auc.low:.3f} to {performance.auc.high:.3f}",
                f"{performance.tpr_at_fpr['0.01'].value:.1%}",
            )
            for method, performance in measured[:_SHOWN]
        ]
        skipped, more = len(self.methods) - len(measured), max(len(measured) - _SHOWN, 0)
        return in_notebook(
            self.verdict.headline,
            (self.verdict.text, *(limit.text for limit in self.verdict.limits)),
            ("method", "AUC", "95% interval", "TPR at 1% FPR"),
            rows,
            f"{more} more and {skipped} skipped: to_frame() has all {len(self.methods)}.",
        )

    def judged(self) -> Method:
        """Return the method that the verdict is about."""
        return next(method for method in self.methods if method.name == self.verdict.method)

    def best_signal(self) -> Method:
        """Return the signal that was best on the fit part."""
        return next(method for method in self.methods if method.kind == "signal" and method.chosen)


EVALUATION = Document(
    kind=Evaluation,
    schema="onnxmint.evaluation/6",
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
