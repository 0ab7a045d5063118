"""Checking a preprocessing: the known ones are tried on some images of a target and ranked."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from onnxmint.controls.preparations import SAMPLE, check_source
from onnxmint.engine.local import Local
from onnxmint.engine.observations import Engine
from onnxmint.evidence.gathering import given_classes
from onnxmint.graph.bringing import with_model_here
from onnxmint.graph.load import load_target
from onnxmint.images.sources import Place
from onnxmint.images.together import open_together
from onnxmint.preprocess.declared.names import declared_names
from onnxmint.progress import Stage, quiet
from onnxmint.results.check import CheckResult
from onnxmint.settings import EvidenceSettings


@with_model_here
def check(
    model: str | Path,
    images: Place | Sequence[Place],
    *,
    settings: EvidenceSettings | None = None,
    sample: int = SAMPLE,
    stage: Stage = quiet,
    engine: Engine | None = None,
) -> CheckResult:
    """Try the known preparations on a sample of images and rank them.

    Args:
        model: the target.
        images: images like those it was trained on (folder, image file, Parquet, CSV or tar), best with labels; several
            places are one set.
        settings: what was declared (`preprocess`), labels, device, batch size and seed; the defaults when None.
        sample: at most so many images, drawn at random.
        stage: told of the progress.
        engine: shows the images and has a stage of its own; this process when None.

    Raises:
        OnnxmintError: one of its kinds, for files, options and devices that do not serve.
    """
    settings = settings or EvidenceSettings()
    target = load_target(model, answer=settings.answer)
    together = open_together(
        [images],
        labels=settings.labels,
        classes=given_classes(settings),
        declared=declared_names(target.path, target.model.metadata_props),
        outputs=target.answer.classes,
    )
    found = check_source(target, together.sources[0], settings, engine or Local(stage), sample=sample)
    return replace(found, notes=(*together.notes, *found.notes))
