"""Trial runs of a graph on the CPU: to learn shapes, and to prove that surgery changed nothing."""

import contextlib
import re
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from onnxmint.errors import ModelError
from onnxmint.graph.serial import session_source

_KNOWN_OPSET = 21  # what the oldest runtime that we support loads
_PATIENCE = 120.0  # seconds; a Loop without limit never returns


def run_once(
    model: ir.Model | bytes | Path,
    feeds: dict[str, NDArray[Any]],
    outputs: Sequence[str],
    name: object,
    *,
    optimise: bool = False,
) -> dict[str, NDArray[Any]]:
    """Run a model once on the CPU and return the named outputs.

    Args:
        model: a graph, serialised, or the path of a file with weights beside it.
        feeds: by input name.
        outputs: names to fetch; class scores in maps become arrays, other things that are no tensors are left out.
        name: what to call the model in messages.
        optimise: let onnxruntime optimise the graph; without it, results are bit-exact under surgery.

    Raises:
        ModelError: the model cannot be loaded or run, or runs for more than two minutes.
    """
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.add_session_config_entry("session.disable_prepacking", "1")  # mapped weights stay mapped
    if not optimise:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    limit = ort.RunOptions()
    watchdog = threading.Timer(_PATIENCE, lambda: setattr(limit, "terminate", True))
    watchdog.daemon = True
    try:
        with _opened(model) as source:
            session = ort.InferenceSession(source, options, providers=["CPUExecutionProvider"])
            watchdog.start()
            values = session.run(list(outputs), feeds, limit)
            del session  # before the files that it may have mapped
    except runtime_errors() as problem:
        text = first_line(problem)
        if "Could not find an implementation" in text:  # no kernel: a type that few operators take, or a foreign domain
            text += "; export it in float32, with operators of the standard"
        raise ModelError(f"{name}: onnxruntime cannot run it: {text}") from None
    finally:
        watchdog.cancel()
    arrays = {key: _as_array(value) for key, value in zip(outputs, values, strict=True)}
    return {key: value for key, value in arrays.items() if value is not None}


@contextlib.contextmanager
def _opened(model: ir.Model | bytes | Path) -> Iterator[bytes | str]:
    if isinstance(model, ir.Model):
        with session_source(model) as source:
            yield source if isinstance(source, bytes) else str(source)
    else:
        yield model if isinstance(model, bytes) else str(model)


def _as_array(value: Any) -> NDArray[Any] | None:
    """Return a tensor, or scores by class (ZipMap's maps, one for each image) in the order of the classes."""
    if isinstance(value, np.ndarray):
        return value
    if isinstance(value, list) and value and all(isinstance(row, dict) for row in value):
        return np.array([[row[key] for key in sorted(row)] for row in value])
    return None


def require_loadable(opset: int, ir_version: int, path: Path) -> None:
    """Refuse a target of an opset that the installed runtime does not know. The IR version alone is no obstacle.

    Raises:
        ModelError: naming the versions and what to do.
    """
    import onnxruntime as ort

    if opset <= _KNOWN_OPSET or _loads(opset):
        return
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
    options = ort.SessionOptions()
    options.log_severity_level = 4
    try:
        ort.InferenceSession(parser.parse_model(text).SerializeToString(), options, providers=["CPUExecutionProvider"])
    except runtime_errors():
        return False
    return True


def runtime_errors() -> tuple[type[Exception], ...]:
    """Return the exceptions by which onnxruntime says that loading or running failed."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    return (
        *(kind for kind in vars(state).values() if isinstance(kind, type) and issubclass(kind, Exception)),
        RuntimeError,
        ValueError,
    )


def first_line(problem: Exception) -> str:
    """Return the telling line of an error, without onnxruntime's code prefix."""
    lines = str(problem).strip().splitlines()
    text = lines[0] if lines else type(problem).__name__
    return re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", text)
