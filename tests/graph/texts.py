"""Small graphs written as ONNX text."""

from pathlib import Path

import numpy as np
import onnx


def save(text: str, path: Path) -> Path:
    """Write a graph given as text."""
    onnx.save(onnx.parser.parse_model(text), path)
    return path


CNN = """
<ir_version: 8, opset_import: ["" : 17]>
cnn (float[N,3,8,8] image) => (float[N,4] logits)
<float[5,3,3,3] w1, float[5] b1, float[6,5,3,3] w2, float[6,4] w3>
{
  conv1 = Conv <pads=[1,1,1,1]> (image, w1, b1)
  relu1 = Relu (conv1)
  conv2 = Conv <pads=[1,1,1,1]> (relu1, w2)
  relu2 = Relu (conv2)
  mean = GlobalAveragePool (relu2)
  flat = Flatten (mean)
  logits = MatMul (flat, w3)
}
"""


def cnn(path: Path, text: str = CNN) -> Path:
    """Write a graph; the tensors that the text only declares (`float[5] b1`) become weights of seeded noise."""
    model = onnx.parser.parse_model(text)
    rng = np.random.default_rng(0)
    for declared in model.graph.value_info:
        shape = tuple(size.dim_value for size in declared.type.tensor_type.shape.dim)
        weight = rng.normal(size=shape).astype(np.float32)
        model.graph.initializer.append(onnx.numpy_helper.from_array(weight, declared.name))
    del model.graph.value_info[:]
    onnx.save(model, path)
    return path
