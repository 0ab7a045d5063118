"""Target, module and facts become one file, whose scores are held against those that were measured."""

import numpy as np

from onnxmint.engine.observations import Engine
from onnxmint.engine.probe import Probe
from onnxmint.errors import ModelError
from onnxmint.graph.auditor_outputs import SCORE
from onnxmint.graph.merge import append_module
from onnxmint.graph.serial import serialize
from onnxmint.images.chosen import Decoded, Images
from onnxmint.mint.auditor import Auditor, AuditorContent
from onnxmint.mint.export import export_module
from onnxmint.mint.outcome import Fitted

PARITY = 1e-4  # the file's score and torch's may differ by this much, relative to the larger of 1 and the score


def merge(fitted: Fitted, content: AuditorContent) -> Auditor:
    """Return the auditor: target, module and content in one file."""
    exposed, nonmembers = fitted.reading.exposed, content.yardstick.nonmembers
    merged = append_module(
        exposed.graph,
        export_module(fitted.network, fitted.reading.shape, exposed.target.model.opset),
        activation=fitted.reading.output,
        known=[nonmembers.score[nonmembers.fold == number] for number in range(fitted.folds)],
        metadata=content.to_metadata(),
    )
    return Auditor.of(content, serialize(merged), exposed.graph.seconds)


def check_parity(auditor: Auditor, fitted: Fitted, engine: Engine) -> None:
    """Refuse to hand out a file whose scores differ from those that were measured.

    Args:
        auditor: to be handed out.
        fitted: what was measured.
        engine: runs the file where the target ran.

    Raises:
        ModelError: by more than rounding.
    """
    sample, target = fitted.sample, fitted.reading.exposed.target
    probe = Probe(
        model=auditor.model,
        columns=((SCORE, SCORE),),
        spec=target.spec,
        device=target.device,
        batch_size=len(sample.pixels),
        with_labels=sample.label is not None,
        seconds=auditor.seconds,
        subject=auditor.target_sha256,
        views=auditor.method.views,
        reads=auditor.reads,
    )
    shown = Decoded(pixels=sample.pixels, row=np.arange(len(sample.pixels)), label=sample.label)
    seen = engine.observe(probe, Images(parts=(shown,), count=len(shown.row)), name="")
    found = seen.columns[SCORE].astype(np.float64)
    worst = float(np.max(np.abs(found - sample.score) / np.maximum(1, np.abs(sample.score))))
    if not worst <= PARITY:
        raise ModelError(
            f"the exported auditor's scores differ from the measured ones by {worst:.1g} (allowed {PARITY:g}); this is "
            "a defect: report it with the model"
        )
