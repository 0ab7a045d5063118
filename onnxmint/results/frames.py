"""Results as Arrow tables, which pandas, polars, DuckDB and pyarrow take as they are."""

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np

from onnxmint.errors import OnnxmintError
from onnxmint.results.json import Facts
from onnxmint.stats.estimates import FPRS, Estimate, Rate

if TYPE_CHECKING:
    from onnxmint.results.audit import ScoreTable
    from onnxmint.results.evaluation import Evaluation, Method, MethodScores


def methods_table(found: "Evaluation") -> Any:
    """Return one row a method: what it is, whether it was chosen, its performance with intervals, or why it has none.

    Over several seeds with mean, smallest and largest AUC.
    """
    import pyarrow as pa

    spread = {one.name: one.spread(one.auc) for one in found.repeated}
    rows = [
        _facts(method) | {"judged": method.name == found.verdict.method} | _numbers(method) for method in found.methods
    ]
    for row, method in zip(rows, found.methods, strict=True):
        row |= dict(
            zip(("auc_mean", "auc_smallest", "auc_largest"), spread.get(method.name) or (None,) * 3, strict=True)
        )
    return pa.Table.from_pylist(rows, schema=_schema())


def _schema() -> Any:
    import pyarrow as pa

    text, number, truth = pa.string(), pa.float64(), pa.bool_()
    of_text = ("name", "kind", "title", "module", "layer")
    rates = [f"{stem}{end}" for stem in _measures() for end in ("", "_low", "_high")]
    gain = ("difference", "difference_low", "difference_high", "difference_p_value")
    return pa.schema(
        [
            *((name, text) for name in of_text),
            ("depth", number),
            ("fit_auc", number),
            ("chosen", truth),
            ("judged", truth),
            *((name, number) for name in rates),
            *((name, number) for name in gain),
            ("members", pa.int64()),
            ("nonmembers", pa.int64()),
            *((name, number) for name in ("auc_mean", "auc_smallest", "auc_largest")),
            ("skipped", text),
        ]
    )


def _measures() -> list[str]:
    return ["auc", "balanced_accuracy", "precision", *(f"tpr_at_{fpr:g}" for fpr in FPRS)]


def _facts(method: "Method") -> Facts:
    names = ("name", "kind", "title", "module", "layer", "depth", "fit_auc", "chosen", "skipped")
    found = {name: getattr(method, name) for name in names}
    return {name: _storable(value) if isinstance(value, str) else value for name, value in found.items()}


def _numbers(method: "Method") -> Facts:
    row: Facts = {}
    found, gain = method.performance, method.difference
    if found is not None:
        rates = [found.tpr_at_fpr[str(fpr)] for fpr in FPRS]
        every: list[Estimate | Rate] = [found.auc, found.balanced_accuracy, found.precision, *rates]
        for stem, one in zip(_measures(), every, strict=True):
            row |= {stem: one.value, f"{stem}_low": one.low, f"{stem}_high": one.high}
        row |= {"members": found.members, "nonmembers": found.nonmembers}
    if gain is not None:
        row |= {"difference": gain.value, "difference_low": gain.low, "difference_high": gain.high}
        row["difference_p_value"] = gain.p_value
    return row


def scores_table(scores: "MethodScores") -> Any:
    """Return one row an image: path, side, part and a column for each method, null where it gives no score."""
    import pyarrow as pa

    columns: Facts = {
        "path": pa.array(list(map(_storable, scores.path)), pa.string()),
        "side": pa.array(scores.side, pa.string()),
        "part": pa.array(scores.part, pa.string()),
    }
    for name, score in scores.scores.items():
        columns[_storable(name)] = pa.array(score, pa.float64(), mask=np.isnan(score))
    return pa.table(columns)


def images_table(scores: "ScoreTable") -> Any:
    """Return one row a questioned image, as scores.parquet holds them."""
    import pyarrow as pa

    columns = {column.name: getattr(scores, column.name) for column in fields(scores)}
    columns["path"] = list(map(_storable, scores.path))
    return pa.table({name: value for name, value in columns.items() if value is not None})


def _storable(text: str) -> str:
    """Return text that can be stored as UTF-8: names of files may hold bytes that no encoding holds."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def frame_of(table: Any) -> Any:
    """Return a table as a pandas DataFrame.

    Raises:
        OnnxmintError: pandas is not installed.
    """
    try:
        return table.to_pandas()
    except ImportError:
        raise OnnxmintError(
            "to_frame() needs pandas, which is not installed: pip install pandas, or give the result itself to "
            "pyarrow.table(...), polars.DataFrame(...) or DuckDB"
        ) from None
