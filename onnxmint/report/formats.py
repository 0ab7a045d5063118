"""An evaluation for other programs: Markdown for job summaries, LaTeX for papers, CSV and Parquet for tables."""

import csv
import io
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from onnxmint.report.names import visible
from onnxmint.results.evaluation import EVALUATION, Evaluation
from onnxmint.results.leak import LimitFacts
from onnxmint.results.methods import Method

_MARKS = {"below": "passed", "above": "**failed**", "unsettled": "**cannot tell**"}
_OF_LATEX = {letter: f"\\{letter}" for letter in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
}
_OF_MARKDOWN = {letter: f"\\{letter}" for letter in "\\`*_{}[]()#|!~"} | {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    "@": "@\N{ZERO WIDTH SPACE}",  # mentions nobody
}
_FORMULAS = ("=", "+", "-", "@", "\t", "\r")  # with which a spreadsheet takes a text for a formula


def markdown(found: Evaluation) -> str:
    """Return a summary for a job of continuous integration: what was found, the limits, every method."""
    verdict = found.verdict
    lines = [f"### {_marked_down(verdict.headline)}", "", _marked_down(verdict.text), ""]
    if verdict.limits:
        lines += ["| limit | measured | 95% interval | |", "| --- | --- | --- | --- |"]
        lines += [_limit_row(limit) for limit in verdict.limits]
        lines += ["", *(f"- {_marked_down(limit.text)}" for limit in verdict.limits), ""]
    lines += ["<details><summary>All methods</summary>", ""]
    lines += ["| method | AUC | 95% interval | TPR at 1% FPR |", "| --- | --- | --- | --- |"]
    lines += [f"| {' | '.join(row)} |" for row in _rows(found, _marked_down)]
    lines += ["", "</details>", "", *(f"- {_marked_down(warning)}" for warning in found.warnings)]
    told = f"{Path(found.target.path).name} {found.target.sha256[:12]}, onnxmint {found.version}, {found.created}"
    return "\n".join([*lines, "", _marked_down(told)]) + "\n"


def latex(found: Evaluation) -> str:
    """Return a table in LaTeX, for the package booktabs; of several seeds with mean and range."""
    interval = "range" if found.repeated else _in_latex("95% interval")
    model = Path(found.target.path).name
    caption = f"Ways to tell members of the training set of {model} from non-members: AUC on the test part."
    lines = [
        r"\begin{table}",
        rf"\caption{{{_in_latex(caption)}}}",
        r"\begin{tabular}{llll}",
        r"\toprule",
        rf"method & AUC & {interval} & TPR at 1\% FPR \\",
        r"\midrule",
        *(" & ".join(row) + r" \\" for row in _rows(found, _in_latex)),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def comma_separated(found: Evaluation) -> str:
    """Return one row a method, with a head."""
    table, text = found.table(), io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.column_names)
    for row in table.to_pylist():
        writer.writerow([_cell(value) for value in row.values()])
    return text.getvalue()


def parquet(found: Evaluation) -> bytes:
    """Return one row an image, one column a method."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = found.scores.table()
    facts = {"schema": EVALUATION.schema, "created": found.created, "target_sha256": found.target.sha256}
    sink = pa.BufferOutputStream()
    pq.write_table(table.replace_schema_metadata(facts), sink, compression="zstd", write_page_checksum=True)
    content: bytes = sink.getvalue().to_pybytes()
    return content


FORMATS: Mapping[str, Callable[[Evaluation], str]] = {"markdown": markdown, "latex": latex, "csv": comma_separated}
"""What `--format` writes on stdout."""


def _limit_row(limit: LimitFacts) -> str:
    interval = "none" if limit.low is None else f"from {limit.low:.3f}"
    if limit.low is not None and limit.high is not None:
        interval = f"{limit.low:.3f} to {limit.high:.3f}"
    return f"| {limit.measure} {limit.bound:g} | {limit.value:.3f} | {interval} | {_MARKS[limit.decision]} |"


def _rows(found: Evaluation, escaped: Callable[[str], str]) -> Iterator[list[str]]:
    """Yield the cells of every method that was measured: of one seed with its interval, of several with their range."""
    spread = {one.name: one for one in found.repeated}
    for method in found.methods:
        if method.performance is None:
            continue
        auc, rate = method.performance.auc, method.performance.tpr_at_fpr["0.01"]
        numbers = [f"{auc.value:.3f}", f"{auc.low:.3f} to {auc.high:.3f}", escaped(f"{rate.value:.1%}")]
        of_seeds = spread.get(method.name)
        if of_seeds is not None:
            mean, low, high = of_seeds.spread(of_seeds.auc) or (auc.value, auc.value, auc.value)
            tpr = of_seeds.spread(of_seeds.tpr) or (rate.value, rate.value, rate.value)
            numbers = [f"{mean:.3f}", f"{low:.3f} to {high:.3f}", escaped(f"{tpr[0]:.1%}")]
        yield [escaped(_name(method, found)), *numbers]


def _name(method: Method, found: Evaluation) -> str:
    return f"{method.title} (judged)" if method.name == found.verdict.method else method.title


def _marked_down(text: str) -> str:
    return "".join(_OF_MARKDOWN.get(letter, letter) for letter in visible(text))


def _in_latex(text: str) -> str:
    return "".join(_OF_LATEX.get(letter, letter) for letter in visible(text))


def _cell(value: object) -> object:
    """Return what a cell holds; text that a spreadsheet would take for a formula gets an apostrophe."""
    if not isinstance(value, str):
        return value
    shown = visible(value)
    return f"'{shown}" if shown.startswith(_FORMULAS) else shown
