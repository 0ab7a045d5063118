"""Reference models: other classifiers of the same task, which know how hard an image is.

A folder holds `NAME.onnx` files; beside each may lie `NAME.members.txt`, the images it was trained on (one path a line,
as reports name them), and `NAME.toml`, its preprocessing where it differs from the target's. Without a list a model is
taken not to have been trained on any of the images.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onnxmint.errors import ImagesError, ModelError, UsageError
from onnxmint.measuring import KnownScores, Rows, observe
from onnxmint.preparing import Prepared, prepare, show
from onnxmint.reading import KnownImages
from onnxmint.settings import EvidenceSettings
from onnxmint.signals import SIGNALS
from onnxmint.stats import reference
from onnxmint.stats.estimates import FloatArray

MEMBERS = ".members.txt"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceScores:
    """What the references say of the known images.

    Attributes:
        names: of the r models.
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


def find_references(folder: Path) -> list[Path]:
    """List the ONNX files of a folder.

    Raises:
        UsageError: it is no folder, or holds none.
    """
    if not folder.is_dir():
        raise UsageError(f"--reference {folder} is not a folder; give one that holds the reference models (.onnx)")
    found = sorted(folder.glob("*.onnx"))
    if not found:
        raise UsageError(f"--reference {folder} holds no .onnx file")
    return found


def score_references(
    paths: Sequence[Path],
    target: Prepared,
    known: KnownImages,
    paths_of_images: Sequence[str],
    labels: NDArray[np.int64],
    settings: EvidenceSettings,
) -> ReferenceScores:
    """Show every reference the known images.

    Args:
        paths: the models.
        target: what they are compared with: they must have its classes.
        known: the images.
        paths_of_images: (n,) name of each row.
        labels: (n,) class whose odds are asked for, -1 for rows that could not be read.
        settings: preprocessing, device and batch size.

    Raises:
        ModelError: a reference has another number of classes.
        ImagesError: a reference cannot read an image that the target could, or its list names none of the images.
    """
    named = replace(known, table=replace(known.table, labels=labels), with_labels=False)
    rows, trained = [], []
    for path in paths:
        own = path.with_suffix(".toml")
        prepared = prepare(path, replace(settings, preprocess=str(own)) if own.exists() else settings)
        if prepared.target.answer.classes != target.target.answer.classes:
            raise ModelError(
                f"the reference {path} has {prepared.target.answer.classes} classes, the target "
                f"{target.target.answer.classes}: a reference must do the same task"
            )
        rows.append(_score(prepared, named, settings.batch_size))
        trained.append(_trained_on(path, paths_of_images))
    names = [name for name in rows[0] if all(name in row for row in rows)]
    return ReferenceScores(
        names=tuple(path.name for path in paths),
        trained=np.stack(trained),
        signals={name: np.stack([row[name] for row in rows]) for name in names},
    )


def _score(prepared: Prepared, known: KnownImages, batch_size: int) -> dict[str, FloatArray]:
    shown = show(prepared, [], views=0, labels=False)
    reader = shown.reader(batch_size)
    held = KnownScores.of(known.table)
    parts = np.unique(known.table.part[known.table.part >= 0])
    told = known.table.labels
    for rows, batch in known.read(reader, *parts.tolist(), name=f"by {prepared.target.path.name}"):
        held.record(
            rows, observe(batch, shown.graph, prepared.target.answer.kind, None if told is None else told[rows])
        )
    if told is not None and not held.read[told >= 0].all():
        raise ImagesError(f"{prepared.target.path} could not be shown all images that the target was shown")
    return {name: score for name, score in held.signals.items() if name not in held.skipped}


def _trained_on(path: Path, images: Sequence[str]) -> NDArray[np.bool_]:
    """Return (n,) which of the images the model was trained on, by the list beside it."""
    listing = path.with_name(path.stem + MEMBERS)
    if not listing.exists():
        return np.zeros(len(images), np.bool_)
    members = {line.strip() for line in listing.read_text("utf-8").splitlines() if line.strip()}
    found = np.array([image in members for image in images], np.bool_)
    if members and not found.any():
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
