"""What a person reads on the terminal when an audit or a training is done.

Laid out for 80 columns, readable without colour; names from outside are shown whole and obeyed never.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from onnxmint.places.remote import AnyPath
from onnxmint.report.answer import units_words
from onnxmint.report.language import Language, language
from onnxmint.report.names import visible
from onnxmint.report.registration import registration_words
from onnxmint.report.sentences import sentence, verdict_name
from onnxmint.results.audit import AuditResult, SubjectsFacts
from onnxmint.results.auditor import AuditorFacts
from onnxmint.results.facts import Control, EvidenceFacts
from onnxmint.results.next_steps import NextStep
from onnxmint.stats.estimates import Estimate, Performance

_CONTROL_WORDS = {True: ("passed", ""), False: ("FAILED", "bold red"), None: ("not run", "dim")}
_COLOURS = {"members-found": "red", "no-evidence": "blue", "inconclusive": "magenta"}  # 4 to 1 on white, or better
WIDEST = 100  # columns of a paragraph that is still easy to read
_HEADS = ("AUC", "95% interval", "TPR at 1% FPR", "95% interval")
_WIDTHS = (5, 13, 13, 13)
_GAP = "  "
_SUBJECTS = 20  # lines of subjects; all are in the files

Rate = tuple[str, Performance | None, str | None]


def print_summary(
    result: AuditResult, console: Console, *, files: Sequence[AnyPath] = (), words: Language | None = None
) -> None:
    """Print an audit: the subject, its evidence, performance, controls, files, and last the answer in one sentence.

    Args:
        result: the audit.
        console: where to.
        files: where its files are.
        words: language of the answer; English when None.
    """
    target, asked, verdict = result.target, result.questioned, result.verdict
    words = words or language("en")
    facts = [
        ("model", f"{Path(target.path).name}, SHA-256 {target.sha256[:12]}"),
        ("ran on", f"{target.device} ({target.provider}); {target.device_reason}"),
        *_evidence_rows(result.evidence),
        ("registered", registration_words(result.registration)),
        ("questioned", units_words(result, language("en")) + _drawn(asked.drawn_from) + _skipped(asked.left_out)),
    ]
    _print_facts(facts, console)
    _print_performance(result, console)
    print_controls(result.controls, console)
    print_text(Text(visible(verdict.text)), console)
    if result.subjects is not None:
        _print_subjects(result.subjects, console)
    if not verdict.stopped_by:
        print_text(Text(_flagged_words(asked.flagged, asked.images, asked.alpha)), console)
    print_next_steps(result.next_steps, console)
    print_warnings(result.warnings, console)
    print_files(files, console)
    if files:
        console.print()
    _print_answer(result, console, words)


def _print_answer(result: AuditResult, console: Console, words: Language) -> None:
    """Print the verdict's name and its sentence; black on white and white on black serve."""
    kind = result.verdict.kind
    print_headline(verdict_name(kind, words).upper(), kind, console)
    console.print(Text(sentence(result, words), "bold"), width=min(console.width, WIDEST))


def print_headline(words: str, tone: str, console: Console) -> None:
    """Print bold words beside a mark whose colour is that of a verdict's kind."""
    mark = "*" if console.options.ascii_only else "\N{BLACK SQUARE}"
    console.print(
        Text.assemble((mark, _COLOURS[tone]), " ", (visible(words), "bold")), width=min(console.width, WIDEST)
    )


def print_next_steps(steps: Sequence[NextStep], console: Console) -> None:
    """Print what would help, most first."""
    if not steps:
        return
    table = Table.grid(padding=(0, 2))
    for number, step in enumerate(steps, start=1):
        table.add_row(Text(f"{number}."), Text(visible(step.text), overflow="fold"))
    console.print(Text("What would help, most first:", "bold"))
    console.print(table, width=min(console.width, WIDEST))
    console.print()


def print_auditor(auditor: AuditorFacts, path: Path, console: Console) -> None:
    """Print what a trained auditor can do."""
    _print_facts([*_evidence_rows(auditor.evidence)], console)
    _print_performance(auditor, console)
    print_controls(auditor.controls, console)
    print_warnings(auditor.warnings, console)
    print_files([path], console)


def print_controls(controls: Sequence[Control], console: Console) -> None:
    """Print what else could explain the scores: every control in a line, and in words where it did not pass."""
    if not controls:
        return
    table = Table.grid(padding=(0, 2))
    for control in controls:
        word, style = _CONTROL_WORDS[control.passed]
        auc = control.auc
        numbers = "" if auc is None else f"AUC {auc.value:.3f}, interval {_interval(auc)}"
        table.add_row(
            Text(control.name), Text(word, style), Text(visible(numbers if control.passed and auc else control.text))
        )
    console.print(Text("controls: what else could explain it (intervals of 98.4%, reference 99.2%)", "dim"))
    console.print(table, width=min(console.width, WIDEST))
    console.print()


def _print_subjects(subjects: SubjectsFacts, console: Console) -> None:
    """Print a line for each subject, the first ones where they are many."""
    table = Table.grid(padding=(0, 2))
    for row in subjects.rows[:_SUBJECTS]:
        numbers = "not tested" if row.p_value is None else f"p {row.p_value:.4f}, q {row.q_value:.3f}"
        least = f", at least {row.at_least:,}" if row.at_least else ""
        table.add_row(
            Text(visible(row.name)),
            Text(row.kind, _COLOURS[row.kind]),
            Text(f"{row.images:,} image{'s' * (row.images != 1)}, {numbers}{least}"),
        )
    console.print(
        Text(f"by subject ({visible(subjects.by)}): {subjects_words(subjects)}", "dim"), width=_width(console)
    )
    console.print(table, width=_width(console))
    if len(subjects.rows) > _SUBJECTS:
        console.print(Text(f"{len(subjects.rows) - _SUBJECTS:,} more are in report.json", "dim"))
    console.print()


def subjects_words(subjects: SubjectsFacts) -> str:
    """Say how many subjects were found, and how many of them may be false."""
    return (
        f"{subjects.found:,} of {len(subjects.rows):,} found, at most {100 * subjects.alpha:g}% of which are expected "
        "to be false"
    )


def _width(console: Console) -> int:
    return min(console.width, WIDEST)


def _flagged_words(flagged: int, count: int, alpha: float) -> str:
    if not flagged:
        return f"Single images: none of {count:,} stands out by itself (false-discovery rate {100 * alpha:g}%)."
    return (
        f"Single images: {flagged:,} of {count:,} flagged; at most {100 * alpha:g}% of those are expected to be wrong."
    )


def _evidence_rows(evidence: EvidenceFacts) -> list[tuple[str, str]]:
    rows = []
    pairs = (
        ("trained on", evidence.members, evidence.accuracy_members),
        ("not trained on", evidence.nonmembers, evidence.accuracy_nonmembers),
    )
    for name, count, accuracy in pairs:
        right = "" if accuracy is None else f", the model is right on {accuracy:.1%}"
        rows.append((name, f"{count:,} known{right}" if count else "none known"))
    groups = "" if evidence.groups is None else f", {evidence.groups:,} groups kept whole"
    split = f"fit {evidence.fit:,}, calibrate {evidence.calibrate:,}, test {evidence.test:,}{groups}"
    if evidence.folds is not None:
        split = f"{evidence.test:,} cross-fitted in {evidence.folds} folds{groups}"
    if not evidence.members:
        split = f"none: all {evidence.test:,} are what questioned images are measured by{groups}"
    return [*rows, ("split", split + _skipped(len(evidence.skipped)))]


def _drawn(count: int | None) -> str:
    return "" if count is None else f", a sample of {count:,}"


def _skipped(count: int) -> str:
    return f", {count:,} skipped" if count else ""


def _print_facts(rows: Iterable[tuple[str, str]], console: Console) -> None:
    table = Table.grid(padding=(0, 2))
    for name, text in rows:
        table.add_row(Text(name, "dim"), Text(visible(text), overflow="fold"))
    console.print(table)


def print_evidence(evidence: EvidenceFacts, console: Console) -> None:
    """Print what the numbers rest on."""
    _print_facts(_evidence_rows(evidence), console)
    console.print()


def _print_performance(measured: AuditResult | AuditorFacts, console: Console) -> None:
    """Print the baselines and the module, all on the same test part, or why there is nothing to print."""
    console.print()
    if measured.performance is None:
        print_text(Text(f"{measured.method.title}, fixed in advance. {measured.unmeasured}"), console)
        return
    rows: list[Rate] = [(row.description, row.performance, row.skipped) for row in measured.baselines]
    print_rates("on the test part", [*rows, (measured.method.title, measured.performance, None)], console, last="bold")


def print_rates(head: str, rows: Sequence[Rate], console: Console, *, last: str = "") -> None:
    """Print scores with their rates, one a line; a score that was skipped keeps its row.

    Args:
        head: above the names.
        rows: name, performance or None, reason for None.
        console: where to.
        last: style of the last row.
    """
    room = min(console.width, WIDEST) - sum(_WIDTHS) - len(_GAP) * len(_WIDTHS)
    _print_row(head, _HEADS, room, console, style="dim")
    console.print(Text(("-" if console.options.ascii_only else "─") * min(console.width, WIDEST), "dim"))
    for number, (name, performance, skipped) in enumerate(rows, start=1):
        if performance is None:
            reason = f"skipped: {visible(skipped or 'no reason given')}"
            console.print(Text(f"{visible(name):<{room}}{_GAP}{reason}", "dim"))
        else:
            _print_row(name, _cells(performance), room, console, style=last if number == len(rows) else "")
    thin = next((found for _, found, _ in rows if found is not None and found.tpr_at_fpr["0.01"].thin), None)
    if thin is not None:
        console.print(Text(f"* under 10 false alarms expected among {thin.nonmembers:,} non-members", "dim"))
    console.print()


def _print_row(name: str, cells: Sequence[str], room: int, console: Console, *, style: str = "") -> None:
    """Print a name and its numbers; a name too long for its column gets a line of its own."""
    shown = visible(name)
    numbers = "".join(f"{_GAP}{cell:>{width}}" for cell, width in zip(cells, _WIDTHS, strict=True))
    if cell_len(shown) > room:
        console.print(Text(shown, style))
        shown = ""
    console.print(Text(f"{shown}{' ' * max(room - cell_len(shown), 0)}{numbers}", style))


def _cells(found: Performance) -> list[str]:
    tpr = found.tpr_at_fpr["0.01"]
    star = "*" if tpr.thin else ""
    interval = "none" if tpr.low is None or tpr.high is None else f"{100 * tpr.low:.1f} - {tpr.high:.1%}"
    return [f"{found.auc.value:.3f}", _interval(found.auc), f"{tpr.value:.1%}{star}", interval]


def _interval(found: Estimate) -> str:
    return f"{found.low:.3f} - {found.high:.3f}"


def print_text(text: Text, console: Console) -> None:
    """Print a paragraph, and a line below."""
    console.print(text, width=min(console.width, WIDEST))
    console.print()


def print_warnings(warnings: Sequence[str], console: Console) -> None:
    """Print what a reader has to know."""
    table = Table.grid(padding=(0, 2))
    for warning in warnings:
        table.add_row(Text("note", "bold"), Text(visible(warning), overflow="fold"))
    if warnings:
        console.print(table, width=min(console.width, WIDEST))
        console.print()


def print_files(files: Sequence[AnyPath], console: Console) -> None:
    """Print where the files are, one a line."""
    for file in files:
        console.print(Text(visible(str(file))), soft_wrap=True)
