"""In print the report has four pages, of which the first holds the answer, as Chromium prints it."""

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from onnxmint.report.html import render_html
from onnxmint.report.presentation import Presentation
from onnxmint.results.audit import AuditResult
from tests.report.reasons import LANGUAGES, of_reason
from tests.report.test_pictures import thumbnails

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
WORDS = ("--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer")


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium, which prints the page")
@pytest.mark.parametrize("code", LANGUAGES)
@pytest.mark.parametrize("reason", ["found", "stopped"])
def test_a_report_is_printed_on_four_pages(result: AuditResult, tmp_path: Path, code: Any, reason: Any) -> None:
    audit = of_reason(result, reason)
    if reason == "stopped":  # which opens the checks
        long = "What was found, in words. " * 6
        audit = replace(audit, controls=tuple(replace(one, text=long) for one in audit.controls))
    page, printed = tmp_path / "report.html", tmp_path / "report.pdf"
    shown = Presentation(code=code, title="Smith v. ACME", case="2026-114", pictures=thumbnails(tmp_path, audit.scores))
    page.write_text(render_html(audit, shown))
    words = [*WORDS, f"--user-data-dir={tmp_path / 'profile'}", f"--print-to-pdf={printed}", page.as_uri()]
    subprocess.run([str(CHROMIUM), *words], check=True, capture_output=True, timeout=120)
    pages = re.findall(rb"/Type\s*/Page\b", printed.read_bytes())
    assert 2 <= len(pages) <= 4
