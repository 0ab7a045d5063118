"""Ways to tell members from non-members, measured; and the same as tables."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from onnxmint.kinds import ModuleName
from onnxmint.results.audit import Histogram
from onnxmint.results.frames import Tabular, storable
from onnxmint.results.json import Facts
from onnxmint.stats.compare import Difference
from onnxmint.stats.estimates import FPRS, Estimate, FloatArray, Performance, Rate
from onnxmint.stats.ranges import Count, Share

MethodKind = Literal["signal", "reference", "module"]
Side = Literal["member", "non-member"]
Part = Literal["fit", "calibrate", "test"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """One way to tell members from non-members, measured; or the reason why it could not be.

    Attributes:
        name: unique in the evaluation.
        kind: what it is.
        title: what a reader calls it.
        source: where it comes from.
        module: which one, None for other kinds.
        layer: what a module reads, None for other kinds and for modules that read the answer.
        depth: share of the target's operations spent up to that layer.
        fit_auc: AUC on images of the fit part that the method did not learn from; None when it learned from all.
        chosen: whether it is the best of its kind there: the best signal, the best with references, the best layer of
            a module. Which of all is judged, the verdict says.
        performance: on the test part.
        difference: of AUC on the test part, against the best signal.
        histogram: scores of the test part, for drawing.
        skipped: why there is no performance.
    """

    name: str
    kind: MethodKind
    title: str
    source: str
    module: ModuleName | None = None
    layer: str | None = None
    depth: Share | None = None
    fit_auc: Share | None = None
    chosen: bool = False
    performance: Performance | None = None
    difference: Difference | None = None
    histogram: Histogram | None = None
    skipped: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodScores(Tabular):
    """What every method says of every known image that could be read, members first.

    Attributes:
        path: as reports name images.
        side: whether an image is a member.
        part: what it was used for.
        scores: name of a method -> (n,), higher means more like a member; NaN where it gives no score, as modules do
            of the images that they were fitted on.
    """

    path: tuple[str, ...]
    side: tuple[Side, ...]
    part: tuple[Part, ...]
    scores: dict[str, FloatArray]

    def __post_init__(self) -> None:
        """Refuse columns of several lengths."""
        for name, column in {"side": self.side, "part": self.part, **self.scores}.items():
            if len(column) != len(self.path):
                raise ValueError(f"{name} has {len(column)} values for {len(self.path)} images")

    def table(self) -> Any:
        """Return one row an image: path, side, part and a column for each method, null where it gives no score."""
        import pyarrow as pa

        columns: Facts = {
            "path": pa.array(list(map(storable, self.path)), pa.string()),
            "side": pa.array(self.side, pa.string()),
            "part": pa.array(self.part, pa.string()),
        }
        for name, score in self.scores.items():
            columns[storable(name)] = pa.array(score, pa.float64(), mask=np.isnan(score))
        return pa.table(columns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeated:
    """One method over several divisions of the known images, each with a seed of its own.

    Attributes:
        name: of the method.
        auc: on the test part, one a seed; None where it was skipped.
        tpr: true-positive rate at 1% false positives, one a seed.
        judged: with how many of the seeds it was the method that the verdict is about.
    """

    name: str
    auc: tuple[float | None, ...]
    tpr: tuple[float | None, ...]
    judged: Count

    def spread(self, values: tuple[float | None, ...]) -> tuple[float, float, float] | None:
        """Return mean, smallest and largest of the values that there are, None where there is none."""
        there = [value for value in values if value is not None]
        return (float(np.mean(there)), min(there), max(there)) if there else None


def methods_table(methods: Sequence[Method], repeated: Sequence[Repeated], judged: str | None) -> Any:
    """Return one row a method: what it is, whether it was chosen, its performance with intervals, or why it has none.

    Over several seeds with mean, smallest and largest AUC.

    Args:
        methods: rows.
        repeated: the same methods over several seeds; none where there is one.
        judged: name of the method that a verdict is about.
    """
    import pyarrow as pa

    spread = {one.name: one.spread(one.auc) for one in repeated}
    rows = [_facts(method) | {"judged": method.name == judged} | _numbers(method) for method in methods]
    for row, method in zip(rows, methods, strict=True):
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


def _facts(method: Method) -> Facts:
    names = ("name", "kind", "title", "module", "layer", "depth", "fit_auc", "chosen", "skipped")
    found = {name: getattr(method, name) for name in names}
    return {name: storable(value) if isinstance(value, str) else value for name, value in found.items()}


def _numbers(method: Method) -> Facts:
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
