"""Every catalogue says every message, with the same numbers in it, and no English is left in what people copy."""

import re
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from babel.messages.pofile import read_po

from onnxmint.report.language import WORDS, language
from onnxmint.report.presentation import Presentation
from onnxmint.report.sentences import NAMES, reason_of, sentence
from onnxmint.report.writable import answer_text, paragraphs
from onnxmint.results.audit import AuditResult
from tests.report.reasons import LANGUAGES, REASONS, of_reason

UPDATE = Path(__file__).parents[2] / "tools" / "words" / "update.py"
OTHERS = ("de", "fr", "es")
ENGLISH = re.compile(r"\b(the|and|of|were|was|been|this|these|images|not|them|used|with|to|had|by|is)\b")
SAME_WORD = {"fr": {"images"}, "de": {"was"}}  # these languages have them too


def _said() -> set[Any]:
    return {message for _, message in runpy.run_path(str(UPDATE))["messages"]()}


def _placeholders(text: str) -> set[str]:
    return set(re.findall(r"\{(\w*)\}", text))


def _catalogue(code: str) -> Iterator[Any]:
    with (WORDS / f"{code}.po").open("rb") as file:
        catalogue = read_po(file, locale=code)
    assert not catalogue.obsolete
    yield from (message for message in catalogue if message.id)


@pytest.mark.parametrize("code", OTHERS)
def test_a_catalogue_has_every_message_with_the_same_placeholders(code: str) -> None:
    said, found = _said(), list(_catalogue(code))
    assert {message.id for message in found} == said, "run python tools/words/update.py and translate what it names"
    for message in found:
        forms = message.string if message.pluralizable else (message.string,)
        assert all(forms), message.id
        assert not message.fuzzy
        named = _placeholders(message.id[-1] if message.pluralizable else message.id)
        assert all(_placeholders(form) == named for form in forms), message.id


@pytest.mark.parametrize("code", OTHERS)
@pytest.mark.parametrize("reason", REASONS)
def test_every_verdict_gives_three_paragraphs_without_english(result: AuditResult, code: str, reason: Any) -> None:
    audit = of_reason(result, reason)
    assert reason_of(audit) == reason
    said = paragraphs(audit, language(code))
    assert len(said) == 3
    for paragraph, english in zip(said, paragraphs(audit, language("en")), strict=True):
        assert paragraph != english
        assert len(paragraph) > 40
        assert "{" not in paragraph
        assert set(ENGLISH.findall(paragraph)) <= SAME_WORD.get(code, set()), paragraph
    text = answer_text(audit, Presentation(code=code))  # type: ignore[arg-type]
    assert all(paragraph in text.splitlines() for paragraph in said)


@pytest.mark.parametrize("code", LANGUAGES)
@pytest.mark.parametrize("reason", REASONS)
@pytest.mark.parametrize("images", [1, 10_000])
def test_the_sentence_has_at_most_25_words(result: AuditResult, code: str, reason: Any, images: int) -> None:
    said = sentence(of_reason(result, reason, images=images), language(code))
    words = [word for word in said.replace("\u00a0", "").split(" ") if word]
    assert len(words) <= 25, said
    assert said.endswith(".")


def test_every_name_of_a_verdict_is_translated() -> None:
    for code in OTHERS:
        assert not {language(code).say(name) for name in NAMES.values()} & set(NAMES.values())


@pytest.mark.parametrize(
    ("code", "number", "share", "p", "day"),
    [
        ("en", "1,000", "4.2%", "< 0.0001", "23 November 2026"),
        ("de", "1.000", "4,2\u00a0%", "< 0,0001", "23. November 2026"),
        ("fr", "1\u202f000", "4,2\u00a0%", "< 0,0001", "23 novembre 2026"),
        ("es", "1.000", "4,2\u00a0%", "< 0,0001", "23 de noviembre de 2026"),
    ],
)
def test_numbers_and_days_are_written_as_the_language_writes_them(
    code: Any, number: str, share: str, p: str, day: str
) -> None:
    words = language(code)
    assert (words.number(1000), words.share(0.042), words.p_value(1e-9)) == (number, share, p)
    assert words.date("2026-11-23T16:32:00+00:00") == day


def test_a_message_has_the_form_that_its_number_asks_for(result: AuditResult) -> None:
    one, many = (of_reason(result, "none", images=count) for count in (1, 2))
    for code, forms in {
        "de": ("1 Bild ", "2 Bildern "),
        "fr": ("1 image,", "2 images,"),
        "es": ("1 imagen,", "2 imágenes,"),
    }.items():
        for audit, form in zip((one, many), forms, strict=True):
            assert form in paragraphs(audit, language(code))[0]  # type: ignore[arg-type]
    assert language("fr").several("{n} image", "{n} images", 0, n=0) == "0 image"  # French counts nothing as one
    assert language("de").several("{n} image", "{n} images", 0, n=0) == "0 Bilder"


@pytest.mark.parametrize("value", [1e40, -3e22, float("inf"), float("nan")])
def test_a_number_that_a_stranger_wrote_is_written_somehow(value: float) -> None:
    """An auditor's file may claim any number of itself."""
    for code in LANGUAGES:
        words = language(code)
        for written in (words.decimal(value, 3), words.percent(value, 1), words.rounded(value), words.p_value(value)):
            assert 0 < len(written) < 30


def test_a_day_that_is_none_is_shown_as_it_is_written() -> None:
    assert language("de").date("2026-11-25T20:42:48+00:00") == "25. November 2026"
    assert language("de").date("../x") == "../x"
