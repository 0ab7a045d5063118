"""A second model: the first with noise on its weights."""

from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from tests.conftest import DEMO


def noisy(folder: Path, amount: float = 0.15, *, name: str = "noisy.onnx") -> Path:
    """Write the bundled target with noise of a part of each weight's deviation; return the file."""
    model, rng = onnx.load(DEMO / "target.onnx"), np.random.default_rng(0)
    for one in model.graph.initializer:
        weights = numpy_helper.to_array(one)
        if weights.dtype == np.float32 and weights.ndim > 1:
            moved = weights + amount * weights.std() * rng.normal(size=weights.shape)
            one.CopyFrom(numpy_helper.from_array(moved.astype(np.float32), one.name))
    onnx.save(model, folder / name)
    return folder / name
