"""Everything that can be made of references, as rows to be measured beside the other methods."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

from onnxmint.methods import lira
from onnxmint.methods.measuring import Rows
from onnxmint.methods.references import ReferenceScores
from onnxmint.methods.signals import SIGNALS
from onnxmint.stats.estimates import FloatArray


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
