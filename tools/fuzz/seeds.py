"""What inputs are made from: the tests' models, handwritten graphs, and the bundled data."""

import random
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper, parser

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "onnxmint" / "demo"
_HEAD = '<ir_version: 8, opset_import: ["" : 17]> g (float[N,3,8,8] image) => (float[N,4] logits) '
_WEIGHTS = "<float[5,3,3,3] w1, float[5] b1, float[6,5,3,3] w2, float[6,4] w3, float[192,4] w4>"
_TEXTS = {
    "convolutions": "c = Conv <pads=[1,1,1,1]> (image, w1, b1) r = Relu (c) d = Conv (r, w2) s = Relu (d) "
    "m = GlobalAveragePool (s) f = Flatten (m) logits = MatMul (f, w3)",
    "residual": "c = Conv <pads=[1,1,1,1]> (image, w1, b1) r = Relu (c) t = Sigmoid (r) a = Add (r, t) "
    "d = Conv (a, w2) m = GlobalAveragePool (d) f = Flatten (m) p = MatMul (f, w3) logits = Softmax (p)",
    "dense": "f = Flatten (image) logits = MatMul (f, w4)",
    "dropout": "f = Flatten (image) p = MatMul (f, w4) logits = Dropout (p)",
    "two heads": "f = Flatten (image) p = MatMul (f, w4) q = Neg (p) logits = Add (p, q)",
}


def model_seeds(largest: int) -> Mapping[str, bytes]:
    """Return serialised models by name; those with weights in other files are left out."""
    found = {f"text: {name}": _filled(_HEAD + _WEIGHTS + "{" + body + "}") for name, body in _TEXTS.items()}
    for path in sorted((ROOT / "tests" / "models").glob("*.onnx")):
        if path.stat().st_size < largest and not path.with_name(f"{path.name}.data").exists():
            found[path.stem] = path.read_bytes()
    return found


def _filled(text: str) -> bytes:
    """Return a model of a text; what it only declares becomes weights of seeded noise."""
    model = parser.parse_model(text)
    rng = np.random.default_rng(0)
    for declared in model.graph.value_info:
        shape = tuple(size.dim_value for size in declared.type.tensor_type.shape.dim)
        model.graph.initializer.append(
            numpy_helper.from_array(rng.normal(size=shape).astype(np.float32), declared.name)
        )
    del model.graph.value_info[:]
    data: bytes = model.SerializeToString()
    return data


def rows(rng: random.Random, most: int, count: int) -> str:
    """Return a slice of rows in the words of a source."""
    start = rng.randrange(most - count)
    return f"rows={start}:{start + count}"


def load(data: bytes) -> onnx.ModelProto:
    """Return a model from bytes."""
    return onnx.ModelProto.FromString(data)
