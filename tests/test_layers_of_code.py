"""Rules about imports, checked instead of remembered: they point down, in no circle, and starting up stays light."""

import ast
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "onnxmint"
HEAVY = ("torch", "onnxruntime", "sklearn", "onnx", "onnx_ir", "scipy", "pyarrow", "rich")


def _imports(path: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [f"{node.module}.{name.name}" for name in node.names]
    return found


MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def test_the_contracts_between_rooms_hold() -> None:
    """They stand in pyproject.toml."""
    words = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    done = subprocess.run(words, cwd=PACKAGE.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Inside a room too, and for types only: what two modules both need belongs below both."""
    names = {".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts): path for path in MODULES}
    needed = {
        name: {
            other for found in _imports(path) for other in (found, found.rpartition(".")[0]) if other in names
        } - {name}
        for name, path in names.items()
    }  # fmt: skip
    assert len(list(graphlib.TopologicalSorter(needed).static_order())) == len(names)


@pytest.mark.parametrize("words", ["import onnxmint", "from onnxmint.cli.main import run; run(['--help'])"])
def test_starting_up_is_light(words: str) -> None:
    code = f"import sys; {words}; print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def _callers_of(name: str) -> set[str]:
    """Return the files that call a method of some name."""
    return {
        str(path.relative_to(PACKAGE))
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == name
    }


def test_models_are_shown_images_in_few_places() -> None:
    """Workflows, what fits and exports modules, what asks references, parts, the trial of speed, and one control."""
    rooms = {file for file in _callers_of("observe") if not file.startswith("workflows/")}
    assert rooms == {
        "controls/preparations.py", "engine/recorded.py", "engine/speed.py", "methods/given.py",
        "methods/references.py", "mint/contest.py", "mint/fit_and_score.py", "mint/merging.py",
    }  # fmt: skip
