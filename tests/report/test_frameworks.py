"""The appendix names documents and says where the report answers, in every language, and advises nobody."""

import re

import pytest

from onnxmint.report.frameworks import AS_OF, frameworks
from onnxmint.report.html import render_html
from onnxmint.report.language import NAMES, language
from onnxmint.report.presentation import Presentation
from onnxmint.results.audit import AuditResult
from tests.report.test_html import Page

DOCUMENTS = ("GDPR art. 5(2), 15", "EDPB Opinion 28/2024", "AI Act art. 9", "art. 53(1)(d)", "ISO/IEC 42001",
         "NIST AI RMF", "MITRE ATLAS AML.T0024.000", "OWASP ML04:2023 Membership Inference Attack")  # fmt: skip


@pytest.mark.parametrize(
    ("code", "word"),
    [
        ("en", "not legal advice"),
        ("de", "keine Rechtsberatung"),
        ("fr", "non conseil juridique"),
        ("es", "no asesoramiento jurídico"),
    ],
)
def test_the_page_maps_to_each_document_and_is_no_legal_advice(result: AuditResult, code: str, word: str) -> None:
    page = Page(render_html(result, Presentation(code=code)))  # type: ignore[arg-type]
    for name in DOCUMENTS:
        assert name in page.text
    assert word in page.text
    assert AS_OF in page.text


def test_each_language_says_it_in_its_own_words() -> None:
    english, *others = ([text for _, text in frameworks(language(code))] for code in NAMES)
    for told in others:
        assert not set(english) & set(told)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", AS_OF)
