"""What there is to know of onnxruntime: how it says that something failed, and what it is told in every session."""

import re

LARGEST_FOLDED = ("optimization.constant_folding_max_output_size_in_bytes", "256000000")
"""An entry of a session's configuration: constants that are larger are not computed when a graph is optimised."""
_LONGEST = 300  # letters of a reason


def runtime_errors() -> tuple[type[Exception], ...]:
    """Return the exceptions by which onnxruntime says that loading or running failed."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    return (
        *(kind for kind in vars(state).values() if isinstance(kind, type) and issubclass(kind, Exception)),
        RuntimeError,
        ValueError,
    )


def first_line(problem: Exception) -> str:
    """Return an error in one line, without onnxruntime's code prefix and places in its source."""
    text = " ".join(str(problem).split()) or type(problem).__name__
    text = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", text)
    text = re.sub(r"/\S+\.(cc|h|cpp):\d+ .*?\)( const)? ", "", text)
    return f"{text[:_LONGEST]}..." if len(text) > _LONGEST else text
