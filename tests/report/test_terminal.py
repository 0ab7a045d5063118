"""The summary fits 80 columns, needs no colour, loses no number and obeys no name."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from onnxmint.report.terminal import print_summary
from onnxmint.results.audit import AuditResult, Verdict
from onnxmint.results.facts import Baseline

FILES = (Path("run/report.html"), Path("run/[b]odd[/b].json"))


def summary(result: AuditResult, width: int = 80, *, colour: bool = False) -> str:
    out = io.StringIO()
    print_summary(result, Console(file=out, width=width, force_terminal=colour, no_color=not colour), files=FILES)
    return out.getvalue()


@pytest.mark.parametrize("width", [80, 120])
def test_every_line_fits_and_no_number_is_cut(result: AuditResult, width: int) -> None:
    text = summary(result, width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    auc = result.performance.auc
    tpr = result.performance.tpr_at_fpr["0.01"]
    row = next(line for line in text.splitlines() if line.startswith("cnn on layer3.1.relu"))
    assert row.split()[3:] == [
        f"{auc.value:.3f}", f"{auc.low:.3f}", "-", f"{auc.high:.3f}",
        f"{tpr.value:.1%}*", f"{100 * tpr.low:.1f}", "-", f"{tpr.high:.1%}",
    ]  # fmt: skip


def test_subject_evidence_verdict_files_in_this_order(result: AuditResult) -> None:
    text = " ".join(summary(result).split())
    order = ["clothes-classifier.onnx", "2,000 known, the model is right on 99.7%", "largest probability", "AUC"]
    assert all(words in text for words in order)
    order = ["model", "members", "largest probability", "MEMBERS FOUND", "Single images", "note", "run/report.html"]
    places = [text.index(words) for words in order]
    assert places == sorted(places)
    assert " ".join(result.verdict.text.split()) in text


def test_a_skipped_baseline_keeps_its_row(result: AuditResult) -> None:
    row = next(line for line in summary(result).splitlines() if line.startswith("top class is the label"))
    assert row.endswith("  skipped: needs labels of all known images")


def test_long_layer_names_are_not_cut(result: AuditResult) -> None:
    layer = "/backbone/layer3/layer3.1/relu_1/Relu_output_0_of_a_long_name"
    text = summary(replace(result, method=replace(result.method, title=f"cnn on {layer}")))
    assert f"cnn on {layer}\n" in text
    assert f"{result.performance.auc.value:.3f}" in text


@pytest.mark.parametrize("kind", ["members-found", "no-evidence", "inconclusive"])
def test_the_verdict_is_a_word_before_it_is_a_colour(result: AuditResult, kind: str) -> None:
    odd = replace(result, verdict=Verdict(kind=kind, text="Because.", p_value=0.5))
    word = kind.upper().replace("-", " ")
    assert f"{word}  Because." in summary(odd)
    assert "\x1b[" in summary(odd, colour=True)
    assert "\x1b[" not in summary(odd)


def test_nothing_flagged_is_said_plainly(empty_result: AuditResult) -> None:
    text = summary(empty_result)
    assert "none of 0 stands out by itself" in text
    assert "80 groups kept whole" in text
    assert "the model is right" not in text


def test_names_are_neither_obeyed_nor_lost(result: AuditResult) -> None:
    odd = replace(
        result,
        target=replace(result.target, path="models/[red]\x1b[31m[nope].onnx"),
        method=replace(result.method, title="cnn on [bold]\x1b[2J"),
        baselines=(Baseline(name="x", description="[/x]", performance=None, skipped="[/y]"),),
        warnings=("[/nope]/x.jpg \u202e",),
    )
    text = summary(odd)
    for shown in ("[red]\\x1b[31m[nope].onnx", "[bold]\\x1b[2J", "skipped: [/y]", "[/nope]/x.jpg \\u202e"):
        assert shown in text
    assert "run/[b]odd[/b].json\n" in text
    assert "\x1b" not in text
