"""The answer's parts are those of the typed facts, and what is not known is never shown as a number."""

from dataclasses import replace
from typing import Any, get_args
from xml.etree import ElementTree as ET

import pytest

from onnxmint.report.answer import (
    calibration_words,
    cost_words,
    error_rate,
    flagged_words,
    not_meant,
    second_opinions,
    share_shown,
    units_words,
)
from onnxmint.report.assumptions import CHECKS, assumptions, checks_line
from onnxmint.report.glossary import glossary, threat
from onnxmint.report.helping import helpful
from onnxmint.report.html import render_html
from onnxmint.report.language import language
from onnxmint.report.presentation import Presentation
from onnxmint.report.sentences import NAMES, reason_of, sentence
from onnxmint.report.share_bar import share_bar
from onnxmint.report.subjects import asked_for, false_ones
from onnxmint.report.writable import answer_text, paragraphs
from onnxmint.results.audit import AuditResult, SubjectFacts, SubjectsFacts, TriesFacts, TryFacts
from onnxmint.results.facts import Control
from onnxmint.results.next_steps import NextStep, StepKind
from onnxmint.stats.estimates import Estimate
from onnxmint.stats.likelihood import Calibration
from onnxmint.stats.share import PowerCost
from tests.report.reasons import LANGUAGES, REASONS, of_reason
from tests.report.test_html import Page

EN = language("en")


def test_members_found_say_how_many_and_that_copies_count_once(result: AuditResult) -> None:
    audit = of_reason(result, "found")
    assert sentence(audit, EN) == (
        "Some of these 400 images were used to train this model: at least 94 (near copies counted once), probably "
        "about 49% (38% to 59%)."
    )
    assert units_words(audit, EN) == "400 images (near copies counted once)"
    assert "which of them" in not_meant(audit, EN)


def test_no_evidence_says_what_would_have_been_noticed_and_what_is_left(result: AuditResult) -> None:
    audit = of_reason(result, "none")
    assert "a share of 25% or more would probably have been noticed" in sentence(audit, EN)
    assert error_rate(audit, EN) == ["“Probably” means: in 95 of 100 audits like this one."]
    assert not_meant(audit, EN).endswith("up to 12% is possible.")


@pytest.mark.parametrize(
    ("guarantee", "words"), [("each", "95 of 100 choices of known"), ("average", "on average over")]
)
def test_the_guarantee_is_told_in_words(result: AuditResult, guarantee: Any, words: str) -> None:
    audit = of_reason(result, "found")
    said = error_rate(replace(audit, verdict=replace(audit.verdict, guarantee=guarantee)), EN)
    assert "at most 5 times in 100" in said[0]
    assert words in said[1]


def test_second_opinions_and_the_choice_that_could_explain_it_are_told(result: AuditResult) -> None:
    said = second_opinions(of_reason(result, "found"), EN)
    assert said[0] == "The scores are also high without the labels of the images."
    assert said[1] == "The scores are high also beside known images of which the model is equally sure."
    assert "chosen 2.1 times as often" in said[2]
    doubted = of_reason(result, "doubted")
    assert "equally sure, but not beside all of them" in second_opinions(doubted, EN)[0]
    easy = replace(doubted.verdict, p_value=0.2, opinions=of_reason(result, "found").verdict.opinions[1:])
    assert reason_of(replace(doubted, verdict=easy)) == "doubted"
    assert "but not beside those of which" in second_opinions(replace(doubted, verdict=easy), EN)[0]
    assert second_opinions(of_reason(result, "stopped"), EN) == []


@pytest.mark.parametrize("reason", REASONS)
def test_an_estimate_is_shown_only_where_members_were_found(result: AuditResult, reason: Any) -> None:
    shown = share_shown(of_reason(result, reason), EN)
    assert (shown.value is not None) == (reason == "found")
    kinds = {"found": "known", "none": "at most", "too weak": "between"}
    assert shown.kind == kinds.get(reason, "unknown")


def test_an_interval_that_is_everything_is_unknown_even_for_members_found(result: AuditResult) -> None:
    audit = of_reason(result, "found")
    wide = replace(audit.verdict, share_of_members=Estimate(value=0.55, low=0.0, high=1.0))
    shown = share_shown(replace(audit, verdict=wide), EN)
    assert (shown.kind, shown.words) == ("unknown", "unknown: anything from 0% to 100%")


def test_the_bar_has_its_parts_where_the_shares_are(result: AuditResult) -> None:
    bar = ET.fromstring(str(share_bar(share_shown(of_reason(result, "found"), EN), EN)))
    of = {node.get("class"): node for node in bar.iter() if node.get("class")}
    band, dot = of["band"], of["dot"]
    assert float(band.get("x")) == pytest.approx(6 + 0.38 * 308, abs=0.1)
    assert float(band.get("width")) == pytest.approx(0.21 * 308, abs=0.1)
    assert float(dot.get("cx")) == pytest.approx(6 + 0.49 * 308, abs=0.1)
    assert of["noticed"].get("d", "").startswith(f"M{6 + 0.22 * 308:.1f},")
    unknown = {
        node.get("class")
        for node in ET.fromstring(str(share_bar(share_shown(of_reason(result, "blind"), EN), EN))).iter()
    }
    assert "hatch" in unknown
    assert not unknown & {"band", "dot", "noticed"}


def test_checks_are_counted_and_the_weakest_or_the_failed_ones_named(result: AuditResult) -> None:
    interval = Estimate(value=0.5, low=0.1, high=0.86)
    passed = Control(name="exchangeability", passed=True, text="", stops=True, auc=interval)
    near = Control(name="files", passed=True, text="", stops=True, auc=Estimate(value=0.5, low=0.47, high=0.53))
    copies = Control(name="duplicates", passed=True, text="")
    assert checks_line([passed, near, copies], EN) == (
        "3 of 3 checks for other explanations passed; weakest: origin of the questioned images, where a difference up "
        "to AUC 0.86 would not have been noticed"
    )
    failed = replace(near, passed=False)
    assert checks_line([passed, failed], EN).endswith(
        "1 of 2 checks for other explanations passed; failed: file format and size"
    )
    unseen = replace(near, name="reference", passed=None)
    assert checks_line([passed, unseen], EN).endswith("weakest: not looked at: difficulty of the images")
    assert checks_line([], EN) == "No check for other explanations was run."


def test_assumptions_say_how_they_were_looked_at(result: AuditResult) -> None:
    said = assumptions(of_reason(result, "stopped"), EN)
    assert len(said) == 5
    assert said[1].checked == "Cannot be checked from here."
    assert "Checked and failed: brightness, colours and sharpness." in said[2].checked


def test_every_control_of_the_panel_has_plain_words() -> None:
    from onnxmint.controls.panel import PANEL

    assert {row.name for row in PANEL} <= CHECKS.keys()


def test_a_high_probability_beside_no_flag_is_explained(result: AuditResult) -> None:
    audit = of_reason(result, "found")
    none = replace(audit, questioned=replace(audit.questioned, flagged=0))
    assert "The set gives itself away, no single image does" in flagged_words(none, EN)
    one = replace(audit, questioned=replace(audit.questioned, flagged=1))
    assert flagged_words(one, EN).startswith("1 image stands out by itself")
    assert "nothing may be read" in flagged_words(of_reason(result, "stopped"), EN)


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_renders_whole_with_its_answer_first(result: AuditResult, reason: Any) -> None:
    audit = of_reason(result, reason)
    page = Page(render_html(audit, Presentation(code="de")))
    assert page.open == []
    assert ("lang", "de") in page.attributes
    answer = " ".join(sentence(audit, language("de")).split())
    assert page.text.index(answer) < page.text.index("Was Sie schreiben können")
    assert ("open", None) in page.attributes or reason not in ("stopped", "hidden")
    assert "--" not in answer_text(audit, Presentation(code="de"))  # no option of a command in a lawyer's paragraph


def test_ten_terms_and_the_threat_by_its_public_name(result: AuditResult) -> None:
    assert len(glossary(EN)) == 10
    assert "“ML04:2023 Membership Inference Attack”" in threat(EN)
    text = Page(render_html(result)).text
    assert text.index("Glossary") < text.index(threat(EN))


def test_title_case_and_note_are_shown_and_do_nothing(result: AuditResult) -> None:
    shown = Presentation(title="<b>Smith</b> v. ACME", case="2026-114", note="asked by\x1b[31m counsel")
    text = Page(render_html(result, shown)).text
    for words in ("<b>Smith</b> v. ACME", "Case: 2026-114", "Note: asked by\\x1b[31m counsel"):
        assert words in text
        assert words in answer_text(result, shown)


def test_a_page_without_known_members_has_no_hole(result: AuditResult) -> None:
    scores = replace(result.scores, likelihood_ratio=None, probability=None)
    alone = replace(of_reason(result, "nobody known"), performance=None, baselines=(), scores=scores)
    text = Page(render_html(alone)).text
    for words in (
        "no image is known to have been trained on",
        "none were known to have been used",
        "What would have been noticed is not known.",
        "How probable it is that an image was trained on cannot be said",
    ):
        assert words in text
    assert "likelihood ratio" not in text
    found = replace(alone.verdict, kind="members-found", p_value=0.001, at_least=7)
    assert sentence(replace(alone, verdict=found), EN).endswith(": at least 7, how many more is not known.")


@pytest.mark.parametrize("code", LANGUAGES)
@pytest.mark.parametrize("kind", list(NAMES))
def test_the_subject_that_was_asked_for_comes_first_and_in_what_may_be_written(
    result: AuditResult, code: Any, kind: Any
) -> None:
    rows = tuple(
        SubjectFacts(name=name, images=40, units=39, kind=kind, p_value=0.01, q_value=0.02, at_least=9, text="")
        for name in ("<i>Anna</i>", "Bert")
    )
    subjects = SubjectsFacts(
        by="folder", rule="bh", alpha=0.05, found=2, shared=3, without=1, first="<i>Anna</i>", rows=rows
    )
    audit = replace(of_reason(result, "none"), subjects=subjects)
    said = asked_for(subjects, language(code))
    assert said is not None
    assert "<i>Anna</i>" in said
    page = Page(render_html(audit, Presentation(code=code)))
    assert page.open == []
    assert page.text.index(" ".join(said.split())) < page.text.index(language(code).say("What you may write"))
    assert said in answer_text(audit, Presentation(code=code))
    assert language(code).level(0.05) in false_ones(subjects, language(code))
    assert asked_for(replace(subjects, first=None), EN) is None


@pytest.mark.parametrize("code", LANGUAGES)
def test_what_the_guarantee_costs_and_how_probabilities_held_is_on_the_page(result: AuditResult, code: Any) -> None:
    cost = PowerCost(each=0.71, average=0.88, needed_each=0.1, needed_average=0.08, nonmembers=1234)
    found = of_reason(result, "found")
    held = Calibration(said=(0.2, 0.9), seen=(Estimate(value=0.3, low=0.1, high=0.5),) * 2, images=(50, 60))
    audit = replace(found, verdict=replace(found.verdict, cost=cost), calibration=held)
    words = language(code)
    assert words.number(1234) in cost_words(audit, words)
    assert words.share(0.71) in cost_words(audit, words)
    too_high = calibration_words(audit, words)
    right = calibration_words(replace(audit, calibration=replace(held, said=(0.2, 0.4))), words)
    assert too_high.split()[:4] != right.split()[:4]
    text = Page(render_html(audit, Presentation(code=code))).text
    for said in (cost_words(audit, words), too_high):
        assert " ".join(said.split()) in text
    equal = replace(found, verdict=replace(found.verdict, cost=replace(cost, average=0.712)))
    assert cost_words(equal, words) == ""
    assert cost_words(found, words) == calibration_words(replace(found, calibration=None), words) == ""


@pytest.mark.parametrize("code", LANGUAGES)
def test_earlier_tries_and_samples_are_in_what_may_be_written(result: AuditResult, code: Any) -> None:
    before = TryFacts(created="2026-11-01T10:00:00+00:00", how="views", kind="inconclusive", p_value=0.3)
    tries = TriesFacts(before=(before, before), others=0, corrected=0.0123)
    found, words = of_reason(result, "found"), language(code)
    drawn = replace(found, questioned=replace(found.questioned, drawn_from=12_345))
    assert words.number(12_345) in paragraphs(drawn, words)[0]
    said = paragraphs(replace(found, tries=tries), words)[2]
    assert words.p_value(0.0123) in said
    assert words.p_value(0.0123) not in paragraphs(found, words)[2]


@pytest.mark.parametrize("code", LANGUAGES)
def test_what_would_help_is_on_the_card_and_in_the_text(result: AuditResult, code: Any) -> None:
    numbers = {"known": (850, 600), "questioned": (1200, 60)}
    steps = [NextStep(kind=kind, text="In English.") for kind in get_args(StepKind)]
    steps += [NextStep(kind=kind, text="", needed=n, there=k) for kind, (n, k) in numbers.items()]  # type: ignore[arg-type]
    audit, words = replace(of_reason(result, "blind"), next_steps=tuple(steps)), language(code)
    said = helpful(audit, words)
    assert len(set(said)) == len(said) == len(steps)
    assert words.number(1200) in said[-1]
    text = answer_text(audit, Presentation(code=code))
    page = Page(render_html(audit, Presentation(code=code))).text
    assert page.index(" ".join(said[0].split())) < page.index(words.say("What you may write"))
    assert all(f"{number}. {line}" in text.splitlines() for number, line in enumerate(said, start=1))
    assert said[0] not in answer_text(
        replace(of_reason(result, "none"), next_steps=tuple(steps)), Presentation(code=code)
    )
