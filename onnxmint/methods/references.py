"""Reference models: other classifiers of the same task, which know how hard an image is.

A folder holds `NAME.onnx` files; beside each may lie `NAME.members.txt`, the images it was trained on (one path a line,
as reports name them), and `NAME.toml`, its preprocessing where it differs from the target's. Without a list a model is
taken not to have been trained on any of the images.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onnxmint.engine.local import KnownImages
from onnxmint.engine.target import Prepared, prepare, prepared_with, show
from onnxmint.errors import ImagesError, ModelError, UsageError
from onnxmint.graph.load import load_target
from onnxmint.methods import with_references as reference
from onnxmint.methods.measuring import KnownScores, Rows, observe
from onnxmint.methods.signals import SIGNALS
from onnxmint.preprocess.declaring import resolved_for
from onnxmint.preprocess.spec import PreprocessSpec
from onnxmint.settings import EvidenceSettings
from onnxmint.stats.estimates import FloatArray

MEMBERS = ".members.txt"
_UNUSED = -1  # the part of rows that are not read


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceScores:
    """What r references say of some images.

    Attributes:
        names: of the models.
        trained: (r, n) which of them was trained on which image.
        signals: name of a signal -> (r, n) scores.
    """

    names: tuple[str, ...]
    trained: NDArray[np.bool_]
    signals: dict[str, FloatArray]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceMethod:
    """A score that needs references."""

    name: str
    title: str
    source: str
    compute: Callable[[dict[str, FloatArray], ReferenceScores, Rows], FloatArray] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A reference model made ready, and which of the n known images it was trained on."""

    prepared: Prepared
    trained: NDArray[np.bool_]


def references_in(folder: Path) -> list[Path]:
    """Return the models of a folder.

    Raises:
        UsageError: no folder, or no .onnx file in it.
    """
    if not folder.is_dir():
        raise UsageError(f"--reference {folder} is not a folder; give one that holds the reference models (.onnx)")
    found = sorted(folder.glob("*.onnx"))
    if not found:
        raise UsageError(f"--reference {folder} holds no .onnx file")
    return found


def open_references(
    files: Sequence[Path],
    target: Prepared,
    images: Sequence[str],
    settings: EvidenceSettings,
    settled: Mapping[Path, PreprocessSpec] | None = None,
) -> list[Reference]:
    """Load and check the references, before anything long begins.

    Args:
        files: the models.
        target: what they are compared with.
        images: (n,) names of the known images, as reports name them.
        settings: device, and preprocessing as it was declared; None takes the target's as it was settled.
        settled: preprocessing of those of the models whose own is known already.

    Raises:
        ModelError: a file that is no classifier, or has another number of classes.
        ImagesError: a list of members names none of the images.
    """
    found = []
    for path in files:
        spec = None if settled is None else settled.get(path)
        prepared = _prepare(path, target, settings) if spec is None else _prepared_as(spec, path, target)
        if prepared.target.answer.classes != target.target.answer.classes:
            raise ModelError(
                f"the reference {path} has {prepared.target.answer.classes} classes, the target "
                f"{target.target.answer.classes}: a reference must do the same task"
            )
        found.append(Reference(prepared=prepared, trained=_trained_on(path, images)))
    return found


def _prepare(path: Path, target: Prepared, settings: EvidenceSettings) -> Prepared:
    """Load a reference with its own preprocessing, or as the target's was declared, or as it was settled."""
    settings = replace(settings, answer=None)  # names an output of the target
    own = path.with_suffix(".toml")
    if own.exists():
        return prepare(path, replace(settings, preprocess=str(own)))
    if settings.preprocess is not None or target.target.input.raw:
        return prepare(path, settings)
    model = load_target(path)
    return prepared_with(model, resolved_for(replace(target.spec, layout=None), model), target.device)


def _prepared_as(spec: PreprocessSpec, path: Path, target: Prepared) -> Prepared:
    """Load a reference whose preprocessing was settled before."""
    return prepared_with(load_target(path), spec, target.device)


def score_references(
    references: Sequence[Reference], known: KnownImages, rows: Rows, batch_size: int | None
) -> ReferenceScores:
    """Show every reference some rows of the known images, which must have labels.

    Raises:
        ImagesError: a reference cannot be shown one of them.
    """
    scores = [_score(reference.prepared, known, rows, batch_size) for reference in references]
    names = [name for name in scores[0] if all(name in row for row in scores)]
    return ReferenceScores(
        names=tuple(reference.prepared.target.path.name for reference in references),
        trained=np.stack([reference.trained[rows] for reference in references]),
        signals={name: np.stack([row[name] for row in scores]) for name in names},
    )


def _score(prepared: Prepared, known: KnownImages, rows: Rows, batch_size: int | None) -> dict[str, FloatArray]:
    """Return the signals of some rows that can be computed from this model."""
    table = known.table
    shown = show(prepared, [], views=0, labels=False)
    wanted = np.isin(np.arange(len(table.index)), rows)
    chosen = replace(table, part=np.where(wanted, table.part, _UNUSED).astype(np.int8))
    told = replace(known, table=chosen, with_labels=False)
    held = KnownScores.of(table)
    for found, batch in told.read(
        shown.reader(batch_size), *np.unique(table.part).tolist(), name=f"by {prepared.target.path.name}"
    ):
        labels = None if table.labels is None else table.labels[found]
        held.record(found, observe(batch, shown.graph, prepared.target.answer.kind, labels))
    if not held.read[rows].all():
        raise ImagesError(f"{prepared.target.path} could not be shown all images that the target was shown")
    return {name: score[rows] for name, score in held.signals.items() if name not in held.skipped}


def _trained_on(path: Path, images: Sequence[str]) -> NDArray[np.bool_]:
    """Return (n,) which of the images the model was trained on, by the list beside it."""
    listing = path.with_name(path.stem + MEMBERS)
    if not listing.exists():
        return np.zeros(len(images), np.bool_)
    members = {line.strip() for line in listing.read_text("utf-8").splitlines() if line.strip()}
    found = np.array([image in members for image in images], np.bool_)
    if images and members and not found.any():  # an audit has no known images to name
        raise ImagesError(
            f"{listing} names none of the known images; it must name them as reports do, for example {images[0]!r}"
        )
    return found


def reference_methods() -> Iterator[ReferenceMethod]:
    """Yield everything that can be made of references."""
    lira = "Carlini et al. 2022, arXiv 2112.03570"
    for fixed in (False, True):
        words, suffix = (", fixed variance", "_fixed") if fixed else ("", "")
        yield ReferenceMethod(
            name=f"lira_online{suffix}",
            title=f"LiRA online{words}",
            source=lira,
            compute=partial(_lira, reference.lira_online, fixed_variance=fixed),
        )
        yield ReferenceMethod(
            name=f"lira_offline{suffix}",
            title=f"LiRA offline{words}",
            source=lira,
            compute=partial(_lira, reference.lira_offline, fixed_variance=fixed),
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
    return reference.rmia(_of(target, "loss"), _of(found.signals, "loss"), found.trained, population)


def _calibrated(name: str, target: dict[str, FloatArray], found: ReferenceScores, population: Rows) -> FloatArray:
    return reference.calibrated(_of(target, name), _of(found.signals, name), found.trained)


def _of(signals: dict[str, FloatArray], name: str) -> FloatArray:
    if name not in signals:
        raise ValueError(f"needs {name.replace('_', ' ')} of target and references")
    return signals[name]
