"""The report as one HTML page: no network, no script, every foreign word escaped and visible."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from onnxmint.report.charts import histogram_chart, interval_bar, roc_chart
from onnxmint.report.names import visible

SHOWN = 200  # questioned images on the page; the rest is in scores.parquet
_SMALLEST_P = 1e-4

HEADLINES = {
    "members-found": "Training images found",
    "no-evidence": "No evidence of training images",
    "inconclusive": "Inconclusive",
}


def render_html(report: Mapping[str, Any], scores: Mapping[str, list[Any]]) -> str:
    """Return the page.

    Args:
        report: content of report.json.
        scores: columns of scores.parquet.
    """
    rows = [{name: column[row] for name, column in scores.items()} for row in _by_p_value(scores)[:SHOWN]]
    flagged = [score for score, flag in zip(scores["score"], scores["flagged"], strict=True) if flag]
    rival = _best_baseline(report["baselines"])
    histogram = report["histogram"]
    return (
        environment()
        .get_template("audit.html")
        .render(
            report=report,
            headline=HEADLINES[report["verdict"]["kind"]],
            rows=rows,
            shown=SHOWN,
            has_labels=any(label is not None for label in scores["label"]),
            rival=rival,
            roc=roc_chart(report["performance"], rival),
            histogram=histogram_chart(histogram, min(flagged, default=None)),
            bins=list(zip(*_bins(histogram), strict=True)),
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


def _by_p_value(scores: Mapping[str, list[Any]]) -> list[int]:
    return sorted(range(len(scores["path"])), key=lambda row: (scores["p_value"][row], -scores["score"][row]))


def _best_baseline(baselines: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    measured = [row for row in baselines if "auc" in row]
    return max(measured, key=lambda row: row["auc"]["value"], default=None)


def _bins(histogram: Mapping[str, Any]) -> list[Sequence[float]]:
    edges = histogram["edges"]
    return [edges[:-1], edges[1:], histogram["nonmember"], histogram["member"], histogram["questioned"]]


def _visible(value: Any) -> Any:
    """Write out what would hide or act in every word that goes onto the page."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _pretty(facts: Mapping[str, Any]) -> Markup:
    """Return one line for each fact."""
    return escape("\n".join(visible(f"{key}: {json.dumps(value, ensure_ascii=False)}") for key, value in facts.items()))


def _count(value: int) -> str:
    return f"{value:,}"


def _percent(share: float) -> str:
    return f"{share:.1%}"


def _share(value: float) -> str:
    tenth = 0.1
    return f"{value:.1%}" if 0 < value < tenth else f"{value:.0%}"


def _p_value(value: float) -> str:
    return f"< {_SMALLEST_P:.4f}" if value < _SMALLEST_P else f"{value:.4f}"
