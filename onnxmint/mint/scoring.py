"""What an auditor is asked of an image: the score by each network, the target's top class, what other opinions need."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxmint.engine.probe import Probe, Shown
from onnxmint.engine.session import Device
from onnxmint.engine.worker import to_numpy
from onnxmint.errors import ModelError
from onnxmint.graph.auditor_outputs import ANSWER, HARDNESS, SCORE
from onnxmint.mint.auditor import Auditor
from onnxmint.verdict.opinions import SECOND

PREDICTED = "predicted"  # column of the target's top classes
ODD = "the target gives NaN or infinity"  # why an image that could be read has no score


def scoring_probe(auditor: Auditor, device: Device, batch_size: int) -> Probe:
    """Return what is asked of an auditor; a score is the same whoever asks."""
    return Probe(
        model=auditor.model,
        columns=tuple(auditor.columns.items()),
        spec=auditor.preprocess,
        device=device,
        batch_size=batch_size,
        with_labels=auditor.method.labels,
        reduce=scores_of,
        seconds=auditor.seconds,
        subject=auditor.target_sha256,
        views=auditor.method.views,
        reads=auditor.reads,
    )


def scores_of(shown: Shown) -> dict[str, NDArray[Any]]:
    """Return (b, K) scores by each network, NaN where the target gives no answer, and the target's top class.

    Raises:
        ModelError: the graph, which anybody may have written, gives something else than one row an image.
    """
    for name, value in shown.outputs.items():
        if len(value.shape) < (2 if name == ANSWER else 1) or value.shape[0] != len(shown.pixels):
            shape, images = list(value.shape), len(shown.pixels)
            raise ModelError(f"the auditor's output for {name} has shape {shape} for {images} images; train it again")
    score = to_numpy(shown.outputs[SCORE]).astype(np.float64)
    answer = to_numpy(shown.outputs[ANSWER])
    score[np.isnan(answer).any(axis=1)] = np.nan  # no class is the top one
    others = [name for name in (*SECOND, HARDNESS) if name in shown.outputs]
    found = {name: to_numpy(shown.outputs[name]).astype(np.float64) for name in others}
    return {
        **found,
        SCORE: score.reshape(len(score), -1),
        PREDICTED: answer.argmax(axis=1).astype(np.int64),
    }
