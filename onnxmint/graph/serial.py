"""A model to bytes or to files: within what the runtime loads, never half-written, and without reading all weights."""

import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import onnx
import onnx_ir as ir

from onnxmint.errors import ModelError
from onnxmint.writing.files import atomic_write, no_room_for
from onnxmint.writing.leftovers import temporary_folder

NEWEST_IR = 10
"""The newest IR version that we write, and that every supported runtime loads (onnxruntime-gpu 1.31 takes 13)."""
_OLDEST_IR = 8
_WEIGHTS = "weights.bin"
_MAP_TYPE = "onnxmint.map_type"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How a model reaches the runtime.

    Attributes:
        one_file: bytes of weights that one ONNX file can hold; protobuf ends at 2 GiB.
        held: bytes of weights in files beside the model, up to which they are read into memory.
        links: whether the weights of larger ones are linked to where the file system allows it.
    """

    one_file: int = 1_800_000_000
    held: int = 256_000_000
    links: bool = True


_LIMITS = Limits()


def require_one_file(model: ir.Model, path: Path) -> None:
    """Refuse a target that is too large for an auditor, which is one ONNX file with the target in it.

    Raises:
        ModelError: saying how large.
    """
    size = weights_size(model)
    if size > _LIMITS.one_file:
        raise ModelError(
            f"{path} has {size / 1e9:.1f} GB of weights, and an auditor, which holds the model, can have "
            f"{_LIMITS.one_file / 1e9:.1f} GB: convert it to float16, or compare modules on it with onnxmint evaluate"
        )


def serialize(model: ir.Model) -> bytes:
    """Return a model as one self-contained piece, weights included.

    Raises:
        ModelError: its weights exceed what one ONNX file can hold.
    """
    size = weights_size(model)
    if size > _LIMITS.one_file:
        raise ModelError(
            f"the graph holds {size / 1e9:.1f} GB of weights; one ONNX file can hold {_LIMITS.one_file / 1e9:.1f} GB: "
            "take an earlier layer, or a model in float16"
        )
    clamp_ir_version(model)
    whole = ir.external_data.load_to_model(model)
    proto = ir.to_proto(whole)
    for value, written in zip(model.graph.outputs, proto.graph.output, strict=True):
        if _MAP_TYPE in value.meta:
            written.type.CopyFrom(value.meta[_MAP_TYPE])
    data: bytes = proto.SerializeToString()
    return data


def set_map_types_aside(proto: onnx.ModelProto) -> dict[str, onnx.TypeProto]:
    """Take the types of maps (scikit-learn's scores by class), which onnx-ir cannot hold, out of a graph."""
    kept = {}
    for value in (*proto.graph.output, *proto.graph.value_info):
        kind = value.type
        while kind.WhichOneof("value") in ("sequence_type", "optional_type"):
            kind = getattr(kind, kind.WhichOneof("value")).elem_type
        if kind.WhichOneof("value") == "map_type":
            kept[value.name] = onnx.TypeProto()
            kept[value.name].CopyFrom(value.type)
            value.ClearField("type")
    return kept


def keep_map_types(model: ir.Model, kept: Mapping[str, onnx.TypeProto]) -> None:
    """Remember the types that were set aside, for when the graph is written again; copies remember them too."""
    for value in model.graph.outputs:
        if value.name is not None and value.name in kept:
            value.meta[_MAP_TYPE] = kept[value.name]


def is_map(value: ir.Value) -> bool:
    """Say whether a value has a type that was set aside."""
    return _MAP_TYPE in value.meta


@contextlib.contextmanager
def session_source(model: ir.Model, *, limits: Limits = _LIMITS) -> Iterator[bytes | Path]:
    """Give what a session is opened from: bytes or, for large models, a file that is gone afterwards.

    Weights that lie in files beside the original are linked to where the file system allows it, and mapped by the
    runtime: they are neither copied nor read before they are used.

    Args:
        model: what is to run.
        limits: from which sizes on it is large.

    Raises:
        ModelError: the disk for temporary files has no room for a copy, or cannot be written.
    """
    inside, small = _sizes(model, limits)
    if small:
        yield serialize(model)
        return
    clamp_ir_version(model)
    with contextlib.ExitStack() as stack:
        try:
            file = _written(model, inside, stack, limits)
        except OSError as problem:
            raise ModelError(
                f"cannot write the model into {tempfile.gettempdir()}, for the runtime to read it from there: "
                f"{problem.strerror or problem}; set TMPDIR to another folder"
            ) from None
        yield file


def _written(model: ir.Model, inside: int, stack: contextlib.ExitStack, limits: Limits) -> Path:
    """Write a model, of which `inside` bytes are not in files yet, into a folder that goes when the stack does."""
    folder = stack.enter_context(temporary_folder())
    file = folder / "model.onnx"
    linked = _linked(model, folder) if limits.links and inside <= limits.one_file else None
    if linked is not None:
        _require_disk(inside)
        ir.save(linked, file)
    else:
        _require_disk(weights_size(model))
        ir.save(model, file, external_data=_WEIGHTS)
    return file


def _require_disk(size: int) -> None:
    if (offered := no_room_for(size)) is not None:
        raise ModelError(
            f"the runtime needs a copy of the model's {size / 1e9:.1f} GB of weights, {offered}: set TMPDIR to a "
            "larger disk, best to that of the model, where none is copied"
        )


def structure(model: ir.Model) -> bytes:
    """Return a model for the checker: of large ones the weights are declared as inputs, so that none is read."""
    if _sizes(model, _LIMITS)[1]:
        return serialize(model)
    copy = model.clone()
    clamp_ir_version(copy)
    for name in list(copy.graph.initializers):
        value = copy.graph.initializers.pop(name)
        tensor = value.const_value
        if tensor is not None:
            value.type, value.shape = ir.TensorType(tensor.dtype), ir.Shape(tensor.shape.numpy())
        value.const_value = None
        if value not in copy.graph.inputs:
            copy.graph.inputs.append(value)
    data: bytes = ir.to_proto(copy).SerializeToString()
    return data


def _sizes(model: ir.Model, limits: Limits) -> tuple[int, bool]:
    """Return the bytes of weights that are not in files, and whether all weights are few enough to be held at once."""
    outside = sum(tensor.nbytes for tensor in _weights(model) if isinstance(tensor, ir.ExternalTensor))
    inside = weights_size(model) - outside
    return inside, outside <= limits.held and inside + outside <= limits.one_file


def _linked(model: ir.Model, folder: Path) -> ir.Model | None:
    """Return a copy whose weights outside are hard links in a folder; None where links cannot be made."""
    copy = model.clone()
    made: dict[str, str] = {}
    for graph in copy.graphs():
        for value in graph.initializers.values():
            tensor = value.const_value
            if not isinstance(tensor, ir.ExternalTensor):
                continue
            source = os.path.realpath(tensor.path)
            if source not in made:
                made[source] = f"weights-{len(made)}.bin"
                try:
                    os.link(source, folder / made[source])
                except OSError:  # another file system, or one without links: the caller copies
                    return None
            value.const_value = ir.ExternalTensor(
                made[source],
                tensor.offset,
                tensor.length,
                tensor.dtype,
                shape=tensor.shape,
                name=tensor.name or "",
                base_dir=folder,
            )
    return copy


def _weights(model: ir.Model) -> Iterator[ir.TensorProtocol]:
    for graph in model.graphs():
        for value in graph.initializers.values():
            if value.const_value is not None:
                yield value.const_value


def weights_size(model: ir.Model) -> int:
    """Return the bytes of a model's weights, those in files beside it included."""
    return sum(tensor.nbytes for tensor in _weights(model))


def clamp_ir_version(model: ir.Model) -> None:
    """Bring the IR version into what both old and new runtimes load."""
    model.ir_version = min(max(model.ir_version, _OLDEST_IR), NEWEST_IR)


def save_model(model: ir.Model, path: Path) -> None:
    """Write a model under its final name only when it is whole.

    Raises:
        ModelError: the weights exceed what one file can hold.
        OnnxmintError: the place cannot be written.
    """
    atomic_write(path, serialize(model))
