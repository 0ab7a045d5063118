"""A finished run's page rendered again, in another language or under another title if wanted."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from onnxmint.errors import OnnxmintError
from onnxmint.report.comparison import readable_comparison
from onnxmint.report.csv_file import scores_csv
from onnxmint.report.files import HASHES, SHOWN, hashes_of, load_run, page_files, read_file, require_same, run_toml
from onnxmint.report.manifest import renew
from onnxmint.report.presentation import Presentation, presented
from onnxmint.report.sealed import render_sealed
from onnxmint.results.audit import AuditResult
from onnxmint.results.comparison import Comparison
from onnxmint.results.pictures import PICTURES, Pictures
from onnxmint.results.sealed import SealedAudit
from onnxmint.writing.files import atomic_write
from onnxmint.writing.scratch import blocks

_PICTURES = "thumbnails.json"


def render_again(folder: Path, change: Mapping[str, str]) -> tuple[AuditResult, list[Path]]:
    """Write report.html and answer.txt of a run again, and their hashes; return the audit and where they are.

    Args:
        folder: of the run.
        change: language, title, case and note where they shall be others than the run was made with.

    Raises:
        OnnxmintError: as `load_run`, or a file cannot be written.
    """
    result, facts = load_run(folder), _facts(folder)
    shown = _shown(folder, facts, change)
    files = page_files(result, shown)
    facts |= {SHOWN: shown.words(), HASHES: facts[HASHES] | hashes_of(files)}
    renewed = files | {"run.toml": run_toml(facts)}
    for name, content in renewed.items():
        atomic_write(folder / name, content)
    renew(folder, renewed)
    return result, [folder / name for name in files]


def readable_files(result: AuditResult | SealedAudit | Comparison, folder: Path) -> dict[str, bytes]:
    """Return what the pages and tables for people must be, for a result as it was read back.

    Raises:
        OnnxmintError: run.toml or the pictures are damaged.
    """
    if isinstance(result, SealedAudit):
        return {"sealed.html": render_sealed(result).encode()}
    if isinstance(result, Comparison):
        return readable_comparison(result)
    try:
        shown = _shown(folder, _facts(folder), {})
    except (OSError, ValueError, KeyError) as problem:
        raise OnnxmintError(f"{folder} holds a damaged run: {problem}; {PICTURES.mend}") from None
    return page_files(result, shown) | {"scores.csv": b"".join(blocks(scores_csv(result)))}


def presented_as(folder: Path) -> Presentation:
    """Return how a run was shown, but for its pictures.

    Raises:
        OnnxmintError: run.toml is damaged.
    """
    facts = _facts(folder)
    return _shown(folder, facts | {HASHES: {}}, {})


def _facts(folder: Path) -> dict[str, Any]:
    return tomllib.loads(read_file(folder / "run.toml").decode("utf-8"))


def _shown(folder: Path, facts: Mapping[str, Any], change: Mapping[str, str]) -> Presentation:
    """Return how a run was shown, or is to be."""
    said = facts.get(SHOWN, {})
    if not isinstance(said, dict) or not all(isinstance(word, str) for word in said.values()):
        raise OnnxmintError(f"{folder} holds a damaged run: run.toml's [page] holds other than words; {PICTURES.mend}")
    return presented(said | dict(change), load_pictures(folder, facts[HASHES]))


def load_pictures(folder: Path, hashes: Mapping[str, str]) -> Pictures | None:
    """Read the thumbnails of a run, None where it has none.

    Raises:
        OnnxmintError: they are damaged, or of another run.
    """
    if _PICTURES not in hashes:
        return None
    try:
        content = read_file(folder / _PICTURES)
    except (OSError, ValueError) as problem:
        raise OnnxmintError(f"{folder} holds a damaged run: {problem}; {PICTURES.mend}") from None
    require_same(folder, {_PICTURES: content}, hashes)
    return PICTURES.read(content, str(folder / _PICTURES))
