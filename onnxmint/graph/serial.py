"""A model to bytes or to a file: within what the runtime loads, and never half-written."""

from pathlib import Path

import onnx_ir as ir

from onnxmint.errors import ModelError
from onnxmint.writing import atomic_write

_IR_VERSIONS = (8, 10)  # onnxruntime-gpu 1.31 takes up to 13; old runtimes up to 10
_LARGEST = 1_800_000_000  # bytes of weights; protobuf ends at 2 GiB


def serialize(model: ir.Model) -> bytes:
    """Return a model as one self-contained piece, weights included.

    Raises:
        ModelError: its weights exceed what one ONNX file can hold.
    """
    size = sum(value.const_value.nbytes for value in model.graph.initializers.values() if value.const_value is not None)
    if size > _LARGEST:
        raise ModelError(f"the graph holds {size / 1e9:.1f} GB of weights; one ONNX file can hold 1.8 GB: cut earlier")
    clamp_ir_version(model)
    whole = ir.external_data.load_to_model(model)
    data: bytes = ir.to_proto(whole).SerializeToString()
    return data


def clamp_ir_version(model: ir.Model) -> None:
    """Bring the IR version into what both old and new runtimes load."""
    low, high = _IR_VERSIONS
    model.ir_version = min(max(model.ir_version, low), high)


def save_model(model: ir.Model, path: Path) -> None:
    """Write a model under its final name only when it is whole.

    Raises:
        ModelError: the weights exceed what one file can hold.
        OnnxmintError: the place cannot be written.
    """
    atomic_write(path, serialize(model))
