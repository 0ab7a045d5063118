"""What a person reads on the terminal when an audit or a training is done."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from onnxmint.mint.auditor import Auditor
from onnxmint.results import AuditResult, Baseline, EvidenceFacts
from onnxmint.stats.estimates import Estimate, Performance

_COLOURS = {"members-found": "bold red", "no-evidence": "bold green", "inconclusive": "bold yellow"}


def print_summary(result: AuditResult, console: Console, *, files: Sequence[Path] = ()) -> None:
    """Print an audit: the subject, the evidence and its performance, the verdict, where the files are."""
    target, asked = result.target, result.scores
    facts = [
        ("model", f"{Path(target.path).name}   sha256 {target.sha256[:12]}   on {target.device} ({target.provider})"),
        *_evidence_rows(result.evidence),
        ("questioned", f"{len(asked.path):,} images" + _skipped(len(result.skipped))),
    ]
    _print_facts(facts, console)
    _print_performance(result.performance, result.baselines, result.method, console)
    flagged = int(asked.flagged.sum())
    lines = Text.assemble((result.verdict.kind.upper().replace("-", " "), _COLOURS[result.verdict.kind]))
    lines.append(f"  {result.verdict.text}")
    console.print(lines, soft_wrap=False)
    console.print(
        f"\nSingle images: {flagged:,} of {len(asked.path):,} flagged, with at most {result.alpha:.0%} of the flagged "
        "expected to be false.",
        highlight=False,
    )
    _print_warnings(result.warnings, console)
    _print_files(files, console)


def print_auditor(auditor: Auditor, path: Path, console: Console) -> None:
    """Print what a trained auditor can do."""
    _print_facts([*_evidence_rows(auditor.evidence)], console)
    _print_performance(auditor.performance, auditor.baselines, auditor.method, console)
    _print_warnings(auditor.warnings, console)
    _print_files([path], console)


def _evidence_rows(evidence: EvidenceFacts) -> list[tuple[str, str]]:
    rows = []
    pairs = (
        ("members", evidence.members, evidence.accuracy_members),
        ("non-members", evidence.nonmembers, evidence.accuracy_nonmembers),
    )
    for name, count, accuracy in pairs:
        right = "" if accuracy is None else f"   the model is right on {accuracy:.1%}"
        rows.append((name, f"{count:,} known images{right}"))
    groups = "" if evidence.groups is None else f", whole groups only ({evidence.groups:,})"
    split = f"fit {evidence.fit:,}, calibrate {evidence.calibrate:,}, test {evidence.test:,}{groups}"
    return [*rows, ("split", split + _skipped(len(evidence.skipped)))]


def _skipped(count: int) -> str:
    return f"   {count:,} skipped" if count else ""


def _print_facts(rows: Iterable[tuple[str, str]], console: Console) -> None:
    table = Table.grid(padding=(0, 2))
    for name, text in rows:
        table.add_row(Text(name, "dim"), Text(text))
    console.print(table)


def _print_performance(
    performance: Performance, baselines: Sequence[Baseline], method: dict[str, Any], console: Console
) -> None:
    """Print the module and the baselines, all on the same test part."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    table.add_column("on the test part")
    for name in ("AUC", "95 % interval", "TPR at 1 % FPR", "95 % interval"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in baselines:
        if row.performance is None:
            table.add_row(Text(row.description), Text(f"skipped: {row.skipped}", "dim"), "", "", "")
        else:
            table.add_row(Text(row.description), *_cells(row.performance))
    ours = Text(f"{method['name']} on {method['layer']}", "bold")
    table.add_row(ours, *_cells(performance))
    console.print(table)
    if performance.tpr_at_fpr["0.01"].thin:
        console.print(
            Padding(
                f"* fewer than 10 false alarms expected among {performance.nonmembers:,} test non-members", (0, 0, 1, 0)
            ),
            highlight=False,
            style="dim",
        )


def _cells(found: Performance) -> list[str]:
    tpr = found.tpr_at_fpr["0.01"]
    star = "*" if tpr.thin else ""
    return [f"{found.auc.value:.3f}", _interval(found.auc), f"{tpr.value:.1%}{star}", _interval(tpr, percent=True)]


def _interval(found: Estimate, *, percent: bool = False) -> str:
    if percent:
        return f"{100 * found.low:.1f} - {found.high:.1%}"
    return f"{found.low:.3f} - {found.high:.3f}"


def _print_warnings(warnings: Sequence[str], console: Console) -> None:
    for warning in warnings:
        console.print(Text.assemble(("note  ", "yellow"), warning))


def _print_files(files: Sequence[Path], console: Console) -> None:
    if files:
        console.print()
        for file in files:
            console.print(Text(str(file)), soft_wrap=True)
