"""Values are typed all the way, and what renders them reads nothing but them."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "onnxmint"
TYPED = [*PACKAGE.glob("results/*.py"), *PACKAGE.glob("verdict/*.py"), PACKAGE / "mint" / "auditor.py"]
READS = (
    "onnxmint.results.", "onnxmint.stats.estimates", "onnxmint.stats.paired",
    "onnxmint.writing", "onnxmint.places.", "onnxmint.errors",
    "onnxmint.report.",
)  # fmt: skip


def name(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


@pytest.mark.parametrize("path", TYPED, ids=name)
def test_no_dictionary_of_anything_is_kept(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.AnnAssign | ast.arg | ast.FunctionDef):
            hint = node.returns if isinstance(node, ast.FunctionDef) else node.annotation
            assert hint is None or ", Any]" not in ast.unparse(hint), f"line {node.lineno}"


@pytest.mark.parametrize("path", sorted(PACKAGE.glob("report/*.py")), ids=name)
def test_reports_read_results_only(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("onnxmint"):
            assert f"{node.module}.".startswith(READS) or node.module in READS, node.module
