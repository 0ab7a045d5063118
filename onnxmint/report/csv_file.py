"""scores.csv: the questioned images for spreadsheets, in which no name can act."""

import codecs
import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields

import numpy as np
from numpy.typing import NDArray

from onnxmint.report.names import visible
from onnxmint.results.audit import AuditResult, ScoreTable
from onnxmint.writing.scratch import Content, Spool, release

_BLOCK = 1 << 13  # images handled at once
_ACTS = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%")  # a cell that begins so can be taken for a formula


def scores_csv(result: AuditResult) -> Content:
    """Return the columns of scores.parquet with the names of classes, sorted by p-value, in UTF-8 with its mark.

    Spreadsheets run what begins like a formula: such a name gets an apostrophe in front, as they ask for.
    """
    scores, out = result.scores, Spool()
    columns = [column.name for column in fields(ScoreTable)]
    out.add(codecs.BOM_UTF8 + _lines([(*columns, "label_name", "predicted_name")]))
    order = np.lexsort((-scores.score, scores.p_value))
    for start in range(0, len(order), _BLOCK):
        out.add(_lines(_rows(result, columns, order[start : start + _BLOCK])))
        release()
    return out.content()


def _rows(result: AuditResult, columns: Sequence[str], rows: NDArray[np.int64]) -> Iterator[Sequence[object]]:
    """Return the cells of some images."""
    scores = result.scores
    cells = [_cells(getattr(scores, name), rows) for name in columns[1:]]
    names = {number: harmless(name) for number, name in enumerate(result.class_names)}
    predicted = [names.get(key, "") for key in scores.predicted[rows].tolist()]
    labels = [-1] * len(rows) if scores.label is None else scores.label[rows].tolist()
    told = [names.get(key, "") for key in labels]
    return zip(_harmless(scores.names(rows)), *cells, told, predicted, strict=True)


def _lines(rows: Iterable[Sequence[object]]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows(rows)
    return out.getvalue().encode("utf-8", "backslashreplace")


def harmless(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula, and that hides nothing."""
    shown = visible(text)
    return f"'{shown}" if shown.lstrip().startswith(_ACTS) or text.startswith(_ACTS) else shown


def _cells(column: object, rows: NDArray[np.int64]) -> list[object]:
    """Return the values of a column in some rows; no column means nothing."""
    if column is None:
        return [""] * len(rows)
    assert isinstance(column, np.ndarray)  # noqa: S101 - the only other kind of column
    values: list[object] = column[rows].tolist()
    release()  # rows that lie here and there bring along all of a column, and there are many columns
    return values


def _harmless(texts: list[str]) -> list[str]:
    """Return what `harmless` does of each text, quickly where none hides anything."""
    plain = "".join(texts)
    if not (plain.isascii() and plain.isprintable() and ":/" not in plain and visible(plain) == plain):
        return list(map(harmless, texts))
    return [f"'{text}" if text.lstrip().startswith(_ACTS) or text.startswith(_ACTS) else text for text in texts]
