"""An evaluation as terminal table, evaluation.json and evaluation.html."""

from collections.abc import Sequence
from pathlib import Path

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
from onnxmint.results.evaluation import EVALUATION, Evaluation, Method, MethodKind, PrivacyFacts
from onnxmint.stats.estimates import Estimate, Performance
from onnxmint.writing.folders import new_folder

_KINDS: dict[MethodKind, str] = {
    "signal": "closed-form signals",
    "reference": "with reference models",
    "module": "fitted MINT modules",
}
_CURVES = ("nonmember", "second")  # classes of curves beside the first module and the best signal
_DEPTH = ("member", "nonmember", "second")  # classes of curves of the modules that read layers
_SURE = 0.05

Measured = tuple[Method, Performance]
"""A method with what was measured of it."""


def evaluation_files(found: Evaluation) -> dict[str, bytes]:
    """Return evaluation.html and evaluation.json by name."""
    files = {"evaluation.html": render_evaluation(found), "evaluation.json": EVALUATION.write(found) + "\n"}
    return {name: content.encode() for name, content in files.items()}


def write_evaluation(found: Evaluation, folder: Path, *, overwrite: bool = False) -> list[Path]:
    """Write evaluation.html and evaluation.json into a new folder; return their paths.

    Raises:
        UsageError: there is something in the folder; results are replaced if `overwrite` says so.
        OnnxmintError: it cannot be written.
    """
    with new_folder(folder, overwrite=overwrite) as made:
        return made.finish(evaluation_files(found))


def print_evaluation(found: Evaluation, console: Console, *, files: Sequence[Path] = ()) -> None:
    """Print the table of methods, grouped by kind, and what it comes to."""
    print_evidence(found.evidence, console)
    for words, methods in _groups(found):
        rows = [(_mark(method), method.performance, method.skipped) for method in methods]
        print_rates(words, rows, console)
    console.print(Text("+ best of its kind on the fit part: best signal, best layer of a module", "dim"))
    console.print()
    print_controls(found.controls, console)
    if found.privacy is not None:
        console.print(Text(f"privacy: {visible(privacy_words(found.privacy))}"), width=min(console.width, WIDEST))
        console.print()
    headline, summary, _ = _verdict(_measured(found))
    console.print(Text.assemble((headline.upper(), "bold"), f"  {visible(summary)}"), width=min(console.width, WIDEST))
    console.print()
    print_warnings(found.warnings, console)
    print_files(files, console)


def privacy_words(found: PrivacyFacts) -> str:
    """Return the bound and its condition in words."""
    bound = found.bound
    if bound.epsilon:
        said = (
            f"Training was not (epsilon, {bound.delta:g})-differentially private for any epsilon below "
            f"{bound.epsilon:.2f} ({bound.confidence:.0%} confidence): {bound.right:,} of {bound.guesses:,} guesses "
            f"about {bound.canaries:,} images by {found.by} were right."
        )
    else:
        said = (
            f"No epsilon is refuted: guesses about {bound.canaries:,} images by {found.by} are right no more often "
            "than private training allows."
        )
    return f"{said} {found.condition}"


def _mark(method: Method) -> str:
    return f"{method.title} +" if method.chosen else method.title


def render_evaluation(found: Evaluation) -> str:
    """Return the page of an evaluation."""
    measured = _measured(found)
    signal, modules = _best_signal(measured), _modules(measured)
    first, others = (modules[0], modules[1:]) if modules else (signal, [])
    curves = list(zip(_CURVES, others, strict=False))
    depth = _by_depth(measured)
    headline, summary, tone = _verdict(measured)
    drawn = [first, *([signal] if modules else [])]
    return (
        environment()
        .get_template("evaluation.html")
        .render(
            result=found,
            headline=headline,
            summary=summary,
            tone=tone,
            best=max(drawn, key=_auc_of)[0],
            groups=_groups(found),
            privacy=None if found.privacy is None else privacy_words(found.privacy),
            test=next((method.difference.test for method, _ in measured if method.difference is not None), None),
            roc=roc_chart(
                first[1], signal[1] if modules else None, [(kind, performance) for kind, (_, performance) in curves]
            ),
            legend=[
                ("member", first[0].title),
                *([("baseline", signal[0].title)] if modules else []),
                *((kind, method.title) for kind, (method, _) in curves),
            ],
            histograms=[
                (method.title, histogram_chart(method.histogram)) for method, _ in drawn if method.histogram is not None
            ],
            depth=depth_chart(depth, _auc_of(signal)) if depth else None,
            depth_legend=[
                *((kind, module) for kind, module in zip(_DEPTH, _readers(measured), strict=False) if kind in depth),
                ("baseline", signal[0].title),
            ],
        )
    )


def _groups(found: Evaluation) -> list[tuple[str, list[Method]]]:
    kinds = {kind: [method for method in found.methods if method.kind == kind] for kind in _KINDS}
    return [(_KINDS[kind], methods) for kind, methods in kinds.items() if methods]


def _measured(found: Evaluation) -> list[Measured]:
    return [(method, method.performance) for method in found.methods if method.performance is not None]


def _auc_of(row: Measured) -> float:
    return row[1].auc.value


def _best_signal(measured: Sequence[Measured]) -> Measured:
    return next(row for row in measured if row[0].kind == "signal" and row[0].chosen)


def _modules(measured: Sequence[Measured]) -> list[Measured]:
    return [row for row in measured if row[0].kind == "module" and row[0].chosen]


def _readers(measured: Sequence[Measured]) -> list[str]:
    """Return the modules that read layers."""
    return list(dict.fromkeys(method.module for method, _ in measured if method.module and method.depth is not None))


def _by_depth(measured: Sequence[Measured]) -> dict[str, list[tuple[float, Estimate]]]:
    """Return depth and AUC of the modules that read layers, if any read more than one: class of the curve -> rows."""
    found = {}
    for kind, module in zip(_DEPTH, _readers(measured), strict=False):
        rows = [
            (method.depth, performance.auc)
            for method, performance in measured
            if method.module == module and method.depth is not None
        ]
        if len(rows) > 1:
            found[kind] = sorted(rows, key=lambda row: row[0])
    return found


def _verdict(measured: Sequence[Measured]) -> tuple[str, str, str]:
    """Return headline, sentence and class in the style sheet: the module beside the best signal."""
    signal, of_signal = _best_signal(measured)
    told = f"{signal.title}, the best closed-form signal, has AUC {_auc(of_signal.auc)}"
    modules = _modules(measured)
    if not modules:
        return "Signals compared", f"{told}.", "no-evidence"
    module, of_module = max(modules, key=lambda row: row[0].fit_auc or 0)
    words, gain = f"{module.title} has AUC {_auc(of_module.auc)}; {told}", module.difference
    if gain is None or max(of_module.auc.low, of_signal.auc.low) <= 1 / 2:
        return "Nothing found", f"{words}. Neither tells members from non-members beyond doubt.", "inconclusive"
    p = f"difference {gain.value:+.3f}, {gain.low:+.3f} to {gain.high:+.3f}"
    if gain.p_value <= _SURE and gain.value > 0:
        return "The module is better than any signal", f"{words} ({p}).", "members-found"
    if gain.p_value <= _SURE:
        return "A simple signal is better", f"{words} ({p}): take the signal.", "no-evidence"
    return "No better than a simple signal", f"{words} ({p}): the module adds nothing that is sure.", "no-evidence"


def _auc(auc: Estimate) -> str:
    return f"{auc.value:.3f} ({auc.low:.3f} to {auc.high:.3f})"
