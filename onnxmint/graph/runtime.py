"""What there is to know of onnxruntime: which one is installed, how it says that something failed, what it is told."""

import functools
import re
import sys
from importlib import metadata

from onnxmint.errors import DeviceError

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


@functools.cache
def installed_runtime() -> str:
    """Try the onnxruntime that is installed, and return its version.

    Packages of several names bring it (onnxruntime, onnxruntime-gpu and others), all into one folder, where the last
    one that was installed is what Python finds: most often that works.

    Raises:
        DeviceError: it cannot be loaded, or does not run a graph of one node; with the way out.
    """
    try:
        import onnxruntime as ort
        from onnx import parser

        text = '<ir_version: 8, opset_import: ["" : 17]> probe (float[1] x) => (float[1] y) { y = Relu (x) }'
        options = ort.SessionOptions()
        options.log_severity_level = 4
        model = parser.parse_model(text).SerializeToString()
        ort.InferenceSession(model, options, providers=["CPUExecutionProvider"]).run(None, {"x": [1.0]})
        return str(ort.__version__)
    except (ImportError, AttributeError, TypeError, OSError, RuntimeError, ValueError) as problem:
        raise broken_runtime(first_line(problem)) from None


def broken_runtime(why: str) -> DeviceError:
    """Return the error for an onnxruntime that cannot be used."""
    wanted = "onnxruntime" if sys.platform == "darwin" else "onnxruntime-gpu"
    names = sorted(_installed())
    if not names:
        return DeviceError(f"onnxruntime is not installed; pip install {wanted}")
    mend = f"pip uninstall -y {' '.join(names)}, then pip install {names[0] if len(names) == 1 else wanted}"
    return DeviceError(f"onnxruntime cannot be used ({why}); {mend}")


def several_runtimes() -> str | None:
    """Return what was taken where several packages bring onnxruntime, None where one does."""
    found = _installed()
    if len(found) < 2:  # noqa: PLR2004 - packages
        return None
    names = " and ".join(f"{name} {version}" for name, version in sorted(found.items()))
    return f"{names} are installed over each other, and {installed_runtime()} was taken"


def _installed() -> dict[str, str]:
    """Return the packages that bring onnxruntime, and their versions."""
    named = (dist for dist in metadata.distributions() if str(dist.metadata["Name"]).lower().startswith("onnxruntime"))
    return {
        str(dist.metadata["Name"]): dist.version
        for dist in named
        if any(file.parts[0] == "onnxruntime" for file in dist.files or ())
    }
