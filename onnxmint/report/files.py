"""The files of a run: made all at once, and run.toml says which belong together."""

import hashlib
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from onnxmint.errors import OnnxmintError
from onnxmint.report.csv_file import scores_csv
from onnxmint.report.html import render_html
from onnxmint.report.manifest import audit_manifest, platform_words, versions
from onnxmint.report.presentation import Presentation
from onnxmint.report.shared import without_folders
from onnxmint.report.writable import answer_text
from onnxmint.results.audit import AUDIT, AuditResult
from onnxmint.results.frames import storable
from onnxmint.results.json import plain
from onnxmint.results.manifest import NAME
from onnxmint.results.pictures import PICTURES
from onnxmint.results.redaction import RedactionFacts
from onnxmint.results.score_file import read_scores, write_scores
from onnxmint.writing.folders import RUN_FILES, new_folder
from onnxmint.writing.regular import regular_bytes, require_regular
from onnxmint.writing.scratch import Content, sha256

SHOWN, HASHES = "page", "sha256"
"""Tables of run.toml."""
_AUDITOR = "auditor.onnx"
_LARGEST = {
    "run.toml": 1 << 20,
    "report.json": 1 << 28,
    "scores.parquet": 1 << 31,
    "thumbnails.json": 1 << 20,
}  # bytes; ten million images take less


def run_files(
    result: AuditResult,
    *,
    run_settings: Mapping[str, object],
    auditor: bytes | None = None,
    shown: Presentation | None = None,
    paths: bool = False,
    registration: bytes | None = None,
    redaction: RedactionFacts | None = None,
) -> dict[str, Content]:
    """Return the files of a run by name, the page first, then what it shows, run.toml and the hashes of all of these.

    Args:
        result: the audit.
        run_settings: the words of the command, for run.toml.
        auditor: the auditor file, None leaves it out.
        shown: language, title and pictures of what people read.
        paths: whether files are named with the folders above them, which tell about who ran the audit.
        registration: the file that the audit was to keep to.
        redaction: that names of images were taken out of all this.
    """
    shown = shown or Presentation()
    if not paths:
        result, run_settings = without_folders(result, run_settings)
    files: dict[str, Content] = {
        **page_files(result, shown),
        "report.json": (AUDIT.write(result) + "\n").encode(),
        "scores.parquet": write_scores(result),
        "scores.csv": scores_csv(result),
    }
    if shown.pictures is not None:
        files["thumbnails.json"] = (PICTURES.write(shown.pictures) + "\n").encode()
    if auditor is not None:
        files["auditor.onnx"] = auditor
    if registration is not None:
        files["registration.json"] = registration
    facts = _run_facts(result, run_settings) | {SHOWN: shown.words(), HASHES: hashes_of(files)}
    files["run.toml"] = run_toml(facts)
    return files | {NAME: audit_manifest(result, files, run_settings, redaction)}


def page_files(result: AuditResult, shown: Presentation) -> dict[str, bytes]:
    """Return what people read: report.html and answer.txt."""
    page, text = render_html(result, shown), answer_text(result, shown)
    return {"report.html": page.encode(), "answer.txt": text.encode()}


def write_run(
    result: AuditResult,
    folder: Path,
    *,
    run_settings: Mapping[str, object],
    auditor: bytes | None = None,
    overwrite: bool = False,
    shown: Presentation | None = None,
    paths: bool = False,
) -> list[Path]:
    """Write a run, see `run_files`, into a new folder, which stands under its name when all of it is there.

    Returns:
        The files, the page first.

    Raises:
        UsageError: there is something in the folder; a run is replaced if `overwrite` says so.
        OnnxmintError: it cannot be written.
    """
    with new_folder(folder, overwrite=overwrite) as made:
        return made.finish(run_files(result, run_settings=run_settings, auditor=auditor, shown=shown, paths=paths))


def run_toml(facts: Mapping[str, object]) -> bytes:
    """Return run.toml."""
    import tomli_w

    return tomli_w.dumps(_holdable(facts)).encode()


def hashes_of(files: Mapping[str, Content]) -> dict[str, str]:
    """Return the SHA-256 of files, by name."""
    return {name: sha256(content) for name, content in files.items()}


def _run_facts(result: AuditResult, run_settings: Mapping[str, object]) -> dict[str, object]:
    """Return all that is needed to repeat the run."""
    import platform

    return {
        "created": result.created,
        "platform": platform_words(),
        "command": dict(run_settings),
        "target": {
            "path": result.target.path,
            "sha256": result.target.sha256,
            "device": result.target.device,
            "provider": result.target.provider,
        },
        "method": plain(result.method),
        "statistics": plain(result.statistics),
        "preprocess": plain(result.preprocess),
        "versions": {"onnxmint": result.version, "python": platform.python_version(), **versions()},
    }


def _holdable(value: Any) -> Any:
    """Return a tree that TOML can hold: it has no word for None, and no text that is no UTF-8."""
    if isinstance(value, Mapping):
        return {storable(key): _holdable(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_holdable(item) for item in value]
    return storable(value) if isinstance(value, str) else value


def load_run(folder: Path) -> AuditResult:
    """Read an audit back from report.json and scores.parquet.

    Raises:
        OnnxmintError: one of them is missing, damaged, changed since, or of another version.
    """
    import pyarrow as pa

    try:
        _require_files(folder)
        hashes = tomllib.loads(read_file(folder / "run.toml").decode("utf-8"))["sha256"]
        content = {name: read_file(folder / name) for name in ("report.json", "scores.parquet")}
        require_same(folder, content, hashes)
        scores, basis = read_scores(content["scores.parquet"])
    except (FileNotFoundError, NotADirectoryError) as problem:
        name, page = Path(problem.filename).name, folder / "evaluation.html"
        if page.is_file():
            raise OnnxmintError(
                f"{folder} holds an evaluation, and its page is there: {page}; onnxmint report renders audits"
            ) from None
        raise OnnxmintError(f"{folder} is no finished run: it has no {name}; run onnxmint audit -o {folder}") from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError, pa.ArrowException) as problem:
        first = (str(problem).strip() or type(problem).__name__).splitlines()[0]
        raise OnnxmintError(f"{folder} holds a damaged run: {first}; run onnxmint audit again") from None
    result = AUDIT.read(content["report.json"], str(folder / "report.json"), scores=scores, basis=basis)
    found = len(scores.path), int(scores.flagged.sum())
    if found != (result.questioned.images, result.questioned.flagged):
        raise OnnxmintError(
            f"{folder}/report.json speaks of {result.questioned.images:,} images of which {result.questioned.flagged:,}"
            f" are flagged, scores.parquet of {found[0]:,} and {found[1]:,}; {AUDIT.mend}"
        )
    return result


def read_file(path: Path) -> bytes:
    """Return the bytes of a file of a run.

    Raises:
        ValueError: it is a link, which may lead to what is not of the run, or a pipe or device that never ends, or it
            is far too long.
    """
    return regular_bytes(path, most=_LARGEST[path.name])


def _require_files(folder: Path) -> None:
    """Refuse pipes, devices and links among the files of a run, read or not; the auditor may have been moved."""
    for name in sorted(RUN_FILES):
        path = folder / name
        if path.exists() if name == _AUDITOR else os.path.lexists(path):
            require_regular(path, links=name == _AUDITOR)


def require_same(folder: Path, content: Mapping[str, bytes], hashes: Mapping[str, str]) -> None:
    """Refuse files that are not the ones the run ended with: changed by hand, or put there from another run."""
    found = hashes_of(content)
    auditor = folder / "auditor.onnx"
    if (
        "auditor.onnx" in hashes and auditor.is_file() and not auditor.is_symlink()
    ):  # as large as a model: some will have moved it elsewhere
        with auditor.open("rb") as file:
            found["auditor.onnx"] = hashlib.file_digest(file, "sha256").hexdigest()
    for name, digest in found.items():
        if digest != hashes[name]:
            raise OnnxmintError(
                f"{folder / name} is not the file that {folder.name}/run.toml names (its SHA-256 differs): it was "
                "changed, or is of another run; run onnxmint audit again"
            )
