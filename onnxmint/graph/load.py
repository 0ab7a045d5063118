"""A target model read from an untrusted file: what it takes, what it says, and its graph."""

import contextlib
import hashlib
import logging
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import onnx
import onnx_ir as ir
from google.protobuf.message import DecodeError
from onnx_ir.passes import common as passes

from onnxmint.errors import ModelError
from onnxmint.graph import isolation
from onnxmint.graph.answers import Answer
from onnxmint.graph.guard import check_proto
from onnxmint.graph.inputs import ImageInput, find_input
from onnxmint.graph.mending import mend, read_texts
from onnxmint.graph.observed import ObservedModel, told_of
from onnxmint.graph.running import opened, require_loadable
from onnxmint.graph.serial import keep_map_types, set_map_types_aside
from onnxmint.graph.standard import objection
from onnxmint.graph.trying import try_out
from onnxmint.graph.weights import WeightFile, bind_weights, find_weights, name_places, without_weights_outside

logging.getLogger("onnx_ir").addHandler(logging.NullHandler())  # else Python prints its warnings, with names of a file
OLDEST_OPSET = 7  # below it onnxruntime lacks kernels (BatchNormalization, broadcasting)
_OPSET_OF_NOTHING = 17  # where a graph has operators of other domains only, ours are added at this opset
_LARGEST = 2**31  # bytes; protobuf reads no more
_LONGEST = 300  # letters of a reason


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
        notes: what was put right in the file, or read in one of several ways: a sentence each.
        erratic: outputs of the file that are others each time; the answer is none of them.
        calmed: Dropout was taken out of the graph, as onnxruntime does when it optimises it.
        squeezes: of a single image some tensors lose the axis of the batch.
    """

    path: Path
    sha256: str
    model: ir.Model
    input: ImageInput
    answer: Answer
    opset: int
    ir_version: int
    notes: tuple[str, ...] = ()
    erratic: tuple[str, ...] = ()
    calmed: bool = False
    squeezes: bool = False


def load_target(path: str | Path, *, answer: str | None = None, sha256: str | None = None) -> TargetModel:
    """Read, check and try a classifier.

    Args:
        path: an ONNX file.
        answer: the output that holds the class scores; None finds it.
        sha256: hash of the model that an auditor was trained for; None takes any model.

    Raises:
        ModelError: another model, no ONNX file, hostile content, nothing that takes one image and gives class scores.
        UsageError: it has no such output.
    """
    path = Path(path)
    content = _read(path)
    isolation.start()  # it gets ready while the file is checked
    proto = _parse(content, path)
    notes = read_texts(proto)
    check_proto(proto, path)
    notes += mend(proto, path)
    files = find_weights(proto, path)
    told = told_of({one.key: one.value for one in proto.metadata_props}, path)
    digest = _sha256(content, files) if told is None else told.sha256
    _require_hash(digest, sha256, path)
    objections = _check_valid(proto, path, files)
    model = _read_graph(proto, path, files)
    if objections:
        _require_editable(model, path)
    tried = try_out(model, find_input(model, path), path, answer if told is None else told.answer.output)
    found = TargetModel(
        path=path,
        sha256=digest,
        model=tried.model,
        input=tried.input,
        answer=tried.answer,
        opset=tried.model.graph.opset_imports[""],
        ir_version=proto.ir_version,
        notes=(*notes, *objections, *tried.notes),
        erratic=tried.erratic,
        calmed=tried.model is not model,
        squeezes=tried.squeezes,
    )
    return found if told is None else _as_observed(found, told)


def _as_observed(found: TargetModel, told: ObservedModel) -> TargetModel:
    """Return a model without weights as the whole one that it stands for."""
    tensors = {value.name for node in found.model.graph for value in node.outputs}
    if told.answer.tensor not in tensors or told.input.name != found.input.name:
        raise ModelError(f"{found.path}: what is told of the model does not fit its graph; ask for it again")
    return replace(found, input=told.input, answer=told.answer, notes=told.notes)


def _require_hash(digest: str, wanted: str | None, path: Path) -> None:
    """Refuse another model than an auditor was trained for, before anything of the auditor is looked for in it."""
    if wanted is not None and wanted != digest:
        raise ModelError(
            f"the auditor was trained for another model (SHA-256 {wanted[:12]}...), {path.name} has {digest[:12]}...: "
            "give that model, or train an auditor for this one"
        )


def _check_valid(proto: onnx.ModelProto, path: Path, files: Mapping[str, WeightFile]) -> tuple[str, ...]:
    """Run the ONNX checker; what it refuses and onnxruntime loads gets a note.

    Raises:
        ModelError: neither takes the file.
    """
    with _declared(proto):
        found = objection(without_weights_outside(proto) if files else proto)
    if found is None:
        return ()
    try:
        with opened(path, path):
            pass
    except ModelError:
        raise ModelError(f"{path} is not a valid ONNX model: {found}; export it again") from None
    return (f"The ONNX checker refuses the file ({found}), and onnxruntime runs it.",)


@contextlib.contextmanager
def _declared(proto: onnx.ModelProto) -> Iterator[None]:
    """Let inputs and outputs have some shape, and outputs some type, which runtimes do not ask for."""
    untyped = [value for value in proto.graph.output if not value.type.WhichOneof("value")]
    for value in untyped:
        value.type.tensor_type.elem_type = onnx.TensorProto.FLOAT
    kinds = [value.type.tensor_type for value in (*proto.graph.input, *proto.graph.output)]
    shapeless = [kind for kind in kinds if kind.elem_type and not kind.HasField("shape")]
    for kind in shapeless:
        kind.shape.SetInParent()
    try:
        yield
    finally:
        for kind in shapeless:
            kind.ClearField("shape")
        for value in untyped:
            value.ClearField("type")


def _read_graph(proto: onnx.ModelProto, path: Path, files: Mapping[str, WeightFile]) -> ir.Model:
    """Return the graph, its functions written out; weights in files beside it are read when they are asked for.

    Shapes that the file gives for tensors inside the graph are dropped: they are hints, some exporters write wrong ones
    (jax2onnx those of another layout), and everything here comes from running the graph.
    """
    name_places(proto, files)
    kept = set_map_types_aside(proto)
    try:
        model = ir.from_proto(proto)
    except ir.serde.SerdeError as problem:
        raise ModelError(f"{path} holds what onnx-ir {ir.__version__} cannot read: {_cause(problem)}") from None
    bind_weights(model, files)
    for node in ir.traversal.RecursiveGraphIterator(model.graph):
        for value in node.outputs:
            value.shape = value.shape if value.is_graph_output() else None
    keep_map_types(model, kept)
    _settle_opset(model, proto.ir_version, path)
    if model.functions:
        _write_out(model, path)
    return model


def _settle_opset(model: ir.Model, ir_version: int, path: Path) -> None:
    opset = model.graph.opset_imports.setdefault("", _OPSET_OF_NOTHING)
    if opset < OLDEST_OPSET:
        raise ModelError(
            f"{path} uses opset {opset}; onnxmint works from opset {OLDEST_OPSET} on: convert it with "
            "onnx.version_converter, or export it again"
        )
    require_loadable(opset, ir_version, path)


def _write_out(model: ir.Model, path: Path) -> None:
    """Write functions out where they are called."""
    try:
        passes.InlinePass()(model)
    except (RuntimeError, ValueError) as problem:
        raise ModelError(
            f"{path}: its functions cannot be written out: {_cause(problem)}; export it without functions"
        ) from None


def _require_editable(model: ir.Model, path: Path) -> None:
    """Refuse a graph that cannot be copied: what the checker has against it is more than words."""
    try:
        model.clone()
    except (RuntimeError, ValueError) as problem:
        raise ModelError(f"{path} is not a valid ONNX model: {_cause(problem)}; export it again") from None


def _cause(problem: BaseException) -> str:
    """Return the first line of what an error of onnx-ir came from."""
    while problem.__cause__ is not None:
        problem = problem.__cause__
    lines = str(problem).strip().splitlines()
    return lines[0][:_LONGEST] if lines else type(problem).__name__


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
    try:
        facts = path.stat()
        if stat.S_ISDIR(facts.st_mode):
            raise ModelError(f"{path} is a folder; give the .onnx file in it")
        if not stat.S_ISREG(facts.st_mode):
            raise ModelError(f"{path} is no regular file; give the path of an ONNX file")
        if facts.st_size > _LARGEST:
            raise ModelError(
                f"{path} has {facts.st_size / 1e9:.1f} GB, and an ONNX file at most 2: save its weights beside it"
            )
        return path.read_bytes()
    except FileNotFoundError:
        raise ModelError(f"{path} does not exist; give the path of an ONNX file") from None
    except (OSError, ValueError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else problem
        raise ModelError(f"cannot read {path}: {reason}") from None


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


def _sha256(content: bytes, files: Mapping[str, WeightFile]) -> str:
    """Return the hash of a model; weights beside it count, or a re-trained model would pass for the old one."""
    digest = hashlib.sha256(content)
    for name in sorted(files):
        for block in files[name].read():
            digest.update(block)
    return digest.hexdigest()
