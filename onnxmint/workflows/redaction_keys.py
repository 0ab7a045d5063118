"""The key to the names of a redacted run, read and held against the run."""

from pathlib import Path

from onnxmint.errors import OnnxmintError, UsageError
from onnxmint.results.redaction import REDACTION_KEY, RedactionFacts, RedactionKey
from onnxmint.writing.regular import regular_bytes

_LARGEST = 1 << 12  # bytes of a key's file


def read_key(path: Path) -> RedactionKey:
    """Return the key in a file.

    Raises:
        OnnxmintError: it cannot be read, or is none.
    """
    try:
        key = REDACTION_KEY.read(regular_bytes(path, most=_LARGEST, links=True), str(path))
        key.sha256  # noqa: B018 - refuses what is no key
    except (OSError, ValueError) as problem:
        why = getattr(problem, "strerror", None) or problem
        raise OnnxmintError(f"cannot read the redaction key {path}: {why}; {REDACTION_KEY.mend}") from None
    return key


def fitting_key(path: Path, redaction: RedactionFacts | None) -> RedactionKey:
    """Return the key in a file, which must be that of a run.

    Raises:
        UsageError: it is not, or the run tells all names.
        OnnxmintError: it cannot be read.
    """
    if redaction is None:
        raise UsageError("a redaction key belongs to a redacted run, and this one tells its names: leave it out")
    key = read_key(path)
    if key.sha256 != redaction.key_sha256:
        raise UsageError(f"{path} is the key of another run; give the one that was written beside this one")
    return key
