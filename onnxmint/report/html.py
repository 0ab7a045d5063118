"""The report as one HTML page: no network, no script, every foreign word escaped and visible."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from onnxmint.report.charts import histogram_chart, interval_bar, roc_chart
from onnxmint.report.names import visible
from onnxmint.results.audit import AuditResult, Histogram, ScoreTable, VerdictKind
from onnxmint.results.facts import Baseline
from onnxmint.results.json import plain

SHOWN = 200  # questioned images on the page; the rest is in scores.parquet
_SMALLEST_P = 1e-4

HEADLINES: Mapping[VerdictKind, str] = {
    "members-found": "Training images found",
    "no-evidence": "No evidence of training images",
    "inconclusive": "Inconclusive",
}


def render_html(result: AuditResult) -> str:
    """Return the page of an audit."""
    scores, histogram = result.scores, result.histogram
    rival = _best_baseline(result.baselines)
    return (
        environment()
        .get_template("audit.html")
        .render(
            result=result,
            headline=HEADLINES[result.verdict.kind],
            rows=_rows(scores),
            shown=SHOWN,
            has_labels=scores.label is not None,
            has_ratio=scores.likelihood_ratio is not None,
            rival=rival,
            roc=None
            if result.performance is None
            else roc_chart(result.performance, None if rival is None else rival.performance),
            histogram=histogram_chart(histogram, scores.score[scores.flagged].min() if scores.flagged.any() else None),
            bins=_bins(histogram),
        )
    )


def environment() -> Environment:
    """Return what renders the pages: autoescape on, every foreign word made visible."""
    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"pretty": _pretty, "count": _count, "percent": _percent, "p_value": _p_value, "share": _share}
    made.globals["interval_bar"] = interval_bar
    return made


def _rows(scores: ScoreTable) -> list[dict[str, object]]:
    """Return the images with the smallest p-values, the highest scores first among equal ones."""
    order = np.lexsort((-scores.score, scores.p_value))[:SHOWN].tolist()
    columns = {column.name: getattr(scores, column.name) for column in fields(scores)}
    return [{name: None if values is None else values[row] for name, values in columns.items()} for row in order]


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


def _count(value: int) -> str:
    return f"{value:,}"


def _percent(share: float) -> str:
    return f"{share:.1%}"


def _share(value: float) -> str:
    tenth = 0.1
    return f"{value:.1%}" if 0 < value < tenth else f"{value:.0%}"


def _p_value(value: float) -> str:
    return f"< {_SMALLEST_P:.4f}" if value < _SMALLEST_P else f"{value:.4f}"
