"""Trial runs of a graph, in a child process on the CPU: to learn shapes, and to prove that surgery changed nothing."""

import contextlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx_ir as ir
from numpy.typing import NDArray

from onnxmint.errors import ModelError
from onnxmint.graph.isolation import MORE_SECONDS, Budget, Trial, TrialTimeout, more_seconds
from onnxmint.graph.runtime import first_line, runtime_errors
from onnxmint.graph.serial import session_source, weights_size

__all__ = ["TrialTimeout", "budget_for", "exposing", "first_line", "limited", "look_inside", "opened", "patience"]
__all__ += ["require_loadable", "run_once", "runtime_errors"]

_PATIENCE, _SLACK = 15.0, 100  # seconds for any batch, and times what a trial run took
_SILENT = 4  # severity from which on onnxruntime writes to stderr by itself: fatal
_KNOWN_OPSET = 21  # what the oldest runtime that we support loads


def run_once(
    model: ir.Model | bytes | Path,
    feeds: Mapping[str, NDArray[Any]],
    outputs: Sequence[str],
    name: object,
    *,
    optimise: bool = False,
) -> dict[str, NDArray[Any]]:
    """Run a model once and return the named outputs: `opened`, and one `run`."""
    with opened(model, name, optimise=optimise) as trial:
        return trial.run(feeds, outputs)


def look_inside(
    model: ir.Model, names: Sequence[str], feeds: Mapping[str, NDArray[Any]], name: object
) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Return the type, as NumPy calls it, and the shape of tensors inside a graph for some input.

    None of them leaves the run, and none is kept when it is used up: all of them together may be large.

    Args:
        model: the graph.
        names: of the tensors; those that are none (sequences, maps) are left out.
        feeds: by input name.
        name: what to call the model in messages.

    Raises:
        ModelError: it cannot be run.
    """
    budget, copy = budget_for(model), exposing(model, names)
    with opened(copy, name, budget=budget) as trial:
        types = trial.types
    graph = copy.graph
    tensors = {value.name or "": value for value in graph.outputs}
    graph.outputs.clear()
    for number, one in enumerate(types):
        size = ir.Value(name=f"onnxmint_size_{number}", type=ir.TensorType(ir.DataType.INT64))
        graph.append(ir.Node("", "Shape", [tensors[one]], outputs=[size], name=f"onnxmint_size_of_{number}"))
        graph.outputs.append(size)
    with opened(copy, name, budget=budget, sizes_first=True) as trial:
        sizes = trial.run(feeds, [f"onnxmint_size_{number}" for number in range(len(types))])
    return {
        one: (kind, tuple(sizes[f"onnxmint_size_{number}"].tolist()))
        for number, (one, kind) in enumerate(types.items())
    }


def exposing(model: ir.Model, names: Sequence[str]) -> ir.Model:
    """Return a copy of which some tensors are the outputs."""
    copy = model.clone()
    values = ir.convenience.create_value_mapping(copy.graph, include_subgraphs=False)
    copy.graph.outputs.clear()
    copy.graph.outputs.extend(values[name] for name in dict.fromkeys(names))
    return copy


@contextlib.contextmanager
def opened(
    model: ir.Model | bytes | Path,
    name: object,
    *,
    optimise: bool = False,
    sizes_first: bool = False,
    budget: Budget | None = None,
) -> Iterator[Trial]:
    """Give a model opened for trial runs.

    Args:
        model: a graph, serialised, or the path of a file with weights beside it.
        name: what to call the model in messages.
        optimise: let onnxruntime optimise the graph; without it, results are bit-exact under surgery.
        sizes_first: run Shape before all else, so that tensors of which only the shape is asked do not stay.
        budget: what it may take together with other trials of the file; None for one of its own.

    Raises:
        ModelError: the model cannot be loaded or run, or takes more time or memory than its size explains.
    """
    with _source(model) as source:
        options = {"optimise": optimise, "sizes_first": sizes_first}
        trial = Trial(source, name, budget or budget_for(model), options)
        try:
            yield trial
        finally:
            trial.close()


def budget_for(model: ir.Model | bytes | Path) -> Budget:
    """Return what trial runs of a model may take."""
    if isinstance(model, ir.Model):
        return Budget(weights_size(model))
    return Budget(len(model) if isinstance(model, bytes) else model.stat().st_size)


@contextlib.contextmanager
def _source(model: ir.Model | bytes | Path) -> Iterator[bytes | Path]:
    if isinstance(model, ir.Model):
        with session_source(model) as source:
            yield source
    else:
        yield model


def patience(seconds: float, images: int) -> float:
    """Return how many seconds a batch may take whose images took so many in a trial run: on a busy machine too."""
    return (more_seconds() or _PATIENCE) + _SLACK * seconds * images


@contextlib.contextmanager
def limited(seconds: float, batch: int) -> Iterator[Any]:
    """Give the options of a run of a session of this process, which is stopped when it takes too long.

    Args:
        seconds: how long it may take.
        batch: images that it is shown.

    Raises:
        ModelError: it did not answer in time. Other failures are onnxruntime's, see `runtime_errors`.
    """
    import onnxruntime as ort

    late, limit = threading.Event(), ort.RunOptions()

    def stop() -> None:
        late.set()
        limit.terminate = True  # heeded between two operators

    watchdog = threading.Timer(seconds, stop)
    watchdog.daemon = True
    watchdog.start()
    try:
        yield limit
    except runtime_errors():
        if not late.is_set():
            raise
        raise ModelError(
            f"the model did not answer a batch of {batch} in {seconds:.0f} s; it may never end on some image: export "
            f"it again without loops, give a smaller --batch-size, or set {MORE_SECONDS} when it is only slow"
        ) from None
    finally:
        watchdog.cancel()


def require_loadable(opset: int, ir_version: int, path: Path) -> None:
    """Refuse a target of an opset that the installed runtime does not know. The IR version alone is no obstacle.

    Raises:
        ModelError: naming the versions and what to do.
    """
    if opset <= _KNOWN_OPSET or _loads(opset):
        return
    import onnxruntime as ort

    newest = next(version for version in range(opset - 1, 0, -1) if version <= _KNOWN_OPSET or _loads(version))
    raise ModelError(
        f"{path} uses opset {opset} (IR version {ir_version}), and onnxruntime {ort.__version__} loads up to opset "
        f"{newest}: export it with opset_version={newest} or less, or update onnxruntime"
    )


def _loads(opset: int) -> bool:
    """Try a graph of one node."""
    import onnxruntime as ort
    from onnx import parser

    text = f'<ir_version: 8, opset_import: ["" : {opset}]> probe (float[1] x) => (float[1] y) {{ y = Relu (x) }}'
    ort.set_default_logger_severity(_SILENT)
    options = ort.SessionOptions()
    options.log_severity_level = _SILENT
    try:
        ort.InferenceSession(parser.parse_model(text).SerializeToString(), options, providers=["CPUExecutionProvider"])
    except runtime_errors():
        return False
    return True
