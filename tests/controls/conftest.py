"""A reference model that knows its task and was trained on no image in particular."""

import io
from pathlib import Path

import numpy as np
import onnx
import pyarrow.parquet as pq
from PIL import Image

from tests.conftest import DEMO

TEMPLATES = """
<ir_version: 8, opset_import: ["" : 17]>
templates (float[N,1,{size},{size}] image) => (float[N,10] logits)
<float[{count},10] mean, float sharp = {{20.0}}>
{{
  flat = Flatten (image)
  level = ReduceMean <axes=[1]> (flat)
  free = Sub (flat, level)
  length = ReduceL2 <axes=[1]> (free)
  unit = Div (free, length)
  alike = MatMul (unit, mean)
  logits = Mul (alike, sharp)
}}
"""


def templates(path: Path, size: int = 28) -> Path:
    """Write a classifier that correlates an image with the mean of each class; scale and offset of pixels are free."""
    pixels, labels = [], []
    for name in ("members", "nonmembers"):
        table = pq.read_table(DEMO / f"{name}.parquet")
        labels += table["label"].to_pylist()
        for row in table["image"].to_pylist():
            image = Image.open(io.BytesIO(row["bytes"])).convert("L").resize((size, size), Image.Resampling.BILINEAR)
            pixels.append(np.asarray(image, np.float64).ravel())
    of = np.array(labels)
    mean = np.stack([np.mean(np.stack(pixels)[of == label], axis=0) for label in range(10)], axis=1)
    mean -= mean.mean(axis=0)
    mean /= np.linalg.norm(mean, axis=0)
    model = onnx.parser.parse_model(TEMPLATES.format(size=size, count=size * size))
    del model.graph.value_info[:]
    model.graph.initializer.append(onnx.numpy_helper.from_array(mean.astype(np.float32), "mean"))
    onnx.save(model, path)
    return path
