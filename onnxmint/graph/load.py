"""A target model read from an untrusted file: what it takes, what it says, and its graph."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from onnx_ir.passes import common as passes

from onnxmint.errors import ModelError
from onnxmint.graph.answers import Answer, candidates, choose_answer
from onnxmint.graph.batching import can_be_freed
from onnxmint.graph.guard import check_proto, name_standard_domain, weight_files, without_weights_outside
from onnxmint.graph.inputs import ASSUMED_SIZE, ImageInput, find_input, trial_image
from onnxmint.graph.running import require_loadable, run_once
from onnxmint.graph.serial import keep_map_types, set_map_types_aside

OLDEST_OPSET = 7  # below it onnxruntime lacks kernels (BatchNormalization, broadcasting)
_OPSET_OF_NOTHING = 17  # where a graph has operators of other domains only, ours are added at this opset
_SIZES = (ASSUMED_SIZE, 32, 28, 64, 96, 128, 160, 192, 256, 299, 384, 48, 16, 8)
"""Heights and widths that are tried where a file says any size will do; only one works when a dense layer follows."""
_MIXED = 3e-3  # float16 rounds by less, whatever the batch; a shared scale of int8 moves answers by more
_TRIAL = 2  # images: one would hide tensors that have something else on their first axis


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetModel:
    """A classifier under audit. The graph is shared: surgery works on copies.

    Attributes:
        path: of the file.
        sha256: of the file and, where it has any, of the weights beside it.
        model: the graph, its local functions written out.
        input: where images go in.
        answer: where class scores come out.
        opset: of the standard operators.
        ir_version: of the file; what we write may have another.
    """

    path: Path
    sha256: str
    model: ir.Model
    input: ImageInput
    answer: Answer
    opset: int
    ir_version: int


def load_target(path: str | Path, *, answer: str | None = None, sha256: str | None = None) -> TargetModel:
    """Read, check and try a classifier.

    Args:
        path: an ONNX file.
        answer: the output that holds the class scores; None finds it.
        sha256: hash of the model that an auditor was trained for; None takes any model.

    Raises:
        ModelError: another model, no ONNX file, missing weights, hostile content, no or several image inputs, an opset
            below 7 or above what the runtime loads, no class scores among its outputs.
        UsageError: it has no such output.
    """
    path = Path(path)
    content = _read(path)
    proto = _parse(content, path)
    renamed = name_standard_domain(proto)
    check_proto(proto, path)
    digest = _sha256(content, weight_files(proto, path))
    if sha256 is not None and digest != sha256:  # before anything of the auditor is looked for in it
        raise ModelError(
            f"the auditor was trained for another model (SHA-256 {sha256[:12]}...), {path.name} has {digest[:12]}...: "
            "give that model, or train an auditor for this one"
        )
    _check_valid(proto, path, as_read=not renamed)
    model = _read_graph(proto, path)
    if "" not in model.graph.opset_imports:
        model.graph.opset_imports[""] = _OPSET_OF_NOTHING
    opset = model.graph.opset_imports[""]
    if opset < OLDEST_OPSET:
        raise ModelError(
            f"{path} uses opset {opset}; onnxmint works from opset {OLDEST_OPSET} on: convert it with "
            "onnx.version_converter, or export it again"
        )
    require_loadable(opset, proto.ir_version, path)
    if model.functions:
        passes.InlinePass()(model)
    image = find_input(model, path)
    image, found = _find_answer(model, image, path, answer)
    return TargetModel(
        path=path,
        sha256=digest,
        model=model,
        input=image,
        answer=found,
        opset=opset,
        ir_version=proto.ir_version,
    )


def _check_valid(proto: onnx.ModelProto, path: Path, *, as_read: bool) -> None:
    """Run the ONNX checker; inputs and outputs without a shape, which it refuses and runtimes take, are let pass.

    Args:
        proto: the model.
        path: where it came from.
        as_read: the file holds the same; otherwise not the file is checked but the model.
    """
    kinds = [value.type.tensor_type for value in (*proto.graph.input, *proto.graph.output)]
    shapeless = [kind for kind in kinds if kind.elem_type and not kind.HasField("shape")]
    for kind in shapeless:
        kind.shape.SetInParent()
    try:
        onnx.checker.check_model(without_weights_outside(proto) if shapeless or not as_read else str(path))
    except (onnx.checker.ValidationError, ValueError, RuntimeError) as problem:
        first = str(problem).strip().splitlines()[0]
        raise ModelError(f"{path} is not a valid ONNX model: {first}; export it again") from None
    for kind in shapeless:
        kind.ClearField("shape")


def _read_graph(proto: onnx.ModelProto, path: Path) -> ir.Model:
    """Return the graph; weights in files beside it are read when they are asked for.

    Shapes that the file gives for tensors inside the graph are dropped: they are hints, some exporters write wrong ones
    (jax2onnx those of another layout), and everything here comes from running the graph.
    """
    kept = set_map_types_aside(proto)
    try:
        model = ir.from_proto(proto)
    except ir.serde.SerdeError as problem:
        cause: BaseException = problem
        while cause.__cause__ is not None:
            cause = cause.__cause__
        first = str(cause).strip().splitlines()[0]
        raise ModelError(f"{path} holds what onnx-ir {ir.__version__} cannot read: {first}") from None
    ir.external_data.set_base_dir(model.graph, path.parent)
    for node in ir.traversal.RecursiveGraphIterator(model.graph):
        for value in node.outputs:
            value.shape = value.shape if value.is_graph_output() else None
    keep_map_types(model, kept)
    return model


def at_size(target: TargetModel, size: tuple[int, int] | None, layout: str | None = None) -> TargetModel:
    """Return the target with its input's (height, width) settled: where they are open, layers' shapes follow.

    Args:
        target: the model.
        size: what the preprocessing makes; None leaves it.
        layout: what the preprocessing says of a flat input.

    Raises:
        UsageError: a flat input cannot hold such images.
    """
    return replace(target, input=target.input.settled(size, layout))


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
        raise ModelError(
            f"{path} is not an ONNX file, or incomplete: if it was downloaded, download it again, else export the "
            "classifier with torch.onnx.export, tf2onnx or alike"
        )
    return proto


def _sha256(content: bytes, files: Sequence[Path]) -> str:
    """Return the hash of a model; weights beside it count, or a re-trained model would pass for the old one."""
    digest = hashlib.sha256(content)
    for file in files:
        with file.open("rb") as stream:
            while block := stream.read(1 << 22):
                digest.update(block)
    return digest.hexdigest()


def _find_answer(model: ir.Model, image: ImageInput, path: Path, wanted: str | None) -> tuple[ImageInput, Answer]:
    """Return the class scores, and the input as it really is.

    A file may declare a free batch size and hold shapes of a single image inside, or declare any height and width and
    work for one: it is then taken for what it is.
    """
    found = candidates(model, path, wanted)
    outputs = ", ".join(f"{value.name!r} {value.shape}" for value in model.graph.outputs)
    if not found:
        raise ModelError(f"{path} gives no class scores (images by classes) to audit; its outputs: {outputs}")
    problem = None
    for tried in _readings(image):
        batch = tried.batch or _TRIAL
        try:
            values = _try(model, tried, batch, [one.value.name or "" for one in found], path)
            answer = choose_answer(found, values, batch, path, outputs)
        except ModelError as failed:
            problem = problem or failed
            continue
        if answer is not None:
            return replace(tried, mixes=_mixes(model, tried, answer, path)), answer
    raise problem or ModelError(f"{path} gives no class scores for each image (images by classes); outputs: {outputs}")


def _mixes(model: ir.Model, image: ImageInput, answer: Answer, path: Path) -> bool:
    """Say whether two images are answered otherwise together than each alone, or only one is taken at a time."""
    if image.batch is not None:
        return image.batch == 1 and not can_be_freed(model, image, path)
    images = trial_image(image, _TRIAL, np.random.default_rng(0))
    images[1] = images[1] // 3 if image.raw else images[1] * 0.3  # of another range, which dynamic quantisation notices
    trial = exposing(model, [answer.tensor])
    together = run_once(trial, {image.name: images}, [answer.tensor], path)[answer.tensor]
    if not np.isfinite(together).all():
        return False  # of noise; what it says of images is seen later
    alone = [run_once(trial, {image.name: one[None]}, [answer.tensor], path)[answer.tensor] for one in images]
    tolerance = _MIXED * max(1.0, float(np.abs(together).max()))
    return not np.allclose(together, np.concatenate(alone), rtol=0, atol=tolerance)


def _readings(image: ImageInput) -> Iterator[ImageInput]:
    """Yield what an input may be: as declared, for one image at a time, of one size; the likeliest first."""
    yield image
    if image.batch is None:
        yield replace(image, batch=1)
    if image.features is None and image.height is None and image.width is None:
        for size in _SIZES[1:]:
            yield replace(image, height=size, width=size)


def _try(model: ir.Model, image: ImageInput, batch: int, names: list[str], path: Path) -> dict[str, NDArray[Any]]:
    """Run noise and return some tensors."""
    trial = exposing(model, names)
    feeds = {image.name: trial_image(image, batch, np.random.default_rng(0))}
    return run_once(trial, feeds, list(dict.fromkeys(names)), path)


def exposing(model: ir.Model, names: Sequence[str]) -> ir.Model:
    """Return a copy of which some tensors are the outputs."""
    copy = model.clone()
    values = ir.convenience.create_value_mapping(copy.graph, include_subgraphs=False)
    copy.graph.outputs.clear()
    copy.graph.outputs.extend(values[name] for name in dict.fromkeys(names))
    return copy
