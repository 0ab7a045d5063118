"""The summary fits 80 columns, needs no colour, loses no number and obeys no name."""

import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from onnxmint.report.language import language
from onnxmint.report.sentences import sentence
from onnxmint.report.terminal import print_summary
from onnxmint.results.audit import AuditResult, Verdict
from onnxmint.results.facts import Baseline
from tests.report.conftest import VERDICT

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


def test_subject_evidence_details_files_and_last_the_answer(result: AuditResult) -> None:
    text = " ".join(summary(result).split())
    order = ["clothes-classifier.onnx", "2,000 known, the model is right on 99.7%", "largest probability", "AUC"]
    assert all(words in text for words in order)
    order = ["model", "trained on", "largest probability", VERDICT[:40], "Single images", "note", "run/report.html"]
    order += [
        "MEMBERS FOUND",
        "Some of these 400 images were used to train this model: at least 131, probably about 49%",
    ]
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
    assert f"\N{BLACK SQUARE} {word}\n" in summary(odd)
    assert "\x1b[" in summary(odd, colour=True)
    assert "\x1b[" not in summary(odd)


@pytest.mark.parametrize("width", [80, 120])
def test_the_last_line_on_the_screen_is_the_answer(result: AuditResult, width: int) -> None:
    lines = summary(result, width).splitlines()
    last = lines[lines.index("\N{BLACK SQUARE} MEMBERS FOUND") + 1 :]
    assert " ".join(" ".join(last).split()) == sentence(result, language("en"))


def test_no_colour_is_hard_to_read_on_white(result: AuditResult, empty_result: AuditResult) -> None:
    """Yellow, green and cyan are under 3 to 1 there; so are all bright ones."""
    for odd in (result, empty_result, replace(result, verdict=Verdict(kind="no-evidence", text="", p_value=0.4))):
        codes = {
            code for found in re.findall(r"\x1b\[([\d;]*)m", summary(odd, colour=True)) for code in found.split(";")
        }
        assert not codes & {"32", "33", "36", *map(str, range(90, 98))}


def test_the_answer_speaks_the_language_that_was_asked_for(result: AuditResult) -> None:
    out = io.StringIO()
    print_summary(result, Console(file=out, width=80), words=language("de"))
    assert "TRAININGSBILDER GEFUNDEN\nVon diesen 400 Bildern wurden einige" in out.getvalue()


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
