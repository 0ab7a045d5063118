"""The page and the words of an evaluation: what the numbers say, and nothing that a name may do."""

import csv
import io
import re
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from rich.console import Console

from onnxmint import __version__
from onnxmint.report.citation import bibtex
from onnxmint.report.evaluation import print_evaluation, render_evaluation, write_evaluation
from onnxmint.report.formats import comma_separated, latex, markdown, parquet
from onnxmint.results.evaluation import EVALUATION, Evaluation
from onnxmint.results.leak import LimitFacts
from onnxmint.results.methods import Repeated
from onnxmint.stats.compare import Difference
from onnxmint.stats.estimates import Estimate
from tests.conftest import ROOT
from tests.report.compared import difference, verdict_on
from tests.report.test_html import HOSTILE, Page


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
        (0.66, difference(0.06, 0.001), "The module is better than any signal"),
        (0.61, difference(0.01, 0.5), "No better than a simple signal"),
        (0.54, difference(-0.06, 0.01), "A simple signal is better"),
    ],
)
def test_the_comparison_says_what_the_test_says(
    evaluation: Evaluation, value: float, difference: Difference, headline: str
) -> None:
    changed = _with_views(evaluation, value, difference)
    assert headline in " ".join(Page(render_evaluation(changed)).words)
    assert headline in _printed(changed)


def test_headline_tile_and_mark_are_one_method_and_it_comes_last_on_the_terminal(evaluation: Evaluation) -> None:
    words = Page(render_evaluation(evaluation)).words
    text = " ".join(words)
    assert "Leak: AUC 0.660, from views on 26 views" in text
    assert text.count("judged: the best of all on the fit part") == 1
    assert "AUC of views on 26 views on the test part" in text
    assert "best signal on the fit part" in text
    assert "best layer of cnn on the fit part" in text
    printed = _printed(evaluation)
    assert printed.rstrip().endswith("Leak: AUC 0.660, from views on 26 views")
    assert printed.count("(judged)") == 1
    assert "views on 26 views (judged)" in printed
    for name, title in (("loss", "low loss of the label"), ("cnn:b", "cnn:b")):
        other = replace(evaluation, verdict=verdict_on(name, title, 0.6))
        assert f"AUC of {title} on the test part" in " ".join(Page(render_evaluation(other)).words)


def test_limits_are_a_table_and_the_last_lines(evaluation: Evaluation) -> None:
    limit = LimitFacts(
        measure="auc", bound=0.6, decision="unsettled", value=0.66, low=0.5, high=0.7, members=900, nonmembers=900,
        text="Cannot tell: 900 known members would settle it.",
    )  # fmt: skip
    verdict = replace(evaluation.verdict, kind="unsettled", headline="Cannot tell. Leak: AUC 0.660", limits=(limit,))
    changed = replace(evaluation, verdict=verdict)
    page = Page(render_evaluation(changed))
    assert "900 known members would settle it" in " ".join(page.words)
    assert "auc ≤ 0.6" in " ".join(page.words)
    lines = [line for line in _printed(changed).splitlines() if line]
    assert lines[-2:] == ["Cannot tell: 900 known members would settle it.", "■ Cannot tell. Leak: AUC 0.660"]
    summary = markdown(changed)
    assert "| auc 0.6 | 0.660 | 0.500 to 0.700 | **cannot tell** |" in summary


def test_several_seeds_are_one_table(evaluation: Evaluation) -> None:
    rows = tuple(
        Repeated(name=method.name, auc=(0.6, None, 0.7), tpr=(0.1, None, 0.3), judged=int(method.name == "views"))
        for method in evaluation.methods
    )
    several = replace(evaluation, repeated=rows)
    assert "Over 3 seeds" in " ".join(Page(render_evaluation(several)).words)
    (line,) = [line for line in _printed(several).splitlines() if "1 of 3" in line]
    assert line.split()[-6:] == ["0.650", "0.600", "0.700", "1", "of", "3"]
    assert r"views on 26 views (judged) & 0.650 & 0.600 to 0.700 & 20.0\% \\" in latex(several)
    table = next(csv.DictReader(io.StringIO(comma_separated(several))))
    assert (table["auc_mean"], table["auc_smallest"], table["auc_largest"]) == ("0.6499999999999999", "0.6", "0.7")


def test_csv_has_a_row_for_each_method_with_its_numbers_or_its_reason(evaluation: Evaluation) -> None:
    rows = {row["name"]: row for row in csv.DictReader(io.StringIO(comma_separated(evaluation)))}
    assert list(rows) == [method.name for method in evaluation.methods]
    assert rows["views"]["judged"] == "True"
    assert float(rows["views"]["auc_low"]) == 0.63
    assert rows["energy"]["auc"] == ""
    assert rows["energy"]["skipped"] == "needs logits"


def test_parquet_has_a_row_for_each_image_and_a_column_for_eachmethod(evaluation: Evaluation) -> None:
    table = pq.read_table(io.BytesIO(parquet(evaluation)))
    assert table.column_names == ["path", "side", "part", "loss", "views"]
    assert table.to_pylist()[0] == {"path": "a/1.png", "side": "member", "part": "fit", "loss": 1.0, "views": None}
    odd = replace(evaluation, scores=replace(evaluation.scores, path=("\udcff", "b", "c")))
    assert pq.read_table(io.BytesIO(parquet(odd)))["path"][0].as_py() == "\\udcff"


@pytest.mark.parametrize("name", [*HOSTILE, "=HYPERLINK(1)", "a|b\nc", "100% _sure_ & #1 {x} \\", "@owner"])
def test_no_name_acts_in_a_table_for_other_programs(evaluation: Evaluation, name: str) -> None:
    methods = tuple(replace(method, title=name) for method in evaluation.methods)
    changed = replace(evaluation, methods=methods, warnings=(name,))
    assert "\x1b" not in markdown(changed) + latex(changed) + comma_separated(changed)
    assert len(markdown(changed).splitlines()) == len(markdown(evaluation).splitlines())
    assert len(latex(changed).splitlines()) == len(latex(evaluation).splitlines())
    for row in latex(changed).splitlines():
        if row.endswith(r"\\"):
            assert len(re.findall(r"(?<!\\)&", row)) == 3
    for row in csv.DictReader(io.StringIO(comma_separated(changed))):
        assert not row["title"].startswith(("=", "+", "-", "@"))
    assert "<script" not in markdown(changed)


def test_the_citation_is_that_of_the_file(evaluation: Evaluation) -> None:
    facts = (ROOT / "CITATION.cff").read_text("utf-8")
    entries, page = bibtex(evaluation.version), " ".join(Page(render_evaluation(evaluation)).words)
    for title in re.findall(r'title: "(.*)"', facts):
        assert title in entries
    for number in re.findall(r"arxiv.org/abs/([\d.]+)", facts):
        assert f"eprint = {{{number}}}" in entries
    for family in re.findall(r"family-names: ([^,]+)", facts):
        assert f"{family}, " in entries
    assert f"version: {__version__}\n" in facts
    assert "eprint = {2601.12929}" in page


def test_chance_is_called_chance(evaluation: Evaluation) -> None:
    weak = _with_views(evaluation, 0.51, difference(0.0, 1.0))
    methods = list(weak.methods)
    signal = methods[0]
    assert signal.performance is not None
    auc = Estimate(value=0.52, low=0.49, high=0.55)
    methods[0] = replace(signal, performance=replace(signal.performance, auc=auc))
    weak = replace(weak, methods=tuple(methods))
    assert "beyond doubt" in " ".join(_printed(weak).split())
    assert "beyond doubt" in " ".join(Page(render_evaluation(weak)).words)


def test_signals_alone_make_a_page_too(evaluation: Evaluation) -> None:
    alone = replace(
        evaluation, methods=evaluation.methods[:2], verdict=verdict_on("loss", "low loss of the label", 0.6)
    )
    assert "Signals compared" in " ".join(Page(render_evaluation(alone)).words)
    assert "Signals compared" in _printed(alone)


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
    assert any(line.startswith("views on 26 views (judged)") and "0.660" in line for line in lines)
    assert "skipped: needs logits (energy)" in lines


def test_files_hold_the_same(evaluation: Evaluation, tmp_path: Path) -> None:
    page, rows, images, facts, _ = write_evaluation(evaluation, tmp_path / "run")
    assert [file.name for file in (page, rows, images, facts)] == [
        "evaluation.html", "evaluation.csv", "evaluation.parquet", "evaluation.json",
    ]  # fmt: skip
    again = EVALUATION.read(facts.read_bytes(), str(facts), scores=evaluation.scores)
    assert EVALUATION.facts(again) == EVALUATION.facts(evaluation)
    assert render_evaluation(again) == page.read_text()
