"""The page says the same as the result, stands alone, and no name from outside can act in it."""

import re
from collections import Counter
from dataclasses import fields, replace
from html.parser import HTMLParser

import pytest

from onnxmint.report.html import FIRST, SHOWN, footer, render_html
from onnxmint.report.sentences import NAMES
from onnxmint.results.audit import AuditResult, ScoreTable, Verdict
from onnxmint.results.facts import Baseline, Skipped

HOSTILE = (
    "<script>alert(1)</script>.png",
    '"><img src=x onerror=alert(1)>.png',
    "</table></svg><b>bold</b>.png",
    "{{ 7 * 7 }}{% include 'x' %}.png",
    "javascript:alert(1).png",
    "\x1b[31mred.png",
    "gpj.\u202eexe",
    "caf\udce9.png",
    "&lt;i&gt;.png",
)


class Page(HTMLParser):
    """Tags, attributes and words of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str | None]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += attrs
        if tag not in {"meta", "br", "img"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        """Return all words, each run of white space as one blank."""
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def page(result: AuditResult) -> Page:
    return Page(render_html(result))


def test_every_tag_is_closed(page: Page, empty_result: AuditResult) -> None:
    assert page.open == []
    assert Page(render_html(empty_result)).open == []


def test_the_verdict_comes_first(page: Page, result: AuditResult) -> None:
    text = page.text
    sentence = "Some of these 400 images were used to train this model: at least 131, probably about 49% (44% to 55%)."
    order = [sentence, "What you may write", "What this rests on", "How well images that", "to repeat it", "Glossary"]
    places = [text.index(words) for words in order]
    assert places == sorted(places)
    assert page.tags["h1"] == 1
    assert result.verdict.text in text


def test_numbers_are_those_of_the_result(page: Page, result: AuditResult) -> None:
    auc = result.performance.auc
    assert f"{auc.value:.3f}" in page.text
    assert f"{auc.low:.3f} to {auc.high:.3f}" in page.text
    for found in (result.performance, *(row.performance for row in result.baselines if row.performance)):
        for rate in found.tpr_at_fpr.values():
            star = "*" if rate.thin else ""
            interval = "no interval" if rate.low is None else f"{100 * rate.low:.1f} to {rate.high:.1%}"
            assert f"{rate.value:.1%}{star} {interval}" in page.text


def test_nothing_is_left_unsaid(page: Page, result: AuditResult) -> None:
    for words in (
        "skipped: needs labels of all known images",
        "16-bit pixels; convert it to 8 bits first",
        "truncated: 412 bytes missing",
        *result.warnings,
        result.target.sha256,
        result.target.device_reason,
        "2026-11-23 16:32 UTC",
        "mean: [0.485, 0.456, 0.406]",
        "Fewer than 10 false alarms expected",
    ):
        assert words in page.text, words


def test_the_smallest_p_values_are_shown_and_the_rest_is_pointed_to(page: Page, result: AuditResult) -> None:
    shown = [word for word in page.words if word.startswith("photos/2023/IMG_4")]
    scores = dict(zip(result.scores.path, result.scores.p_value, strict=True))
    assert len(shown) == SHOWN
    assert [scores[path] for path in shown] == sorted(scores.values())[:SHOWN]
    assert page.words.count("stands out") == min(int(result.scores.flagged.sum()), SHOWN) + 2  # two heads of tables
    assert (
        "The 200 images with the smallest p-values are listed; all 400 are in scores.csv and scores.parquet"
        in page.text
    )
    assert f"{SHOWN - FIRST} more" in page.text


def test_few_images_are_all_shown(result: AuditResult) -> None:
    scores = result.scores
    columns = {column.name: getattr(scores, column.name)[:3] for column in fields(scores)}
    few = ScoreTable(**columns | {"label": None})
    three = replace(result, scores=few, questioned=replace(result.questioned, images=3))
    text = Page(render_html(three)).text
    assert "The 3 images with the smallest p-values are listed; all 3 are in" in text
    assert "label model says" not in text


def test_an_audit_without_images_says_so(empty_result: AuditResult) -> None:
    text = Page(render_html(empty_result)).text
    assert "None could be scored." in text
    assert "80 groups, none divided" in text
    assert "the model is right on" not in text


@pytest.mark.parametrize("kind", list(NAMES))
def test_every_kind_of_verdict_has_its_headline(result: AuditResult, kind: str) -> None:
    page = Page(
        render_html(replace(result, verdict=Verdict(kind=kind, text="Why.", p_value=0.2, detectable_share=0.3)))
    )
    assert NAMES[kind] in page.words
    assert ("class", f"answer {kind}") in page.attributes
    assert "0.2000" in page.text


def test_the_page_needs_nothing_from_outside(result: AuditResult) -> None:
    text = render_html(result)
    page = Page(text)
    assert not page.tags.keys() & {"script", "link", "img", "iframe", "object", "form", "base", "a"}
    assert not [name for name, _ in page.attributes if name in {"src", "href", "action"} or name.startswith("on")]
    assert not re.search(r"url\(|@import|https?://", text)
    policy = next(value for name, value in page.attributes if value and "default-src" in value)
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    assert len(text) < 200_000


def test_hostile_names_are_shown_and_do_nothing(result: AuditResult) -> None:
    harmless, hostile = (
        replace(
            result,
            target=replace(result.target, path=names[0], input_name=names[1], layers=(names[2],)),
            scores=replace(result.scores, path=(*names, *result.scores.path[len(names) :])),
            questioned=replace(result.questioned, skipped=tuple(Skipped(path=name, reason=name) for name in names)),
            warnings=names,
            method=replace(result.method, title=names[0], layer=names[1], tensors=names[2:]),
            baselines=(Baseline(name="x", description=names[1], performance=None, skipped=names[0]),),
        )
        for names in (tuple(f"plain-{k}.png" for k in range(len(HOSTILE))), HOSTILE)
    )
    text = render_html(hostile)
    page = Page(text)
    text.encode()
    assert page.tags == Page(render_html(harmless)).tags
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    for shown in (*HOSTILE[:5], "\\x1b[31mred.png", "gpj.\\u202eexe", "caf\\udce9.png", "&lt;i&gt;.png"):
        assert shown in page.text


def test_tables_and_charts_speak_to_screen_readers(page: Page) -> None:
    assert page.tags["caption"] == page.tags["table"]
    assert ("scope", "row") in page.attributes
    assert page.tags["title"] == 1 + page.tags["desc"]
    assert ("lang", "en") in page.attributes


def test_what_was_fixed_beforehand_how_to_cite_and_what_stands_below_each_page(result: AuditResult) -> None:
    page = render_html(result)
    assert "nothing: settings could have been chosen after seeing scores" in page
    assert "eprint = {2601.12929}" in page
    assert f'content: "model {result.target.sha256[:12]} {result.created[:10]}"' in page
    acting = replace(result, created='"} * { display: none }', target=replace(result.target, sha256='";}</style><b>'))
    assert f'content: "model {footer(acting.target.sha256, acting.created)[6:]}"' in render_html(acting)
    assert not set(footer(acting.target.sha256, acting.created)) & set('";{}<>/')
