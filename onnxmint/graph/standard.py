"""What the ONNX checker has against a graph."""

from collections.abc import Callable

import onnx

_LONGEST = 300  # letters of a reason


def objection(model: onnx.ModelProto | bytes, *, full: bool = False) -> str | None:
    """Return the checker's reason for refusing a model in one line, None when it takes it.

    Args:
        model: with all its weights in it.
        full: hold types and shapes of all tensors against what is inferred.
    """
    try:
        onnx.checker.check_model(model, full_check=full)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError, ValueError, RuntimeError) as problem:
        text = " ".join(str(problem).split("==>")[0].split())
        return f"{text[:_LONGEST]}..." if len(text) > _LONGEST else text or type(problem).__name__
    return None


def new_objection(model: bytes, origin: Callable[[], bytes]) -> str | None:
    """Return what the checker has against a model that it has not against the one it was made of.

    Some files that runtimes take are refused by the checker; what is made of them has the same fault.
    """
    found = objection(model, full=True)
    return None if found is None or objection(origin(), full=True) is not None else found
