"""What the ONNX checker has against a graph."""

from collections.abc import Callable

import onnx

_LONGEST = 300  # letters of a reason


def objection(model: onnx.ModelProto | bytes) -> str | None:
    """Return the checker's reason for refusing a model, weights included, in one line; None when it takes it."""
    try:
        onnx.checker.check_model(model)
    except (onnx.checker.ValidationError, ValueError, RuntimeError) as problem:
        text = " ".join(str(problem).split("==>")[0].split())
        return f"{text[:_LONGEST]}..." if len(text) > _LONGEST else text or type(problem).__name__
    return None


def new_objection(model: bytes, origin: Callable[[], bytes]) -> str | None:
    """Return what the checker has against a model that it has not against the one it was made of.

    Some files that runtimes take are refused by the checker; what is made of them has the same fault. Shapes are not
    inferred: those that we declare come from running the graph, and where inference differs it is wrong.
    """
    found = objection(model)
    return None if found is None or objection(origin()) is not None else found
