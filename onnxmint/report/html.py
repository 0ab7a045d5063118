"""The report as one HTML page: no network, no script, every foreign word escaped."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from onnxmint.report.charts import histogram_chart, roc_chart

SHOWN = 200  # questioned images on the page; the rest is in scores.parquet


def render_html(report: Mapping[str, Any], scores: Mapping[str, list[Any]]) -> str:
    """Return the page.

    Args:
        report: content of report.json.
        scores: columns of scores.parquet.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["pretty"] = lambda value: json.dumps(value, indent=1, ensure_ascii=False)
    order = sorted(range(len(scores["path"])), key=lambda row: (scores["p_value"][row], -scores["score"][row]))
    rows = [{name: column[row] for name, column in scores.items()} for row in order[:SHOWN]]
    return environment.get_template("template.html").render(
        report=report,
        rows=rows,
        shown=SHOWN,
        has_labels=any(label is not None for label in scores["label"]),
        headline=_HEADLINES[report["verdict"]["kind"]],
        roc=roc_chart(report["performance"], report["performance"]["test"]["nonmembers"]),
        histogram=histogram_chart(report["histogram"]),
    )


_HEADLINES = {
    "members-found": "Training images found",
    "no-evidence": "No evidence of training images",
    "inconclusive": "Inconclusive",
}
