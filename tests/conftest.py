"""Paths and small real things that many tests use."""

from pathlib import Path

import pytest

import onnxmint  # noqa: F401 - switches onnxruntime's telemetry off before a test loads it

ROOT = Path(__file__).parents[1]
DEMO = ROOT / "onnxmint" / "demo"
SHARED = ROOT.parent / "shared"


@pytest.fixture
def demo() -> Path:
    """The bundled target, evidence and questioned images."""
    return DEMO


@pytest.fixture
def shared() -> Path:
    """The project's shared real models and data; tests that need them skip without."""
    if not (SHARED / "models").is_dir():
        pytest.skip("no ../shared with real models and data beside this checkout")
    return SHARED
