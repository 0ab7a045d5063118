"""An evaluation as terminal table, evaluation.json and evaluation.html."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from onnxmint.report.charts import depth_chart, histogram_chart, roc_chart
from onnxmint.report.html import environment
from onnxmint.report.names import visible
from onnxmint.report.terminal import (
    WIDEST,
    print_controls,
    print_evidence,
    print_files,
    print_rates,
    print_warnings,
)
from onnxmint.results.evaluation import Evaluation
from onnxmint.writing import atomic_write, make_folder

_KINDS = {
    "signal": "closed-form signals",
    "reference": "with reference models",
    "module": "fitted MINT modules",
}
_CURVES = ("nonmember", "second")  # classes of curves beside the first module and the best signal
_SURE = 0.05

Row = Mapping[str, Any]


def write_evaluation(found: Evaluation, folder: Path) -> list[Path]:
    """Write evaluation.html and evaluation.json; return their paths.

    Raises:
        OnnxmintError: a file cannot be written.
    """
    make_folder(folder)
    report = found.to_dict()
    files = {
        "evaluation.html": render_evaluation(report).encode(),
        "evaluation.json": (json.dumps(report, indent=1, allow_nan=False) + "\n").encode(),
    }
    for name, content in files.items():
        atomic_write(folder / name, content)
    return [folder / name for name in files]


def print_evaluation(found: Evaluation, console: Console, *, files: Sequence[Path] = ()) -> None:
    """Print the table of methods, grouped by kind, and what it comes to."""
    report = found.to_dict()
    print_evidence(found.evidence, console)
    for words, rows in _groups(report):
        measured = [method for method in found.methods if method.kind == rows[0]["kind"]]
        print_rates(
            words,
            [(_mark(method.title, method.chosen), method.performance, method.skipped) for method in measured],
            console,
        )
    console.print(Text("+ best of its kind on the fit part: best signal, best layer of a module", "dim"))
    console.print()
    print_controls(found.controls, console)
    headline, summary, _ = _verdict(report)
    console.print(Text.assemble((headline.upper(), "bold"), f"  {visible(summary)}"), width=min(console.width, WIDEST))
    console.print()
    print_warnings(found.warnings, console)
    print_files(files, console)


def _mark(title: str, chosen: bool) -> str:
    return f"{title} +" if chosen else title


def render_evaluation(report: Mapping[str, Any]) -> str:
    """Return the page for the content of evaluation.json."""
    measured = [row for row in report["methods"] if "auc" in row]
    best_signal = _best_signal(measured)
    modules = [row for row in measured if row["kind"] == "module" and row["chosen"]]
    first, others = (modules[0], modules[1:]) if modules else (best_signal, [])
    curves = list(zip(_CURVES, others, strict=False))
    depth = _by_depth(measured)
    headline, summary, tone = _verdict(report)
    drawn = [first, *([best_signal] if modules else [])]
    return (
        environment()
        .get_template("evaluation.html")
        .render(
            report=report,
            headline=headline,
            summary=summary,
            tone=tone,
            best=max(drawn, key=lambda row: row["auc"]["value"]),
            groups=_groups(report),
            test=next((row["against_best_signal"]["test"] for row in measured if "against_best_signal" in row), None),
            roc=roc_chart(first, best_signal if modules else None, curves),
            legend=[
                ("member", first["title"]),
                *([("baseline", best_signal["title"])] if modules else []),
                *((kind, row["title"]) for kind, row in curves),
            ],
            histograms=[(row["title"], histogram_chart(row["histogram"])) for row in drawn],
            depth=depth_chart(depth, best_signal["auc"]["value"]) if depth else None,
            depth_legend=[
                *((kind, rows[0]["name"].split(":")[0]) for kind, rows in depth.items()),
                ("baseline", best_signal["title"]),
            ],
        )
    )


def _groups(report: Mapping[str, Any]) -> list[tuple[str, list[Row]]]:
    kinds = {kind: [row for row in report["methods"] if row["kind"] == kind] for kind in _KINDS}
    return [(_KINDS[kind], rows) for kind, rows in kinds.items() if rows]


def _best_signal(measured: Sequence[Row]) -> Row:
    return next(row for row in measured if row["kind"] == "signal" and row["chosen"])


def _by_depth(measured: Sequence[Row]) -> dict[str, list[Row]]:
    """Return the modules that read layers, if any read more than one: class of the curve -> rows."""
    found = {}
    for kind, name in zip(("member", "nonmember"), ("cnn", "vanilla"), strict=True):
        rows = [row for row in measured if row["name"].startswith(f"{name}:")]
        if len(rows) > 1:
            found[kind] = sorted(rows, key=lambda row: row["depth"])
    return found


def _verdict(report: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return headline, sentence and class in the style sheet: the module beside the best signal."""
    measured = [row for row in report["methods"] if "auc" in row]
    signal = _best_signal(measured)
    modules = [row for row in measured if row["kind"] == "module" and row["chosen"]]
    told = f"{signal['title']}, the best closed-form signal, has AUC {_auc(signal)}"
    if not modules:
        return "Signals compared", f"{told}.", "no-evidence"
    module = max(modules, key=lambda row: row["fit_auc"] or 0)
    gain = module["against_best_signal"]
    words = f"{module['title']} has AUC {_auc(module)}; {told}"
    if max(module["auc"]["low"], signal["auc"]["low"]) <= 1 / 2:
        return "Nothing found", f"{words}. Neither tells members from non-members beyond doubt.", "inconclusive"
    p = f"difference {gain['value']:+.3f}, {gain['low']:+.3f} to {gain['high']:+.3f}"
    if gain["p_value"] <= _SURE and gain["value"] > 0:
        return "The module is better than any signal", f"{words} ({p}).", "members-found"
    if gain["p_value"] <= _SURE:
        return "A simple signal is better", f"{words} ({p}): take the signal.", "no-evidence"
    return "No better than a simple signal", f"{words} ({p}): the module adds nothing that is sure.", "no-evidence"


def _auc(row: Row) -> str:
    auc = row["auc"]
    return f"{auc['value']:.3f} ({auc['low']:.3f} to {auc['high']:.3f})"
