"""Weights in files beside a model: where they may lie, and that only what was looked at is opened."""

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import onnx
import onnx_ir as ir
from onnx import TensorProto

from onnxmint.errors import ModelError
from onnxmint.graph.guard import nbytes, tensors_of

_DIGITS = 18  # of an offset or a length: more is no place in a file
_BLOCK = 1 << 22


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightFile:
    """A file beside a model that holds weights of it.

    Attributes:
        place: the file itself, links resolved.
        parts: (start, end) of what the model uses, in bytes, ascending, apart from each other.
    """

    place: Path
    parts: tuple[tuple[int, int], ...]

    def read(self) -> Iterator[bytes]:
        """Yield what the model uses, in order."""
        with self.place.open("rb") as file:
            for start, end in self.parts:
                file.seek(start)
                while start < end and (block := file.read(min(_BLOCK, end - start))):
                    start += len(block)
                    yield block


def find_weights(proto: onnx.ModelProto, path: Path) -> dict[str, WeightFile]:
    """Return the files that hold weights of a model, by the names it gives them.

    Raises:
        ModelError: one is no regular file in the model's folder, or too short for what the model says of it.
    """
    used: dict[str, list[tuple[int, int]]] = {}
    places: dict[str, Path] = {}
    for tensor in tensors_of(proto):
        if tensor.data_location != TensorProto.EXTERNAL:
            continue
        facts = _facts(tensor, path)
        name = facts["location"]
        if name not in places:
            places[name] = _place(name, path)
        part = _part(tensor, facts, path)
        if part[1] > (size := places[name].stat().st_size):
            raise ModelError(f"{path}: its weights {name!r} are cut short ({size:,} bytes, {part[1]:,} needed)")
        used.setdefault(name, []).append(part)
    return {name: WeightFile(place=places[name], parts=_joined(parts)) for name, parts in sorted(used.items())}


def _facts(tensor: onnx.TensorProto, path: Path) -> dict[str, str]:
    facts = {entry.key: entry.value for entry in tensor.external_data}
    if len(facts) < len(tensor.external_data):
        raise ModelError(
            f"{path}: weights {tensor.name!r} say twice where they lie; the file is damaged: export it again"
        )
    if not facts.get("location"):
        raise ModelError(f"{path}: weights {tensor.name!r} do not say where they lie; the file is damaged")
    return facts


def _place(name: str, path: Path) -> Path:
    """Accept a regular file below the model's folder, links resolved, that has no other names."""
    # A model in a Hugging Face cache is a link into a folder of blobs, and so are its weights.
    homes = {path.parent.resolve(), path.resolve().parent}
    try:
        facts = (path.parent / name).stat()  # by the system's way through "..", then in words
        place = Path(os.path.realpath(path.parent / name, strict=True))
    except (FileNotFoundError, NotADirectoryError):
        raise ModelError(f"{path}: its weights are missing: no file {name!r} beside it; copy it there") from None
    except (OSError, ValueError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else problem
        raise ModelError(
            f"{path}: its weights {name!r} are no usable file name ({reason}); save it with other names"
        ) from None
    if not any(place.is_relative_to(home) for home in homes):
        raise ModelError(f"{path}: weights {name!r} lie outside the model's folder; move them beside the model")
    if not stat.S_ISREG(facts.st_mode):
        raise ModelError(f"{path}: its weights {name!r} are no regular file; copy the weights there")
    if facts.st_nlink > 1:
        raise ModelError(
            f"{path}: its weights {name!r} are a hard link to a file that has other names too; put a copy in its place"
        )
    return place


def _part(tensor: onnx.TensorProto, facts: Mapping[str, str], path: Path) -> tuple[int, int]:
    """Return start and end in bytes, as long as type and shape say."""
    if tensor.data_type == TensorProto.STRING or any(size < 0 for size in tensor.dims):
        raise ModelError(f"{path}: weights {tensor.name!r} of text, or of negative size, lie in another file")
    numbers = [facts.get(key, "0") for key in ("offset", "length")]
    if not all(number.isascii() and number.isdecimal() and len(number) <= _DIGITS for number in numbers):
        shown = [f"{number[:_DIGITS]}..." if len(number) > _DIGITS else number for number in numbers]
        raise ModelError(
            f"{path}: its weights {facts['location']!r} have offset and length {shown}; the file is damaged"
        )
    start, length = map(int, numbers)
    expected = nbytes(tensor, path)
    if "length" in facts and length != expected:
        raise ModelError(
            f"{path}: weights {tensor.name!r} of shape {list(tensor.dims)} take {expected:,} bytes, and the file says "
            f"{length:,}; it is damaged: export it again"
        )
    return start, start + expected


def _joined(parts: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Return stretches that touch or overlap as one."""
    found: list[tuple[int, int]] = []
    for start, end in sorted(parts):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], end)
        else:
            found.append((start, end))
    return tuple(found)


def without_weights_outside(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy whose weights in other files are empty: to check the rest."""
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    for tensor in tensors_of(copy):
        if tensor.data_location == TensorProto.EXTERNAL:
            tensor.ClearField("data_location")
            tensor.ClearField("external_data")
            tensor.dims[:] = [0]
    return copy


def name_places(proto: onnx.ModelProto, files: Mapping[str, WeightFile]) -> None:
    """Let a file name the places that were looked at, in place of names that may lead elsewhere later."""
    for tensor in tensors_of(proto):
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = str(files[entry.value].place)


def bind_weights(model: ir.Model, files: Mapping[str, WeightFile]) -> None:
    """Let the weights of a graph be read from the places that `name_places` gave, and from nowhere else."""
    if not files:
        return
    folder = os.path.commonpath([file.place.parent for file in files.values()])
    for graph in (model.graph, *(function.graph for function in model.functions.values())):
        ir.external_data.set_base_dir(graph, folder)
    for function in model.functions.values():
        for attribute in function.attributes.values():
            if isinstance(attribute.value, ir.ExternalTensor):
                attribute.value.base_dir = folder
