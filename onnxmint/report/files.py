"""The folder of a run: every file appears under its name only when it is whole, and run.toml says which belong."""

import contextlib
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from onnxmint.errors import OnnxmintError
from onnxmint.report.html import render_html
from onnxmint.report.names import storable
from onnxmint.report.toml import to_toml
from onnxmint.results.audit import SCHEMA, AuditResult
from onnxmint.writing import atomic_write, make_folder

_COLUMNS = (
    "path", "score", "p_value", "q_value", "flagged", "likelihood_ratio", "probability", "label", "predicted",
)  # fmt: skip
_PACKAGES = ("numpy", "onnx", "onnx-ir", "onnxruntime", "onnxruntime-gpu", "torch", "pillow", "pyarrow", "scipy")

Columns = dict[str, list[Any]]


def write_run(
    result: AuditResult, folder: Path, *, run_settings: Mapping[str, Any], auditor: bytes | None = None
) -> list[Path]:
    """Write a run: report.html, report.json, scores.parquet, auditor.onnx and, last, run.toml with their hashes.

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
    make_folder(folder)
    report, columns = result.to_dict(), score_columns(result)
    files = {
        "report.html": render_html(report, columns).encode(),
        "report.json": (json.dumps(report, indent=1, allow_nan=False) + "\n").encode(),
        "scores.parquet": _parquet(columns, report),
    }
    if auditor is not None:
        files["auditor.onnx"] = auditor
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    files["run.toml"] = to_toml(_run_facts(result, run_settings) | {"sha256": hashes}).encode()
    for name, content in files.items():
        atomic_write(folder / name, content)
    return [folder / name for name in files]


def score_columns(result: AuditResult) -> Columns:
    """Return the per-image results as columns of plain values, as scores.parquet holds them."""
    scores = result.scores
    labels = [None] * len(scores.path) if scores.label is None else scores.label.tolist()
    return {
        "path": [storable(path) for path in scores.path],
        "score": scores.score.tolist(),
        "p_value": scores.p_value.tolist(),
        "q_value": scores.q_value.tolist(),
        "flagged": scores.flagged.tolist(),
        "likelihood_ratio": scores.likelihood_ratio.tolist(),
        "probability": scores.probability.tolist(),
        "label": labels,
        "predicted": scores.predicted.tolist(),
    }


def _parquet(columns: Columns, report: Mapping[str, Any]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    numbers = [pa.float64()] * 3
    kinds = (pa.string(), *numbers, pa.bool_(), *numbers[:2], pa.int64(), pa.int64())
    facts = {"schema": report["schema"], "created": report["created"], "target_sha256": report["target"]["sha256"]}
    schema = pa.schema(list(zip(_COLUMNS, kinds, strict=True)), metadata=facts)
    sink = pa.BufferOutputStream()
    # Page checksums notice a flipped bit; uncompressed arrays without them come back as wrong numbers, silently.
    pq.write_table(pa.table(columns, schema=schema), sink, compression="zstd", write_page_checksum=True)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _run_facts(result: AuditResult, run_settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return all that is needed to repeat the run."""
    import platform
    from importlib import metadata

    versions = {"onnxmint": result.version, "python": platform.python_version()}
    for name in _PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    return {
        "created": result.created,
        "platform": platform.platform(),
        "command": dict(run_settings),
        "target": {
            "path": result.target.path,
            "sha256": result.target.sha256,
            "device": result.target.device,
            "provider": result.target.provider,
        },
        "method": result.method,
        "preprocess": result.preprocess,
        "versions": versions,
    }


def load_run(folder: Path) -> tuple[dict[str, Any], Columns]:
    """Read report.json and scores.parquet of a run back.

    Raises:
        OnnxmintError: one of them is missing, damaged, changed since, or of another version.
    """
    import tomllib

    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        hashes = tomllib.loads((folder / "run.toml").read_text("utf-8"))["sha256"]
        content = {name: (folder / name).read_bytes() for name in ("report.json", "scores.parquet")}
        _require_same(folder, content, hashes)
        report = json.loads(content["report.json"])
        table = pq.read_table(pa.BufferReader(content["scores.parquet"]), page_checksum_verification=True)
        columns = {name: table[name].to_pylist() for name in _COLUMNS}
        schema = report["schema"]
    except (FileNotFoundError, NotADirectoryError) as problem:
        name, page = Path(problem.filename).name, folder / "evaluation.html"
        if page.is_file():
            raise OnnxmintError(
                f"{folder} holds an evaluation, and its page is there: {page}; onnxmint report renders audits"
            ) from None
        raise OnnxmintError(f"{folder} is no finished run: it has no {name}; run onnxmint audit -o {folder}") from None
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as problem:
        first = (str(problem).strip() or type(problem).__name__).splitlines()[0]
        raise OnnxmintError(f"{folder} holds a damaged run: {first}; run onnxmint audit again") from None
    if schema != SCHEMA:
        raise OnnxmintError(
            f"{folder}/report.json has schema {schema!r}, this onnxmint reads {SCHEMA!r}: use the version that "
            f"wrote it, {report.get('onnxmint')}"
        )
    return report, columns


def _require_same(folder: Path, content: Mapping[str, bytes], hashes: Mapping[str, str]) -> None:
    """Refuse files that are not the ones the run ended with: changed by hand, or half of a later, broken run."""
    for name, data in content.items():
        if hashlib.sha256(data).hexdigest() != hashes[name]:
            raise OnnxmintError(
                f"{folder / name} is not the file that {folder.name}/run.toml names (its SHA-256 differs): it was "
                "changed, or a later run was stopped; run onnxmint audit again"
            )
