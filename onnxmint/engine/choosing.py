"""Which engine serves where nobody gives one: this process, or what the owner of the model observed."""

from pathlib import Path

from onnxmint.engine.answered import Answered
from onnxmint.engine.local import Local
from onnxmint.engine.observations import Engine
from onnxmint.graph.observed import is_without_weights
from onnxmint.progress import Stage


def engine_for(model: str | Path, stage: Stage) -> Engine:
    """Return the engine for a model: observations for one without weights, else this process."""
    return Answered(stage) if is_without_weights(model) else Local(stage)
