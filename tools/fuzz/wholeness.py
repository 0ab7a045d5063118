"""Whether what stands under a final name is whole, and of one run: each returns a digest of what has to be the same."""

import hashlib
import io
import json
import tomllib
from pathlib import Path

import onnx
import pyarrow.parquet as pq

from onnxmint.report.files import load_run

UNFINISHED = ".onnxmint-"  # files that a kill left; the next command removes them, which is asked for elsewhere


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def whole_run(run: Path) -> str:
    """Require all files of a run to be those that its run.toml names, and return what it found."""
    load_run(run)
    hashes = tomllib.loads((run / "run.toml").read_text())["sha256"]
    names = {path.name for path in run.iterdir() if not path.name.startswith(UNFINISHED)}
    if names != {*hashes, "run.toml", "manifest.json"}:
        raise ValueError(f"holds {', '.join(sorted(names))}")
    for name, digest in hashes.items():
        if hashlib.sha256((run / name).read_bytes()).hexdigest() != digest:
            raise ValueError(f"{name} is not the one that run.toml names")
    return _digest(str(pq.read_table(io.BytesIO((run / "scores.parquet").read_bytes())).to_pydict()).encode())


def whole_evaluation(folder: Path) -> str:
    """Require both files of an evaluation, the page to its end, and return what it found."""
    names = {path.name for path in folder.iterdir()}
    if (
        names != {f"evaluation.{end}" for end in ("html", "json", "csv", "parquet")} | {"manifest.json"}
        or "</html>" not in (folder / "evaluation.html").read_text()[-50:]
    ):
        raise ValueError(f"holds {', '.join(sorted(names))}, or half a page")
    found = json.loads((folder / "evaluation.json").read_text())
    return _digest(
        json.dumps({key: value for key, value in found.items() if key not in ("created", "seconds")}).encode()
    )


def whole_model(file: Path) -> str:
    """Require a model that the checker takes, and return what its weights and nodes come to."""
    model = onnx.load(file)
    onnx.checker.check_model(model)
    parts = sorted(one.SerializeToString() for one in (*model.graph.initializer, *model.graph.node))
    return _digest(b"".join(parts))


def whole_toml(file: Path) -> str:
    """Require a table, and return what it comes to."""
    tomllib.loads(file.read_text())
    return _digest(file.read_bytes())
