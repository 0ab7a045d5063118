"""scores.csv: the questioned images for spreadsheets, in which no name can act."""

import csv
import io
from dataclasses import fields

import numpy as np

from onnxmint.report.names import visible
from onnxmint.results.audit import AuditResult, ScoreTable

_ACTS = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%")  # a cell that begins so can be taken for a formula


def scores_csv(result: AuditResult) -> bytes:
    """Return the columns of scores.parquet with the names of classes, sorted by p-value, in UTF-8 with its mark.

    Spreadsheets run what begins like a formula: such a name gets an apostrophe in front, as they ask for.
    """
    scores, names = result.scores, dict(enumerate(result.class_names))
    columns = [column.name for column in fields(ScoreTable)]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([*columns, "label_name", "predicted_name"])
    for row in np.lexsort((-scores.score, scores.p_value)).tolist():
        label = None if scores.label is None else int(scores.label[row])
        predicted = int(scores.predicted[row])
        cells = [_cell(getattr(scores, name), row) for name in columns]
        writer.writerow([*cells, *(harmless(names.get(-1 if key is None else key, "")) for key in (label, predicted))])
    return out.getvalue().encode("utf-8-sig", "backslashreplace")


def harmless(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula, and that hides nothing."""
    shown = visible(text)
    return f"'{shown}" if shown.lstrip().startswith(_ACTS) or text.startswith(_ACTS) else shown


def _cell(column: object, row: int) -> object:
    """Return one value of a column; no column means nothing."""
    if column is None:
        return ""
    if isinstance(column, tuple):
        return harmless(str(column[row]))
    assert isinstance(column, np.ndarray)  # noqa: S101 - the only other kind of column
    return column[row].item()
