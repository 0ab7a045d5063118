"""Environments that lack some packages, made of links to those that are installed."""

import os
import subprocess
import sys
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from tests.conftest import ROOT


def needed(names: Iterable[str]) -> set[str]:
    """Return distributions and all that they need, by their names in lower case."""
    found: set[str] = set()
    waiting = [name.lower() for name in names]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        for words in metadata.requires(name) or ():
            wanted = Requirement(words)
            if wanted.marker is None or wanted.marker.evaluate({"extra": ""}):
                waiting.append(wanted.name.lower())
    return found


def environment(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """Link some distributions into a folder, and return the variables by which Python sees only those."""
    folder.mkdir()
    for name in names:
        for file in metadata.files(name) or ():
            top = file.parts[0]
            if top not in ("..", "__pycache__") and not (folder / top).exists():
                (folder / top).symlink_to(metadata.distribution(name).locate_file(top))
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(folder)])}


def pretend(folder: Path, name: str, version: str, *files: str) -> None:
    """Write down a distribution of some files, as an installer does."""
    facts = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (facts / "RECORD").write_text("".join(f"{file},,\n" for file in files))


def run(words: list[object], variables: dict[str, str], folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run onnxmint in an environment; -S keeps Python from adding its own packages."""
    command = [sys.executable, "-S", "-m", "onnxmint", *map(str, words)]
    return subprocess.run(command, env=variables, cwd=folder, capture_output=True, text=True, timeout=240)
