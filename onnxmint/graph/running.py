"""Trial runs of a graph on the CPU: to learn shapes, and to prove that surgery changed nothing."""

import re
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from onnxmint.errors import ModelError

_PATIENCE = 120.0  # seconds; a Loop without limit never returns


def run_once(
    model: bytes | Path,
    feeds: dict[str, NDArray[Any]],
    outputs: Sequence[str],
    name: object,
    *,
    optimise: bool = False,
) -> dict[str, NDArray[Any]]:
    """Run a model once on the CPU and return the named outputs.

    Args:
        model: serialised, or the path of a file with weights beside it.
        feeds: by input name.
        outputs: names to fetch; those that are not tensors are left out.
        name: what to call the model in messages.
        optimise: let onnxruntime optimise the graph; without it, results are bit-exact under surgery.

    Raises:
        ModelError: the model cannot be loaded or run, or runs for more than two minutes.
    """
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 4
    if not optimise:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    source = model if isinstance(model, bytes) else str(model)
    limit = ort.RunOptions()
    watchdog = threading.Timer(_PATIENCE, lambda: setattr(limit, "terminate", True))
    watchdog.daemon = True
    try:
        session = ort.InferenceSession(source, options, providers=["CPUExecutionProvider"])
        watchdog.start()
        values = session.run(list(outputs), feeds, limit)
    except runtime_errors() as problem:
        raise ModelError(f"{name}: onnxruntime cannot run it: {first_line(problem)}") from None
    finally:
        watchdog.cancel()
    return {key: value for key, value in zip(outputs, values, strict=True) if hasattr(value, "dtype")}


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
