"""Reference models: other classifiers of the same task, which know how hard an image is.

A folder holds `NAME.onnx` files; beside each may lie `NAME.members.txt`, the images it was trained on (one path a line,
as reports name them), and `NAME.toml`, its preprocessing where it differs from the target's. Without a list a model is
taken not to have been trained on any of the images. A list that begins with OTHERS need not name any of them.
"""

import hashlib
import io
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onnxmint.engine.observations import Engine
from onnxmint.engine.probe import ODDS, Probe, expose
from onnxmint.engine.target import Target, make_ready, target_with
from onnxmint.errors import ImagesError, ModelError, UsageError
from onnxmint.evidence.known import Evidence
from onnxmint.graph.load import load_target
from onnxmint.methods.measuring import KnownScores, Rows, Signals
from onnxmint.preprocess.declaring import resolved_for
from onnxmint.preprocess.spec import PreprocessSpec
from onnxmint.settings import CHECK, EvidenceSettings
from onnxmint.stats.estimates import FloatArray
from onnxmint.writing.regular import regular_bytes

MEMBERS = ".members.txt"
OTHERS = "# Other images than these are meant to be asked about."
"""First line of a list that need not name any of the known images."""


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
class Reference:
    """A reference model made ready, and which of the n known images it was trained on."""

    target: Target
    trained: NDArray[np.bool_]

    @property
    def name(self) -> str:
        """Return the name of its file."""
        return self.target.model.path.name


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


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a reference's file.

    Raises:
        ModelError: it cannot be read.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise ModelError(f"the reference {path} is no regular file; give an ONNX file")
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as problem:
        raise ModelError(f"cannot read the reference {path}: {problem.strerror or problem}") from None


def open_references(
    files: Sequence[Path],
    target: Target,
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
        ready = (
            ready_reference(path, target, settings)
            if spec is None
            else target_with(load_target(path), spec, target.device)
        )
        if ready.model.answer.classes != target.model.answer.classes:
            raise ModelError(
                f"the reference {path} has {ready.model.answer.classes} classes, the target "
                f"{target.model.answer.classes}: a reference must do the same task"
            )
        found.append(Reference(target=ready, trained=_trained_on(path, images)))
    return found


def ready_reference(path: Path, target: Target, settings: EvidenceSettings) -> Target:
    """Load a reference with its own preprocessing, or as the target's was declared, or as it was settled.

    Raises:
        OnnxmintError: one of its kinds, where the file or what is declared beside it does not serve.
    """
    declared = None if settings.preprocess == CHECK else settings.preprocess
    settings = replace(settings, answer=None, preprocess=declared)  # `answer` names an output of the target
    own = path.with_suffix(".toml")
    if own.exists():
        return make_ready(path, replace(settings, preprocess=str(own)))
    if settings.preprocess is not None or target.model.input.raw:
        return make_ready(path, settings)
    model = load_target(path)
    return target_with(model, resolved_for(replace(target.spec, layout=None), model), target.device)


def score_references(
    references: Sequence[Reference], evidence: Evidence, rows: Rows, engine: Engine, batch_size: int | None
) -> ReferenceScores:
    """Show every reference some rows of the known images, which must have labels.

    Raises:
        ImagesError: a reference cannot be shown one of them.
    """
    scores = [_score(reference.target, evidence, rows, engine, batch_size) for reference in references]
    names = [name for name in scores[0] if all(name in row for row in scores)]
    return ReferenceScores(
        names=tuple(reference.name for reference in references),
        trained=np.stack([reference.trained[rows] for reference in references]),
        signals={name: np.stack([row[name] for row in scores]) for name in names},
    )


def _score(
    target: Target, evidence: Evidence, rows: Rows, engine: Engine, batch_size: int | None
) -> dict[str, FloatArray]:
    """Return the signals of some rows that can be computed from this model."""
    made = Signals(kind=target.model.answer.kind, labels=evidence.table.labels is not None, views=0)
    probe = expose(target, [], views=0, labels=False).probe(batch_size=batch_size, reduce=made)
    seen = engine.observe(probe, evidence.chosen(rows), name=f"by {target.model.path.name}")
    held = KnownScores.of(evidence.table, made, seen)
    if not held.read[rows].all():
        raise ImagesError(f"{target.model.path} could not be shown all images that the target was shown")
    return {name: score[rows] for name, score in held.signals.items() if name not in held.skipped}


def odds_probe(reference: Reference, *, labels: bool, batch_size: int | None) -> Probe:
    """Return what is asked of a reference about difficulty: its log-odds of each image, as column ODDS, (n, 1).

    Args:
        reference: the model.
        labels: whether they are of the images' own classes, or of its top class.
        batch_size: images in one run; None takes what suits.
    """
    exposed = expose(reference.target, [], views=1, labels=labels)
    return exposed.probe(batch_size=batch_size, columns={ODDS: exposed.graph.odds or ""})


def _trained_on(path: Path, images: Sequence[str]) -> NDArray[np.bool_]:
    """Return (n,) which of the images the model was trained on, by the list beside it."""
    listing = path.with_name(path.stem + MEMBERS)
    if not listing.exists():
        return np.zeros(len(images), np.bool_)
    named, meant = _named(listing, frozenset(images))
    found = np.array([image in named for image in images], np.bool_)
    if images and meant and not found.any():  # an audit has no known images to name
        raise ImagesError(
            f"{listing} names none of the known images; it must name them as reports do, for example {images[0]!r}"
        )
    return found


def _named(listing: Path, images: frozenset[str]) -> tuple[set[str], bool]:
    """Return which images a list names, and whether it says anything and is meant to name some of them.

    Raises:
        ImagesError: it cannot be read.
    """
    try:
        content = regular_bytes(listing, links=True)
        lines = (part.strip() for line in io.BytesIO(content) for part in line.decode().splitlines())
        lines = (line for line in lines if line)
        first = next(lines, OTHERS)
        named = images & {first}
        named |= {line for line in lines if line in images}
    except (OSError, ValueError) as problem:
        raise ImagesError(
            f"cannot read {listing} ({problem}); it must name images in UTF-8, one a line, or not be there"
        ) from None
    return set(named), not first.startswith(OTHERS)
