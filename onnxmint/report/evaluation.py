"""An evaluation as terminal table, page and files."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from onnxmint.places.remote import AnyPath
from onnxmint.report.charts import depth_chart, histogram_chart, roc_chart, tells_by_shape
from onnxmint.report.citation import bibtex
from onnxmint.report.formats import comma_separated, parquet
from onnxmint.report.html import environment, footer
from onnxmint.report.manifest import evaluation_manifest
from onnxmint.report.names import visible
from onnxmint.report.overview import overview_chart
from onnxmint.report.terminal import (
    WIDEST,
    print_controls,
    print_evidence,
    print_files,
    print_headline,
    print_rates,
    print_text,
    print_warnings,
)
from onnxmint.results.evaluation import EVALUATION, Evaluation, PrivacyFacts
from onnxmint.results.leak import LeakVerdict
from onnxmint.results.manifest import NAME
from onnxmint.results.methods import Method, MethodKind
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
_NUMBERS = 40  # columns of the numbers of several seeds

Measured = tuple[Method, Performance]
"""A method with what was measured of it."""


def evaluation_files(found: Evaluation, command: Mapping[str, object] | None = None) -> dict[str, bytes]:
    """Return the files of an evaluation by name: the page, a row a method, a row an image, all of it as JSON, hashes.

    Args:
        found: the evaluation.
        command: its words, for the manifest.
    """
    files = {
        "evaluation.html": render_evaluation(found).encode(),
        "evaluation.csv": comma_separated(found).encode(),
        "evaluation.parquet": parquet(found),
        "evaluation.json": (EVALUATION.write(found) + "\n").encode(),
    }
    return files | {NAME: evaluation_manifest(found, files, command or {})}


def write_evaluation(found: Evaluation, folder: Path, *, overwrite: bool = False) -> list[Path]:
    """Write the files of an evaluation into a new folder; return their paths.

    Raises:
        UsageError: there is something in the folder; results are replaced if `overwrite` says so.
        OnnxmintError: it cannot be written.
    """
    with new_folder(folder, overwrite=overwrite) as made:
        return made.finish(evaluation_files(found))


def print_evaluation(found: Evaluation, console: Console, *, files: Sequence[AnyPath] = ()) -> None:
    """Print the table of methods, grouped by kind, and last what it comes to."""
    print_evidence(found.evidence, console)
    for words, methods in _groups(found):
        there = [method for method in methods if method.performance is not None]
        print_rates(words, [(_mark(method, found), method.performance, None) for method in there], console)
        _print_skipped(methods, console)
    console.print(Text("+ best signal, best with references, best layer of a module: on the fit part", "dim"))
    console.print()
    _print_repeated(found, console)
    print_controls(found.controls, console)
    print_text(Text(visible(compared(found))), console)
    if found.privacy is not None:
        print_text(Text(f"privacy: {visible(privacy_words(found.privacy))}"), console)
    print_warnings(found.warnings, console)
    print_files(files, console)
    console.print()
    verdict = found.verdict
    print_text(Text(visible(verdict.text)), console)
    for limit in verdict.limits:
        print_text(Text(visible(limit.text)), console)
    print_headline(verdict.headline, tone_of(verdict), console)


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


def _print_skipped(methods: Sequence[Method], console: Console) -> None:
    """Print why methods were skipped, one line a reason."""
    reasons: dict[str, list[str]] = {}
    for method in methods:
        if method.performance is None:
            reasons.setdefault(method.skipped or "no reason given", []).append(method.title)
    for reason, titles in reasons.items():
        words = f"skipped: {visible(reason)} ({visible(', '.join(titles))})"
        console.print(Text(words, "dim"), width=min(console.width, WIDEST))
    if reasons:
        console.print()


def _print_repeated(found: Evaluation, console: Console) -> None:
    """Print mean and range over several seeds, the largest mean first."""
    if not found.repeated:
        return
    seeds = len(found.repeated[0].auc)
    room = min(console.width, WIDEST) - _NUMBERS
    heads = f"{'mean AUC':>10}{'smallest':>11}{'largest':>10}{'judged':>9}"
    console.print(Text(f"{f'over {seeds} seeds':<{room}}{heads}", "dim"))
    for title, spread, judged in over_seeds(found):
        mean, low, high = spread
        shown = visible(title)
        if cell_len(shown) > room:
            console.print(Text(shown))
            shown = ""
        numbers = f"{mean:>10.3f}{low:>11.3f}{high:>10.3f}{f'{judged} of {seeds}':>9}"
        console.print(Text(f"{shown}{' ' * max(room - cell_len(shown), 0)}{numbers}"))
    console.print()


def over_seeds(found: Evaluation) -> list[tuple[str, tuple[float, float, float], int]]:
    """Return title, (mean, smallest, largest) AUC and how often it was judged of every method, the best first."""
    titles = {method.name: method.title for method in found.methods}
    rows = [(titles[one.name], one.spread(one.auc), one.judged) for one in found.repeated]
    there = [(title, spread, judged) for title, spread, judged in rows if spread is not None]
    return sorted(there, key=lambda row: -row[1][0])


def _mark(method: Method, found: Evaluation) -> str:
    if method.name == found.verdict.method:
        return f"{method.title} (judged)"
    return f"{method.title} +" if method.chosen else method.title


def render_evaluation(found: Evaluation) -> str:
    """Return the page of an evaluation."""
    measured = _measured(found)
    signal, modules, judged = _best_signal(measured), _modules(measured), _judged(found, measured)
    others = [row for row in modules if row is not judged]
    curves = list(zip(_CURVES, others, strict=False))
    depth = _by_depth(measured)
    against = signal if judged is not signal else None
    return (
        environment()
        .get_template("evaluation.html")
        .render(
            result=found,
            footer=footer(found.target.sha256, found.created),
            model=Path(found.target.path).name,
            tone=tone_of(found.verdict),
            comparison=compared(found),
            judged=judged[0],
            chosen_as={method.name: _chosen_as(method, found) for method in found.methods},
            groups=_groups(found),
            privacy=None if found.privacy is None else privacy_words(found.privacy),
            overview=overview_chart(measured, found.verdict.method),
            over_seeds=over_seeds(found),
            seeds=len(found.repeated[0].auc) if found.repeated else 1,
            test=next((method.difference.test for method, _ in measured if method.difference is not None), None),
            roc=roc_chart(
                judged[1],
                None if against is None else against[1],
                [(kind, performance) for kind, (_, performance) in curves],
            ),
            legend=[
                ("member", judged[0].title),
                *([("baseline", against[0].title)] if against is not None else []),
                *((kind, method.title) for kind, (method, _) in curves),
            ],
            histograms=[
                (method.title, histogram_chart(method.histogram))
                for method, _ in (judged, *([against] if against is not None else []))
                if method.histogram is not None and tells_by_shape(method.histogram)
            ],
            depth=depth_chart(depth, _auc_of(signal)) if depth else None,
            depth_legend=[
                *((kind, module) for kind, module in zip(_DEPTH, _readers(measured), strict=False) if kind in depth),
                ("baseline", signal[0].title),
            ],
            bibtex=bibtex(found.version),
        )
    )


def tone_of(verdict: LeakVerdict) -> str:
    """Return the class in the style sheet: found, nothing seen, or neither."""
    return {"leak": "members-found", "above": "members-found", "unsettled": "inconclusive"}.get(
        verdict.kind, "no-evidence"
    )


def _chosen_as(method: Method, found: Evaluation) -> str:
    """Return what a method was chosen as on the fit part, nothing where it was not."""
    if method.name == found.verdict.method:
        return "judged: the best of all on the fit part"
    if not method.chosen:
        return ""
    of_module = f"best layer of {method.module} on the fit part" if method.layer is not None else ""
    return {"signal": "best signal on the fit part", "reference": "best with references on the fit part"}.get(
        method.kind, of_module
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


def compared(found: Evaluation) -> str:
    """Return how the best module compares with the best signal, in a sentence or two."""
    measured = _measured(found)
    signal, of_signal = _best_signal(measured)
    told = f"{signal.title}, the best closed-form signal, has AUC {_auc(of_signal.auc)}"
    modules = _modules(measured)
    if not modules:
        return f"Signals compared: {told}."
    module, of_module = max(modules, key=lambda row: row[0].fit_auc or 0)
    words, gain = f"{module.title} has AUC {_auc(of_module.auc)}; {told}", module.difference
    if gain is None or max(of_module.auc.low, of_signal.auc.low) <= 1 / 2:
        return f"{words}. Neither tells members from non-members beyond doubt."
    p = f"difference {gain.value:+.3f}, {gain.low:+.3f} to {gain.high:+.3f}"
    if gain.p_value <= _SURE and gain.value > 0:
        return f"The module is better than any signal: {words} ({p})."
    if gain.p_value <= _SURE:
        return f"A simple signal is better: {words} ({p}): take the signal."
    return f"No better than a simple signal: {words} ({p}): the module adds nothing that is sure."


def _judged(found: Evaluation, measured: Sequence[Measured]) -> Measured:
    return next(row for row in measured if row[0].name == found.verdict.method)


def _auc(auc: Estimate) -> str:
    return f"{auc.value:.3f} ({auc.low:.3f} to {auc.high:.3f})"
