"""A target model read from an untrusted file: what it takes, what it says, and its graph."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from onnxmint.errors import ModelError
from onnxmint.graph.guard import check_proto
from onnxmint.graph.running import run_once

OLDEST_OPSET = 7  # below it onnxruntime lacks kernels (BatchNormalization, broadcasting)
ASSUMED_SIZE = 224  # height and width of the trial image where the graph leaves them open
FLOATS = (ir.DataType.FLOAT, ir.DataType.FLOAT16, ir.DataType.DOUBLE)
_CHANNELS = (1, 3, 4)
_RANK = 4
_PASSING = {"Identity", "Cast", "Dropout"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageInput:
    """The input that takes images."""

    name: str
    shape: tuple[int | str | None, ...]  # as the file says; None where it says nothing
    dtype: str  # "float32", "float16", "float64" or "uint8"
    layout: str  # "NCHW" or "NHWC"
    batch: int | None  # fixed batch size, None when free
    channels: int
    height: int | None  # None when free
    width: int | None

    def trial_shape(self, batch: int) -> tuple[int, int, int, int]:
        """Return the shape of a batch for a trial run."""
        height, width = self.height or ASSUMED_SIZE, self.width or ASSUMED_SIZE
        if self.layout == "NCHW":
            return batch, self.channels, height, width
        return batch, height, width, self.channels


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The tensor that holds what the target says of an image."""

    tensor: str
    kind: str  # "logits", "probabilities" or "log-probabilities"
    classes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetModel:
    """A classifier under audit. The graph is shared: surgery works on copies."""

    path: Path
    sha256: str
    model: ir.Model
    input: ImageInput
    answer: Answer
    opset: int


def load_target(path: str | Path) -> TargetModel:
    """Read, check and try a classifier.

    Raises:
        ModelError: missing or no ONNX file, missing weights, hostile content, no or several image inputs, an opset
            below 7, no class scores among its outputs.
    """
    path = Path(path)
    content = _read(path)
    proto = _parse(content, path)
    check_proto(proto, path)
    try:
        onnx.checker.check_model(str(path))
    except (onnx.checker.ValidationError, ValueError, RuntimeError) as problem:
        first = str(problem).strip().splitlines()[0]
        raise ModelError(f"{path} is not a valid ONNX model: {first}; export it again") from None
    model = ir.load(path)
    opset = model.graph.opset_imports.get("", 0)
    if opset < OLDEST_OPSET:
        raise ModelError(
            f"{path} uses opset {opset}; onnxmint works from opset {OLDEST_OPSET} on: convert it with "
            "onnx.version_converter, or export it again"
        )
    image = _find_input(model, path)
    return TargetModel(
        path=path,
        sha256=hashlib.sha256(content).hexdigest(),
        model=model,
        input=image,
        answer=_find_answer(model, image, path),
        opset=opset,
    )


def at_size(target: TargetModel, size: tuple[int, int] | None) -> TargetModel:
    """Return the target with its input's (height, width) settled: where they are open, layers' shapes follow."""
    if size is None:
        return target
    return replace(target, input=replace(target.input, height=size[0], width=size[1]))


def _read(path: Path) -> bytes:
    if path.is_dir():
        raise ModelError(f"{path} is a folder; give the .onnx file in it")
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise ModelError(f"{path} does not exist; give the path of an ONNX file") from None
    except OSError as problem:
        raise ModelError(f"cannot read {path}: {problem.strerror or problem}") from None


def _parse(content: bytes, path: Path) -> onnx.ModelProto:
    try:
        proto = onnx.load_model_from_string(content)
    except DecodeError:
        proto = onnx.ModelProto()
    if not proto.graph.node or not proto.ir_version:
        raise ModelError(f"{path} is not an ONNX file; export the classifier with torch.onnx.export, tf2onnx or alike")
    return proto


def _find_input(model: ir.Model, path: Path) -> ImageInput:
    """Return the one input of rank 4; inputs that are also initialisers (IR version 3) do not count."""
    free = [value for value in model.graph.inputs if value.name not in model.graph.initializers]
    images = [value for value in free if value.shape is not None and len(value.shape) == _RANK]
    if len(images) > 1:
        names = ", ".join(repr(value.name) for value in images)
        raise ModelError(f"{path} takes {len(images)} images ({names}); only classifiers of one image can be audited")
    if not images or len(free) > 1:
        listed = ", ".join(f"{value.name!r} {value.shape}" for value in free) or "none"
        raise ModelError(f"{path} has no single image input (batch, and height, width, channels); its inputs: {listed}")
    (value,) = images
    dtype = {
        ir.DataType.FLOAT: "float32",
        ir.DataType.FLOAT16: "float16",
        ir.DataType.DOUBLE: "float64",
        ir.DataType.UINT8: "uint8",
    }.get(value.dtype)  # type: ignore[arg-type]
    if dtype is None:
        raise ModelError(f"{path}: its input {value.name!r} takes {value.dtype}; onnxmint feeds float or uint8 images")
    shape = tuple(size if isinstance(size, int) else size.value for size in value.shape)  # type: ignore[union-attr]
    sizes = [size if isinstance(size, int) and size > 0 else None for size in shape]
    layout = _layout(sizes, value)
    channels = sizes[1] if layout == "NCHW" else sizes[3]
    if channels not in _CHANNELS or channels == max(_CHANNELS):
        raise ModelError(f"{path}: its input {value.name!r} has shape {list(shape)}; expected 1 or 3 channels")
    height, width = sizes[2:] if layout == "NCHW" else sizes[1:3]
    return ImageInput(
        name=value.name or "",
        shape=shape,
        dtype=dtype,
        layout=layout,
        batch=sizes[0],
        channels=channels,
        height=height,
        width=width,
    )


def _layout(sizes: list[int | None], value: ir.Value) -> str:
    """Tell channels first from channels last: by the channel count, else by what the graph does with the input."""
    first, last = sizes[1] in _CHANNELS, sizes[3] in _CHANNELS
    if first != last:
        return "NCHW" if first else "NHWC"
    for use in value.uses():
        if use.node.op_type == "Transpose" and list(use.node.attributes.get_ints("perm", [])) == [0, 3, 1, 2]:
            return "NHWC"
    return "NCHW"


def _find_answer(model: ir.Model, image: ImageInput, path: Path) -> Answer:
    """Return the class scores: behind a final softmax when there is one, since logits say more than probabilities."""
    floats = [value for value in model.graph.outputs if value.dtype in FLOATS]
    zeros = trial_image(image, 1)
    names = [value.name or "" for value in floats]
    values = run_once(serialize_as_is(model, path), {image.name: zeros}, names, path) if names else {}
    for value in floats:
        said = values[value.name or ""]
        if said.ndim == 2 and said.shape[1] > 1:  # noqa: PLR2004 - batch and classes
            tensor, kind = _behind(value, said)
            return Answer(tensor=tensor, kind=kind, classes=int(said.shape[1]))
    listed = ", ".join(f"{value.name!r} {values[value.name or ''].shape}" for value in floats) or "none of float type"
    raise ModelError(f"{path} gives no class scores (images by classes) to audit; its outputs: {listed}")


def _behind(output: ir.Value, said: NDArray[Any]) -> tuple[str, str]:
    """Follow an output back to the logits; without a final softmax, judge the numbers of a trial run."""
    value: ir.Value | None = output
    while value is not None and (node := value.producer()) is not None:
        if node.op_type in {"Softmax", "LogSoftmax"} and node.domain == "" and node.inputs[0] is not None:
            return node.inputs[0].name or "", "logits"
        if node.op_type not in _PASSING:
            break
        value = node.inputs[0]
    tolerance = 1e-3
    said = said.astype(np.float64)
    if said.min() >= 0 and abs(said.sum() - len(said)) < tolerance:
        return output.name or "", "probabilities"
    if said.max() <= 0 and abs(np.exp(said).sum() - len(said)) < tolerance:
        return output.name or "", "log-probabilities"
    return output.name or "", "logits"


def trial_image(image: ImageInput, batch: int, rng: np.random.Generator | None = None) -> NDArray[Any]:
    """Return images for a trial run: zeros, or noise when a generator is given; values 0 to 1 (uint8: 0 to 255)."""
    shape = image.trial_shape(batch if image.batch is None else image.batch)
    noise = np.zeros(shape) if rng is None else rng.random(shape)
    return (noise * 255).astype(np.uint8) if image.dtype == "uint8" else noise.astype(image.dtype)


def serialize_as_is(model: ir.Model, path: Path) -> bytes | Path:
    """Return a model for a session: bytes, or its own path when its weights lie in files beside it."""
    external = any(isinstance(value.const_value, ir.ExternalTensor) for value in model.graph.initializers.values())
    return path if external else ir.to_proto(model).SerializeToString()
