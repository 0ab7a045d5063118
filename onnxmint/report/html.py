"""The report as one HTML page: no network, no script, every foreign word escaped and visible."""

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from onnxmint.report import answer, assumptions, sentences
from onnxmint.report.charts import histogram_chart, interval_bar, roc_chart
from onnxmint.report.citation import bibtex
from onnxmint.report.glossary import glossary, threat
from onnxmint.report.helping import helpful
from onnxmint.report.language import Language, LanguageName, language
from onnxmint.report.names import visible
from onnxmint.report.presentation import Presentation
from onnxmint.report.registration import registration_words
from onnxmint.report.share_bar import share_bar
from onnxmint.report.strips import strips
from onnxmint.report.subjects import asked_for, false_ones, subject_rows
from onnxmint.report.writable import paragraphs
from onnxmint.results.audit import AuditResult, Histogram, ScoreTable
from onnxmint.results.facts import Baseline
from onnxmint.results.json import plain

FIRST = 25  # questioned images that are shown at once, and in print
SHOWN = 200  # questioned images on the page; the rest is in scores.parquet


def render_html(result: AuditResult, shown: Presentation | None = None) -> str:
    """Return the page of an audit.

    Args:
        result: the audit.
        shown: language, title, pictures; English and none when None.
    """
    shown = shown or Presentation()
    words, scores, histogram = shown.language, result.scores, result.histogram
    rival = _best_baseline(result.baselines)
    flagged_from = scores.score[scores.flagged].min() if scores.flagged.any() else None
    measured = result.performance
    return (
        environment(shown.code)
        .get_template("audit.html")
        .render(
            **_answered(result, words),
            result=result,
            footer=footer(result.target.sha256, result.created),
            registration=registration_words(result.registration),
            bibtex=bibtex(result.version),
            title=shown.title,
            case=shown.case,
            note=shown.note,
            strips=strips(result, shown.pictures, words),
            rows=_rows(scores),
            first=FIRST,
            shown=SHOWN,
            has_labels=scores.label is not None,
            has_ratio=scores.likelihood_ratio is not None,
            class_name=_class_names(result),
            rival=rival,
            roc=measured and roc_chart(measured, None if rival is None else rival.performance, words=words),
            histogram=histogram_chart(histogram, flagged_from, words=words),
            bins=_bins(histogram),
        )
    )


def footer(sha256: str, created: str) -> str:
    """Return what stands below every printed page, in a style sheet: nothing of an edited file can act there."""
    said = f"{sha256[:12]} {created[:10]}"
    return "model " + "".join(letter for letter in said if letter.isalnum() or letter in " -")


def _answered(result: AuditResult, words: Language) -> dict[str, object]:
    """Return the parts of the answer in words."""
    share = answer.share_shown(result, words)
    return {
        "name": sentences.verdict_name(result.verdict.kind, words),
        "sentence": sentences.sentence(result, words),
        "rate": answer.first_words(answer.error_rate(result, words)),
        "not_meant": answer.not_meant(result, words),
        "opinions": answer.second_opinions(result, words),
        "share": share,
        "bar": share_bar(share, words),
        "noticed": share.noticed_words,
        "images": answer.units_words(result, words),
        "drawn": answer.drawn_words(result, words),
        "flagged": answer.flagged_words(result, words),
        "cost": answer.cost_words(result, words),
        "calibration": answer.calibration_words(result, words),
        "helpful": helpful(result, words),
        "checks": assumptions.checks_line(result.controls, words),
        "all_passed": not any(control.passed is False for control in result.controls),
        "stopping": assumptions.stopping_names(result.controls, words),
        "check_name": lambda control: assumptions.check_name(control, words),
        "assumptions": assumptions.assumptions(result, words),
        "paragraphs": paragraphs(result, words),
        "glossary": glossary(words),
        "threat": threat(words),
        "subjects": subject_rows(result.subjects, words),
        "false_ones": "" if result.subjects is None else false_ones(result.subjects, words),
        "asked_for": None if result.subjects is None else asked_for(result.subjects, words),
    }


@functools.cache
def environment(code: LanguageName = "en") -> Environment:
    """Return what renders the pages of a language: autoescape on, every foreign word made visible."""
    words = language(code)
    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "pretty": _pretty,
        "count": words.number,
        "percent": lambda share: words.percent(share, 1),
        "p_value": words.bare_p_value,
        "share": words.share,
        "decimal": words.decimal,
        "level": words.level,
        "rounded": words.rounded,
    }
    made.globals |= {"interval_bar": interval_bar, "say": words.say, "several": words.several, "lang": words.code}
    return made


def _rows(scores: ScoreTable) -> list[dict[str, object]]:
    """Return the images with the smallest p-values, the highest scores first among equal ones."""
    order = np.lexsort((-scores.score, scores.p_value))[:SHOWN].tolist()
    columns = {column.name: getattr(scores, column.name) for column in fields(scores)}
    return [{name: None if values is None else values[row] for name, values in columns.items()} for row in order]


def _class_names(result: AuditResult) -> Any:
    """Return what names a class, by its number where it has no name."""
    names: Mapping[int, str] = dict(enumerate(result.class_names))
    return lambda number: names.get(int(number)) or str(number)


def _best_baseline(baselines: Sequence[Baseline]) -> Baseline | None:
    measured = [(row.performance.auc.value, row) for row in baselines if row.performance is not None]
    return max(measured, key=lambda pair: pair[0], default=(0.0, None))[1]


def _bins(histogram: Histogram) -> list[tuple[float, ...]]:
    """Return low end, high end, non-members, members and questioned images of every bin."""
    edges, none = histogram.edges, np.zeros(len(histogram.member), np.int64)
    questioned = none if histogram.questioned is None else histogram.questioned
    columns = (edges[:-1], edges[1:], histogram.nonmember, histogram.member, questioned)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def _visible(value: Any) -> Any:
    """Write out what would hide or act in every word that goes onto the page."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _pretty(facts: object) -> Markup:
    """Return one line for each field of a value."""
    rows = plain(facts).items()
    return escape("\n".join(visible(f"{key}: {json.dumps(value, ensure_ascii=False)}") for key, value in rows))
