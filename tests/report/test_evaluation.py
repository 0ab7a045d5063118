"""The page and the words of an evaluation: what the numbers say, and nothing that a name may do."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from onnxmint.report.evaluation import print_evaluation, render_evaluation, write_evaluation
from onnxmint.results.audit import AuditResult, Histogram
from onnxmint.results.evaluation import EVALUATION, Evaluation, EvaluationFacts, Method
from onnxmint.stats.compare import Difference
from onnxmint.stats.estimates import Estimate, Performance
from tests.report.test_html import HOSTILE, Page

COUNTS = Histogram(
    edges=np.linspace(-1, 1, 5), member=np.array([1, 2, 3, 4]), nonmember=np.array([4, 3, 2, 1]), questioned=None
)
SETTINGS = EvaluationFacts(
    modules=("views", "cnn"), layers=("a", "b"), views=26, references=(), seed=0, intervals="bootstrap", chosen_on="fit"
)


def _method(name: str, kind: str, performance: Performance, value: float, **options: object) -> Method:
    auc = Estimate(value=value, low=value - 0.03, high=value + 0.03)
    return Method(
        name=name, kind=kind, title=str(options.pop("title", name)), source="somebody", fit_auc=value,
        performance=replace(performance, auc=auc), histogram=COUNTS, **options,
    )  # fmt: skip


def _difference(value: float, p: float) -> Difference:
    return Difference(value=value, low=value - 0.02, high=value + 0.02, p_value=p, test="DeLong")


@pytest.fixture
def evaluation(result: AuditResult) -> Evaluation:
    performance = result.performance
    gain = _difference(0.06, 0.001)
    return Evaluation(
        version="0.1.0",
        created="2026-11-23T12:00:00+00:00",
        target=result.target,
        preprocess=result.preprocess,
        settings=SETTINGS,
        evidence=result.evidence,
        controls=result.controls,
        methods=(
            _method("loss", "signal", performance, 0.60, chosen=True, title="low loss of the label"),
            Method(name="energy", kind="signal", title="energy", source="somebody", skipped="needs logits"),
            _method("rmia", "reference", performance, 0.63, difference=gain, title="RMIA"),
            _method("views", "module", performance, 0.66, chosen=True, difference=gain, title="views on 26 views"),
            _method(
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
            _method(
                "cnn:b", "module", performance, 0.52, module="cnn", layer="b", depth=0.9, chosen=True, difference=gain
            ),
        ),
        seconds={"fitting views": 1.5},
        warnings=("Only 60 known images on one side.",),
    )


def _with_views(evaluation: Evaluation, value: float, difference: Difference) -> Evaluation:
    methods = list(evaluation.methods)
    auc = Estimate(value=value, low=value - 0.03, high=value + 0.03)
    views = methods[3]
    assert views.performance is not None
    methods[3] = replace(views, performance=replace(views.performance, auc=auc), fit_auc=0.7, difference=difference)
    return replace(evaluation, methods=tuple(methods))


def _printed(evaluation: Evaluation, width: int = 80) -> str:
    console = Console(width=width, force_terminal=False, no_color=True)
    with console.capture() as captured:
        print_evaluation(evaluation, console, files=[Path("run/evaluation.html")])
    return captured.get()


def test_the_page_holds_every_method_with_its_numbers_or_its_reason(evaluation: Evaluation) -> None:
    page = Page(render_evaluation(evaluation))
    text = " ".join(page.words)
    for shown in ("views on 26 views", "0.660", "+0.060", "RMIA", "skipped: needs logits", "Only 60 known images"):
        assert shown in text
    assert page.tags["svg"] >= 4
    assert page.tags["script"] == 0
    assert not page.open


@pytest.mark.parametrize(
    ("value", "difference", "headline"),
    [
        (0.66, _difference(0.06, 0.001), "The module is better than any signal"),
        (0.61, _difference(0.01, 0.5), "No better than a simple signal"),
        (0.54, _difference(-0.06, 0.01), "A simple signal is better"),
    ],
)
def test_the_headline_says_what_the_test_says(
    evaluation: Evaluation, value: float, difference: Difference, headline: str
) -> None:
    changed = _with_views(evaluation, value, difference)
    assert headline in " ".join(Page(render_evaluation(changed)).words)
    assert headline.upper() in _printed(changed)


def test_chance_is_called_chance(evaluation: Evaluation) -> None:
    weak = _with_views(evaluation, 0.51, _difference(0.0, 1.0))
    methods = list(weak.methods)
    signal = methods[0]
    assert signal.performance is not None
    auc = Estimate(value=0.52, low=0.49, high=0.55)
    methods[0] = replace(signal, performance=replace(signal.performance, auc=auc))
    weak = replace(weak, methods=tuple(methods))
    assert "NOTHING FOUND" in _printed(weak)
    assert "beyond doubt" in " ".join(Page(render_evaluation(weak)).words)


def test_signals_alone_make_a_page_too(evaluation: Evaluation) -> None:
    alone = replace(evaluation, methods=evaluation.methods[:2])
    assert "Signals compared" in " ".join(Page(render_evaluation(alone)).words)
    assert "SIGNALS COMPARED" in _printed(alone)


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_acts_on_the_page(evaluation: Evaluation, name: str) -> None:
    methods = tuple(replace(method, title=name, source=name) for method in evaluation.methods)
    plain = Page(render_evaluation(evaluation))
    odd = Page(render_evaluation(replace(evaluation, methods=methods, warnings=(name,))))
    assert odd.tags == plain.tags
    assert "\x1b" not in _printed(replace(evaluation, methods=methods))


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_keeps_its_width(evaluation: Evaluation, width: int) -> None:
    lines = _printed(evaluation, width).splitlines()
    assert max(map(len, lines)) <= width
    assert any(line.startswith("views on 26 views +") and "0.660" in line for line in lines)
    assert any("skipped: needs logits" in line for line in lines)


def test_files_hold_the_same(evaluation: Evaluation, tmp_path: Path) -> None:
    page, facts, _ = write_evaluation(evaluation, tmp_path / "run")
    assert (page.name, facts.name) == ("evaluation.html", "evaluation.json")
    again = EVALUATION.read(facts.read_bytes(), str(facts))
    assert EVALUATION.facts(again) == EVALUATION.facts(evaluation)
    assert render_evaluation(again) == page.read_text()
