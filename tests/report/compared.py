"""A whole evaluation made of simulated numbers."""

from dataclasses import replace

import numpy as np

from onnxmint.results.audit import AuditResult, Histogram
from onnxmint.results.evaluation import Evaluation, EvaluationFacts
from onnxmint.results.leak import LeakVerdict
from onnxmint.results.methods import Method, MethodScores
from onnxmint.stats.compare import Difference
from onnxmint.stats.estimates import Estimate, Performance

COUNTS = Histogram(
    edges=np.linspace(-1, 1, 5), member=np.array([1, 2, 3, 4]), nonmember=np.array([4, 3, 2, 1]), questioned=None
)
SETTINGS = EvaluationFacts(
    modules=("views", "cnn"), layers=("a", "b"), views=26, references=(), seed=0, intervals="bootstrap", chosen_on="fit"
)


def method(name: str, kind: str, performance: Performance, value: float, **options: object) -> Method:
    """Return a method that was measured."""
    auc = Estimate(value=value, low=value - 0.03, high=value + 0.03)
    return Method(
        name=name, kind=kind, title=str(options.pop("title", name)), source="somebody", fit_auc=value,
        performance=replace(performance, auc=auc), histogram=COUNTS, **options,
    )  # fmt: skip


def verdict_on(name: str, title: str, value: float, *, low: float | None = None) -> LeakVerdict:
    auc = Estimate(value=value, low=value - 0.03 if low is None else low, high=value + 0.03)
    leaks = auc.low > 0.5
    return LeakVerdict(
        kind="leak" if leaks else "no-leak-seen",
        headline=f"Leak: AUC {value:.3f}, from {title}" if leaks else f"No leak above AUC {auc.high:.3f} (95%)",
        text=f"Judged by {title}, chosen on the fit part.",
        method=name,
        title=title,
        auc=auc,
        bound=auc.high,
    )


def difference(value: float, p: float) -> Difference:
    return Difference(value=value, low=value - 0.02, high=value + 0.02, p_value=p, test="DeLong")


def evaluation_of(result: AuditResult) -> Evaluation:
    """Return a whole evaluation, from what an audit shares with it."""
    performance = result.performance
    gain = difference(0.06, 0.001)
    return Evaluation(
        version="0.1.0",
        created="2026-11-23T12:00:00+00:00",
        target=result.target,
        preprocess=result.preprocess,
        settings=SETTINGS,
        evidence=result.evidence,
        controls=result.controls,
        methods=(
            method("loss", "signal", performance, 0.60, chosen=True, title="low loss of the label"),
            Method(name="energy", kind="signal", title="energy", source="somebody", skipped="needs logits"),
            method("rmia", "reference", performance, 0.63, difference=gain, title="RMIA"),
            method("views", "module", performance, 0.66, chosen=True, difference=gain, title="views on 26 views"),
            method(
                "cnn:a",
                "module",
                performance,
                0.51,
                module="cnn",
                layer="a",
                depth=0.2,
                difference=gain,
                title="cnn on a",
            ),
            method(
                "cnn:b", "module", performance, 0.52, module="cnn", layer="b", depth=0.9, chosen=True, difference=gain
            ),
        ),
        verdict=verdict_on("views", "views on 26 views", 0.66),
        seconds={"fitting views": 1.5},
        scores=MethodScores(
            path=("a/1.png", "a/2.png", "b/1.png"),
            side=("member", "member", "non-member"),
            part=("fit", "test", "test"),
            scores={"loss": np.array([1.0, 2.0, 0.5]), "views": np.array([np.nan, 3.0, 0.25])},
        ),
        warnings=("Only 60 known images on one side.",),
    )
