"""A comparison of two models as terminal table, page and files."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from onnxmint.places.remote import AnyPath
from onnxmint.report.citation import bibtex
from onnxmint.report.html import environment
from onnxmint.report.manifest import comparison_manifest
from onnxmint.report.names import visible
from onnxmint.report.terminal import WIDEST, print_controls, print_files, print_text, print_warnings
from onnxmint.results.comparison import COMPARISON, ChangeVerdict, ComparedSet, Comparison, SetName
from onnxmint.results.comparison_file import NAME as SCORES
from onnxmint.results.comparison_file import write_compared
from onnxmint.results.manifest import NAME
from onnxmint.stats.estimates import Measured
from onnxmint.stats.paired import ACCURACY, AUC, GAP, RATES, SHARE, Change
from onnxmint.writing.folders import new_folder

SETS: Mapping[SetName, str] = {
    "forget": "to be forgotten",
    "members": "trained on by both",
    "non-members": "held out",
}
_MEASURES = {AUC: "AUC", SHARE: "share that looks like members", GAP: "mean score above held-out", ACCURACY: "accuracy"}
_COLOURS = {"members-found": "red", "no-evidence": "cyan", "inconclusive": "yellow"}
_TONES = {"more": "members-found", "above": "members-found", "less": "no-evidence", "below": "no-evidence"}


def comparison_files(found: Comparison, command: Mapping[str, object] | None = None) -> dict[str, bytes]:
    """Return the files of a comparison by name: the page, a row a measure, a row an image, all of it as JSON, hashes.

    Args:
        found: the comparison.
        command: its words, for the manifest.
    """
    files = {
        **readable_comparison(found),
        SCORES: write_compared(found),
        "comparison.json": (COMPARISON.write(found) + "\n").encode(),
    }
    return files | {NAME: comparison_manifest(found, files, command or {})}


def readable_comparison(found: Comparison) -> dict[str, bytes]:
    """Return what people read of a comparison."""
    return {
        "comparison.html": render_comparison(found).encode(),
        "comparison.csv": _comma_separated(found).encode(),
    }


def write_comparison(found: Comparison, folder: Path, *, overwrite: bool = False) -> list[Path]:
    """Write the files of a comparison into a new folder; return their paths.

    Raises:
        UsageError: there is something in the folder; results are replaced if `overwrite` says so.
        OnnxmintError: it cannot be written.
    """
    with new_folder(folder, overwrite=overwrite) as made:
        return made.finish(comparison_files(found))


def print_comparison(found: Comparison, console: Console, *, files: Sequence[AnyPath] = ()) -> None:
    """Print both models, every set with its changes, and last what it comes to."""
    width = min(console.width, WIDEST)
    for name, model in (("first", found.before), ("second", found.after)):
        right = "" if model.accuracy is None else f", right on {model.accuracy:.1%} of the held-out images"
        told = f"{name:<8}{Path(model.target.path).name}, SHA-256 {model.target.sha256[:12]}{right}"
        console.print(Text(visible(told)), width=width)
    console.print(Text(visible(f"score   {found.settings.title}"), "dim"), width=width)
    console.print()
    for one in found.sets:
        _print_set(one, console)
    print_controls(found.controls, console)
    print_warnings(found.warnings, console)
    print_files(files, console)
    console.print()
    print_text(Text(visible(found.verdict.text)), console)
    for limit in found.verdict.limits:
        print_text(Text(visible(limit.text)), console)
    style = _COLOURS[tone_of(found.verdict)]
    console.print(Text(visible(found.verdict.headline), f"bold {style}"), width=width)


def tone_of(verdict: ChangeVerdict) -> str:
    """Return the class in the style sheet: more is given away, less, or neither can be said."""
    return _TONES.get(verdict.kind, "inconclusive")


def measure_words(measure: str) -> str:
    """Return what a reader calls a measure."""
    return f"TPR at {100 * RATES[measure]:g}% FPR" if measure in RATES else _MEASURES[measure]


def number_words(measure: str, found: Measured, *, signed: bool = False) -> tuple[str, str]:
    """Return a number and its interval; shares in percent."""
    if measure in (AUC, GAP):
        sign = "+" if signed else ""
        value, ends = (
            f"{found.value:{sign}.3f}",
            [f"{end:{sign}.3f}" for end in (found.low, found.high) if end is not None],
        )
    else:
        sign = "+" if signed else ""
        value = f"{100 * found.value:{sign}.1f}%"
        ends = [f"{100 * end:{sign}.1f}" for end in (found.low, found.high) if end is not None]
    star = "*" if found.thin else ""
    return f"{value}{star}", " to ".join(ends) or "no interval"


def _print_set(one: ComparedSet, console: Console) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column(f"{one.images:,} {SETS[one.name]}")
    for head in ("first", "second", "difference", "95% interval"):
        table.add_column(head, justify="right", no_wrap=True)
    for change in one.changes:
        table.add_row(Text(measure_words(change.measure)), *_cells(change))
    console.print(table, width=min(console.width, WIDEST))
    if one.alike is not None:
        told = f"rank correlation of their scores in the two models: {one.alike:.2f}"
        console.print(Text(told, "dim"), width=min(console.width, WIDEST))
    if any(change.difference.thin for change in one.changes):
        console.print(Text("* under 10 false alarms expected among the held-out images", "dim"))
    console.print()


def _cells(change: Change) -> list[str]:
    difference, interval = number_words(change.measure, change.difference, signed=True)
    models = [number_words(change.measure, one)[0] for one in (change.before, change.after)]
    return [*models, difference, interval]


def render_comparison(found: Comparison) -> str:
    """Return the page of a comparison."""
    return (
        environment()
        .get_template("comparison.html")
        .render(
            result=found,
            models=[("first", found.before), ("second", found.after)],
            names={"first": Path(found.before.target.path).name, "second": Path(found.after.target.path).name},
            tone=tone_of(found.verdict),
            sets=SETS,
            measure=measure_words,
            number=number_words,
            judged=found.judged(),
            bibtex=bibtex(found.version),
        )
    )


def _comma_separated(found: Comparison) -> str:
    table, text = found.table(), io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.column_names)
    writer.writerows(row.values() for row in table.to_pylist())
    return text.getvalue()
