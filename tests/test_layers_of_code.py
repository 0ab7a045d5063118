"""Rules about imports, checked instead of remembered: they point down, in no circle, and starting up stays light."""

import ast
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "onnxmint"

# Ground first. A room may import rooms of a lower number and, inside a room, itself.
LEVEL = {
    "errors": 0,
    "progress": 0,
    "settings": 1,
    "writing": 1,
    "foreign": 1,
    "stats": 1,
    "graph": 2,
    "images": 2,
    "results": 4,
    "preprocess": 3,
    "engine": 5,
    "evidence": 5,
    "verdict": 6,
    "methods": 6,
    "mint": 7,
    "controls": 8,
    "workflows": 9,
    "report": 10,
    "demo": 10,
    "cli": 11,
    "__main__": 12,
}
ROOMS_OF = {
    "torch": {"mint", "engine"},
    "onnxruntime": {"engine", "graph"},
    "click": {"cli"},
    "rich": {"cli", "report"},
}
HEAVY = ("torch", "onnxruntime", "sklearn", "onnx", "onnx_ir", "scipy", "pyarrow", "rich")


def _room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def _imports(path: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [f"{node.module}.{name.name}" for name in node.names]
    return found


MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path: Path) -> None:
    room = _room(path)
    for name in _imports(path):
        parts = name.split(".")
        if room == "images" and parts[1:2] == ["preprocess"]:
            continue  # opening an image safely still lives there
        if parts[0] == "onnxmint" and len(parts) > 1 and parts[1] in LEVEL and parts[1] != room:
            assert LEVEL[parts[1]] < LEVEL[room], f"{path.name} imports {name}"
        if parts[0] in ROOMS_OF:
            assert room in ROOMS_OF[parts[0]], f"{path.name} imports {name}"


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
