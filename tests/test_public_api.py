"""The public names: sorted, documented, all listed, none is also a module's name, and they refuse as commands do."""

import subprocess
import sys
from pathlib import Path

import pytest

import onnxmint
from onnxmint import AuditSettings, EvaluateSettings, TrainSettings, UsageError
from tests.conftest import DEMO, KNOWN


def test_every_public_name_is_there_and_documented() -> None:
    assert onnxmint.__all__ == sorted(onnxmint.__all__)
    for name in onnxmint.__all__:
        assert getattr(onnxmint, name).__doc__


def test_names_are_listed_before_they_are_used() -> None:
    """As an interactive shell completes them; nothing is imported for it."""
    code = "import onnxmint; print(*dir(onnxmint))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    listed = done.stdout.split()
    assert set(onnxmint.__all__) <= set(listed)
    assert [name for name in listed if not name.startswith("_")] == onnxmint.__all__


def test_no_public_name_is_also_a_module() -> None:
    root = Path(onnxmint.__file__).parent
    modules = {path.stem for path in root.iterdir()} - {"__init__"}
    assert modules.isdisjoint(onnxmint.__all__)


@pytest.mark.parametrize(
    ("settings", "name", "value"),
    [
        (AuditSettings, "alpha", 7),
        (AuditSettings, "prior", 3.0),
        (AuditSettings, "p_values", "smooth"),
        (AuditSettings, "device", "gpu"),
        (TrainSettings, "module", "nn"),
        (TrainSettings, "views", 5),
        (EvaluateSettings, "modules", ("views", "nn")),
    ],
)
def test_settings_that_no_audit_can_be_made_with_are_refused(settings: type, name: str, value: object) -> None:
    with pytest.raises(UsageError) as caught:
        settings(**{name: value})
    assert "\n" not in str(caught.value)


def test_all_layers_are_for_an_evaluation_and_one_auditor_reads_named_ones() -> None:
    with pytest.raises(UsageError):
        onnxmint.train(
            DEMO / "target.onnx", *KNOWN, settings=TrainSettings(preprocess="0-1", layers=("all",), device="cpu")
        )
