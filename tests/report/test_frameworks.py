"""The appendix names documents and says where the report answers, in every language, and advises nobody."""

import re

import pytest

from onnxmint.report.frameworks import AS_OF, frameworks
from onnxmint.report.html import render_html
from onnxmint.report.language import NAMES, language
from onnxmint.report.presentation import Presentation
from onnxmint.results.audit import AuditResult
from tests.report.test_html import Page

EVERYWHERE = ("ISO/IEC 42001:2023 A.7.3", "NIST AI RMF 1.0 MEASURE 2.7, 2.10", "MITRE ATLAS AML.T0024.000",
              "OWASP ML04:2023 Membership Inference Attack", "28/2024", "2024/1689")  # fmt: skip
LAW = {
    "en": ("GDPR art. 5(2) and 15", "EDPB Opinion", "art. 9(8)", "art. 53(1)(d)", "24 July 2025"),
    "de": ("DSGVO Art. 5 Abs. 2 und Art. 15", "Art. 9 Abs. 8", "Art. 53 Abs. 1 Buchst. d", "24. Juli 2025"),
    "fr": ("RGPD, art. 5, par. 2, et art. 15", "art. 9, par. 8", "art. 53, par. 1, point d)", "24 juillet 2025"),
    "es": ("RGPD, art. 5, apartado 2, y art. 15", "art. 9, apartado 8", "letra d)", "24 de julio de 2025"),
}


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
    for name in (*EVERYWHERE, *LAW[code]):
        assert name in page.text
    assert word in page.text
    assert AS_OF in page.text


def test_each_language_says_it_in_its_own_words() -> None:
    english, *others = ([one.text for one in frameworks(language(code))] for code in NAMES)
    for told in others:
        assert not set(english) & set(told)
    assert {one.lang for one in frameworks(language("en"))} == {None}
    assert [one.lang for one in frameworks(language("de"))] == [None] * 3 + ["en"] * 4
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", AS_OF)
