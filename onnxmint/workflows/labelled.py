"""A step of making references: the labelled images that they learn from, under the names that reports give them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onnxmint.engine.observations import Engine, Observations
from onnxmint.engine.probe import Probe
from onnxmint.engine.target import Target
from onnxmint.errors import ImagesError, UsageError
from onnxmint.evidence.gathering import given_classes
from onnxmint.evidence.table import check_labels, labels_of
from onnxmint.graph.load import TargetModel, load_target
from onnxmint.graph.observed import is_without_weights
from onnxmint.images.chosen import Images, Part
from onnxmint.images.entries import ImageSource
from onnxmint.images.together import Together, open_together
from onnxmint.preprocess.declared.names import declared_names
from onnxmint.settings import EvidenceSettings, ReferenceSettings
from onnxmint.workflows.preparing import settled

FEWEST = 40
"""Images that something can be learned from."""
_SHARED = ("group", "labels", "device", "batch_size", "seed", "answer", "preprocess", "classes", "augmentation")

Place = str | Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """Labelled images of several places.

    Attributes:
        sources: where they are.
        labels: (n,) int64, classes as the target numbers them.
        names: (n,) as reports name them.
        notes: what the places have to say.
    """

    sources: tuple[ImageSource, ...]
    labels: NDArray[np.int64]
    names: tuple[str, ...]
    notes: tuple[str, ...]

    def observed(self, probe: Probe, engine: Engine, name: str) -> Observations:
        """Show all of them to a model.

        Raises:
            ImagesError: too few can be shown.
        """
        parts, start = [], 0
        for source in self.sources:
            index = np.array([entry.index for entry in source.entries()], np.int64)
            row = np.arange(start, start + len(index))
            parts.append(Part(name="images", source=source, index=index, row=row, label=self.labels[row]))
            start += len(index)
        seen = engine.observe(probe, Images(parts=tuple(parts), count=start), name=name)
        if len(seen.row) < FEWEST:
            why = f", for example {seen.skipped[0].path}: {seen.skipped[0].reason}" if seen.skipped else ""
            raise ImagesError(
                f"{len(seen.row)} of {start:,} images can be shown to the model{why}; references learn from at least "
                f"{FEWEST}, better 1,000 or more"
            )
        return seen


def opened(
    model: Place, images: Sequence[Place], settings: ReferenceSettings, engine: Engine
) -> tuple[Target, Labelled]:
    """Load the target, settle its preprocessing, and open the images that references are to learn from.

    Raises:
        OnnxmintError: one of its kinds, for files, options and devices that do not serve.
    """
    if is_without_weights(model):
        raise UsageError(f"{model} holds no weights, and references are made of a whole model: give that")
    shared = evidence_settings(settings)
    loaded = load_target(model, answer=settings.answer)
    known: list[Together] = []

    def together() -> Together:
        known[:] = known or [_together(images, shared, loaded)]
        return known[0]

    return settled(loaded, shared, engine, lambda: together().sources[0]), _labelled(together(), loaded)


def evidence_settings(settings: ReferenceSettings) -> EvidenceSettings:
    """Return how the target is made ready, as other commands take it."""
    return EvidenceSettings(**{name: getattr(settings, name) for name in _SHARED})


def _together(images: Sequence[Place], settings: EvidenceSettings, loaded: TargetModel) -> Together:
    return open_together(
        images,
        classes=given_classes(settings),
        declared=declared_names(loaded.path, loaded.model.metadata_props),
        outputs=loaded.answer.classes,
    )


def _labelled(known: Together, loaded: TargetModel) -> Labelled:
    labels = []
    for source in known.sources:
        found = labels_of(source.entries())
        if found is None:
            raise ImagesError(
                f"{source.location} has images without a label, and a reference learns classes: give class sub-folders "
                "or a column label"
            )
        check_labels(found, loaded.answer.classes, source, needed=True)
        labels.append(found)
    names = tuple(entry.path for source in known.sources for entry in source.entries())
    if len(names) < FEWEST:
        raise ImagesError(f"{len(names)} images are too few: references learn from at least {FEWEST}, better 1,000")
    odd = next((name for name in names if name.strip().splitlines() != [name] or not _is_text(name)), None)
    if odd is not None:
        raise ImagesError(f"the name {odd!r} cannot stand in a list of members, one a line: rename the image")
    twice, count = Counter(names).most_common(1)[0]
    if count > 1:
        raise ImagesError(
            f"{twice!r} names {count} of the images, and a list of members could not tell which is meant: rename one"
        )
    return Labelled(sources=known.sources, labels=np.concatenate(labels), names=names, notes=known.notes)


def _is_text(name: str) -> bool:
    """Say whether a name can be written: bytes of a file system that are no UTF-8 cannot."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def lacking(labels: NDArray[np.int64], classes: int) -> tuple[str, ...]:
    """Return a warning when classes have no image.

    Raises:
        ImagesError: all are of one class.
    """
    there = len(np.unique(labels))
    if there < 2:  # noqa: PLR2004 - classes that can be told apart
        raise ImagesError(
            "all images are of one class, and a reference learns to tell classes apart: give images of all"
        )
    if there == classes:
        return ()
    return (
        f"{classes - there:,} of the model's {classes:,} classes have no image: of images of these a reference says "
        "only that they are none of the others.",
    )
