"""A step of a check: every file of a run is the one that its manifest names."""

import hashlib
from pathlib import Path

from onnxmint.errors import OnnxmintError
from onnxmint.results.manifest import MANIFEST, NAME, Manifest, canonical
from onnxmint.results.verification import Step
from onnxmint.writing.folders import ADDED_FILES
from onnxmint.writing.regular import regular_bytes


def check_files(run: Path) -> tuple[Manifest | None, Step]:
    """Return the manifest of a run, None where it has none that can be read, and whether every file is as it says."""
    try:
        content = regular_bytes(run / NAME)
        manifest = MANIFEST.read(content, NAME)
    except FileNotFoundError:
        return None, _altered([f"there is no {NAME}, by which the files could be told"])
    except (OSError, OnnxmintError, ValueError) as problem:
        return None, _altered([str(problem) if isinstance(problem, ValueError) else f"{NAME}: {problem}"])
    wrong = [] if canonical(manifest) == content else [f"{NAME} is not as a run writes it"]
    for name, facts in sorted(manifest.files.items()):
        path = run / name
        if Path(name).name != name or not path.is_file() or path.is_symlink():
            wrong.append(f"{name} is missing")
            continue
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != facts.sha256:
            wrong.append(f"{name} has SHA-256 {digest}, not {facts.sha256}")
    known = manifest.files.keys() | ADDED_FILES | {NAME}
    wrong += [f"{path.name} was added" for path in sorted(run.iterdir()) if path.name not in known]
    if wrong:
        return manifest, _altered(wrong)
    return manifest, Step(
        name="integrity", outcome="passed", text=f"all {len(manifest.files)} files are those that {NAME} names"
    )


def _altered(wrong: list[str]) -> Step:
    text = "a file is not as it was written" if len(wrong) == 1 else f"{len(wrong)} files are not as they were written"
    return Step(name="integrity", outcome="failed", text=text, differences=tuple(wrong))
