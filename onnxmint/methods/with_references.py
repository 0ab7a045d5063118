"""Everything that can be made of references, as rows to be measured beside the other methods."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from onnxmint.evidence.table import FIT
from onnxmint.methods import lira
from onnxmint.methods.measuring import KnownScores, Rows
from onnxmint.methods.ranking import Ranked, auc_of_fit, measured
from onnxmint.methods.references import ReferenceScores
from onnxmint.methods.signals import SIGNALS
from onnxmint.results.methods import Method
from onnxmint.stats.estimates import FloatArray
from onnxmint.stats.heldout import HeldOut
from onnxmint.stats.two_sample import auc_of

_CHANCE = 0.5
_DOUBTFUL = 0.005  # one-sided level of a warning about a reference


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceMethod:
    """A score that needs references."""

    name: str
    title: str
    source: str
    compute: Callable[[dict[str, FloatArray], ReferenceScores, Rows], FloatArray] = field(repr=False)


def reference_methods() -> Iterator[ReferenceMethod]:
    """Yield everything that can be made of references."""
    paper = "Carlini et al. 2022, arXiv 2112.03570"
    for fixed in (False, True):
        words, suffix = (", fixed variance", "_fixed") if fixed else ("", "")
        yield ReferenceMethod(
            name=f"lira_online{suffix}",
            title=f"LiRA online{words}",
            source=paper,
            compute=partial(_lira, lira.lira_online, fixed_variance=fixed),
        )
        yield ReferenceMethod(
            name=f"lira_offline{suffix}",
            title=f"LiRA offline{words}",
            source=paper,
            compute=partial(_lira, lira.lira_offline, fixed_variance=fixed),
        )
    yield ReferenceMethod(name="rmia", title="RMIA", source="Zarifzadeh et al. 2024, arXiv 2312.03262", compute=_rmia)
    for signal in SIGNALS:
        if signal.name != "view_gap":
            yield ReferenceMethod(
                name=f"{signal.name}_calibrated",
                title=f"{signal.description}, less the references'",
                source="Watson et al. 2022, arXiv 2111.08440 (difficulty calibration)",
                compute=partial(_calibrated, signal.name),
            )


def _lira(
    score: Callable[..., FloatArray],
    target: dict[str, FloatArray],
    found: ReferenceScores,
    population: Rows,
    *,
    fixed_variance: bool,
) -> FloatArray:
    return score(_of(target, "phi"), _of(found.signals, "phi"), found.trained, fixed_variance=fixed_variance)


def _rmia(target: dict[str, FloatArray], found: ReferenceScores, population: Rows) -> FloatArray:
    return lira.rmia(_of(target, "loss"), _of(found.signals, "loss"), found.trained, population)


def _calibrated(name: str, target: dict[str, FloatArray], found: ReferenceScores, population: Rows) -> FloatArray:
    return lira.calibrated(_of(target, name), _of(found.signals, name), found.trained)


def _of(signals: dict[str, FloatArray], name: str) -> FloatArray:
    if name not in signals:
        raise ValueError(f"needs {name.replace('_', ' ')} of target and references")
    return signals[name]


def measured_with_references(
    held: KnownScores, found: ReferenceScores, rows: Rows, rng: np.random.Generator
) -> list[Ranked]:
    """Measure everything that can be made of references; the best on the fit part is marked.

    Args:
        held: what was observed of the target.
        found: what the references say of some rows.
        rows: these.
        rng: of the intervals.
    """
    signals = {name: score[rows] for name, score in held.signals.items() if name not in held.skipped}
    population = np.searchsorted(rows, held.rows(*FIT, member=False))
    made: list[Ranked] = []
    for wanted in reference_methods():
        method = Method(name=wanted.name, kind="reference", title=wanted.title, source=wanted.source)
        try:
            of_rows = wanted.compute(signals, found, population)
        except ValueError as problem:
            made.append((replace(method, skipped=str(problem)), None))
            continue
        score = np.full(len(held.read), np.nan)
        score[rows] = of_rows
        fit_auc = auc_of_fit(held, score) if np.isfinite(of_rows).all() else None
        made.append(measured(replace(method, fit_auc=fit_auc), score, held, rng))
    best = max((method for method, _ in made), key=lambda method: method.fit_auc or 0.0)
    return [(replace(method, chosen=method is best and best.fit_auc is not None), score) for method, score in made]


def doubtful_references(held: KnownScores, found: ReferenceScores, rows: Rows) -> Iterator[str]:
    """Yield a warning for every reference without a list of members that is clearly more right on the known members.

    Such a model was trained on them, or they are easier than the non-members. Either way what is compared with it is
    not what references are for: how hard an image is for a model that knows none of them.
    """
    is_member = held.table.is_member[rows]
    for number, name in enumerate(found.names):
        if found.trained[number].any() or "phi" not in found.signals:
            continue
        odds, right = found.signals["phi"][number], found.signals["correct"][number] > 0
        if not np.isfinite(odds).all():
            continue
        auc = auc_of(HeldOut.of(odds[is_member], odds[~is_member]), _DOUBTFUL)
        if auc.low > _CHANCE:
            yield (
                f"The reference {name} looks trained on the known members: it is right on "
                f"{right[is_member].mean():.1%} of them and on {right[~is_member].mean():.1%} of the non-members (AUC "
                f"of its log-odds {auc.value:.3f}, {auc.low:.3f} to {auc.high:.3f}). List what it was trained on in "
                f"{name.removesuffix('.onnx')}.members.txt; if it was not, members are easier than non-members, and "
                "part of every number here is that."
            )
