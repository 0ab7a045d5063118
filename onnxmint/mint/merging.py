"""Target, module and facts become one file, whose scores are held against those that were measured."""

import numpy as np

from onnxmint.engine.probe import Probe
from onnxmint.engine.worker import Worker, to_numpy
from onnxmint.errors import ModelError
from onnxmint.graph.merge import append_module
from onnxmint.graph.serial import serialize
from onnxmint.mint.auditor import Auditor
from onnxmint.mint.export import export_module
from onnxmint.mint.fitted import SCORE, Fitted

PARITY = 1e-4  # the file's score and torch's may differ by this much, relative to the larger of 1 and the score


def merge(fitted: Fitted, auditor: Auditor) -> bytes:
    """Return the file of an auditor, whose own `model` is still empty."""
    exposed, nonmembers = fitted.reading.exposed, auditor.yardstick.nonmembers
    merged = append_module(
        exposed.graph,
        export_module(fitted.network, fitted.reading.shape, exposed.target.model.opset),
        activation=fitted.reading.output,
        known=[nonmembers.score[nonmembers.fold == number] for number in range(fitted.folds)],
        metadata=auditor.to_metadata(),
    )
    return serialize(merged)


def check_parity(auditor: Auditor, fitted: Fitted) -> None:
    """Refuse to hand out a file whose scores differ from those that were measured.

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
    )
    found = to_numpy(Worker(probe).show(sample.pixels, sample.label)[SCORE]).astype(np.float64)
    worst = float(np.max(np.abs(found - sample.score) / np.maximum(1, np.abs(sample.score))))
    if not worst <= PARITY:
        raise ModelError(
            f"the exported auditor's scores differ from the measured ones by {worst:.1g} (allowed {PARITY:g}); this is "
            "a defect: report it with the model"
        )
