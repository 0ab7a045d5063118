"""The folder of a run: every file appears under its name only when it is whole."""

import contextlib
import contextlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from onnxmint.errors import OnnxmintError
from onnxmint.report.toml import to_toml
from onnxmint.results import SCHEMA, AuditResult

_COLUMNS = ("path", "score", "p_value", "q_value", "flagged", "label", "predicted")


def require_writable(folder: Path) -> None:
    """Make a folder and try to write in it, before the long work starts.

    Raises:
        OnnxmintError: it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as problem:
        raise _cannot_write(folder, problem) from None


def atomic_write(path: Path, content: bytes) -> None:
    """Write a file so that a killed run leaves the old one or the new one, never half of it.

    Raises:
        OnnxmintError: the place cannot be written.
    """
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
        temporary = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.chmod(0o644)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        _sync_folder(path.parent)
    except OSError as problem:
        raise _cannot_write(path, problem) from None


def _sync_folder(folder: Path) -> None:
    """Make the new name last through a power cut; not every system lets a folder be opened."""
    with contextlib.suppress(PermissionError, IsADirectoryError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _cannot_write(path: Path, problem: OSError) -> OnnxmintError:
    return OnnxmintError(f"cannot write {path}: {problem.strerror or problem}; choose another place with -o")


def write_run(
    result: AuditResult, folder: Path, *, run_settings: Mapping[str, Any], auditor: bytes | None = None
) -> list[Path]:
    """Write a run: auditor.onnx, scores.parquet, report.json, report.html and, last, run.toml.

    Args:
        result: the audit.
        folder: made when missing.
        run_settings: the words of the command, for run.toml.
        auditor: the auditor file, None leaves it out.

    Returns:
        The files, the page first.

    Raises:
        OnnxmintError: a file cannot be written.
    """
    from onnxmint.report.html import render_html

    require_writable(folder)
    report = result.to_dict()
    columns = score_columns(result)
    files = {
        "report.html": render_html(report, columns).encode(),
        "report.json": (json.dumps(report, indent=1, allow_nan=False) + "\n").encode(),
        "scores.parquet": _parquet(columns, report),
        "auditor.onnx": auditor,
        "run.toml": to_toml(_run_facts(result, run_settings)).encode(),
    }
    written = []
    for name, content in files.items():
        if content is not None:
            atomic_write(folder / name, content)
            written.append(folder / name)
    return written


def score_columns(result: AuditResult) -> dict[str, list[Any]]:
    """Return the per-image results as columns of plain values."""
    scores = result.scores
    labels = [None] * len(scores.path) if scores.label is None else scores.label.tolist()
    return {
        "path": list(scores.path),
        "score": scores.score.tolist(),
        "p_value": scores.p_value.tolist(),
        "q_value": scores.q_value.tolist(),
        "flagged": scores.flagged.tolist(),
        "label": labels,
        "predicted": scores.predicted.tolist(),
    }


def _parquet(columns: Mapping[str, list[Any]], report: Mapping[str, Any]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = (pa.string(), pa.float64(), pa.float64(), pa.float64(), pa.bool_(), pa.int64(), pa.int64())
    facts = {"schema": report["schema"], "created": report["created"], "target_sha256": report["target"]["sha256"]}
    schema = pa.schema(list(zip(_COLUMNS, kinds, strict=True)), metadata=facts)
    sink = pa.BufferOutputStream()
    # Only page checksums notice a flipped bit; the other formats tried return wrong numbers silently.
    pq.write_table(pa.table(dict(columns), schema=schema), sink, compression="zstd", write_page_checksum=True)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _run_facts(result: AuditResult, run_settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return all that is needed to repeat the run."""
    import platform
    from importlib import metadata

    names = ("numpy", "onnx", "onnx-ir", "onnxruntime", "onnxruntime-gpu", "torch", "pillow", "scipy")
    versions = {"onnxmint": result.version, "python": platform.python_version()}
    for name in names:
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    return {
        "created": result.created,
        "command": dict(run_settings),
        "target": {"path": result.target.path, "sha256": result.target.sha256, "provider": result.target.provider},
        "method": result.method,
        "preprocess": result.preprocess,
        "versions": versions,
        "platform": platform.platform(),
    }


def load_run(folder: Path) -> tuple[dict[str, Any], dict[str, list[Any]]]:
    """Read report.json and scores.parquet of a run back.

    Raises:
        OnnxmintError: one of them is missing, damaged or of another version.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        report = json.loads((folder / "report.json").read_text())
        table = pq.read_table(folder / "scores.parquet", page_checksum_verification=True)
    except FileNotFoundError as problem:
        missing = Path(problem.filename).name if problem.filename else "a file"
        raise OnnxmintError(f"{folder} is no finished run: {missing} is missing; run onnxmint audit first") from None
    except (OSError, ValueError, pa.ArrowException) as problem:
        first = str(problem).strip().splitlines()[0]
        raise OnnxmintError(f"{folder} holds a damaged run: {first}; run onnxmint audit again") from None
    if report.get("schema") != SCHEMA:
        raise OnnxmintError(f"{folder}/report.json has schema {report.get('schema')!r}; this onnxmint reads {SCHEMA!r}")
    return report, {name: table[name].to_pylist() for name in _COLUMNS}
