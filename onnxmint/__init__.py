"""onnxmint: was this image in that model's training set? Membership audits of image classifiers through ONNX."""

import importlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from onnxmint.errors import DeviceError, EvidenceError, ImagesError, ModelError, OnnxmintError, UsageError
    from onnxmint.mint.auditor import Auditor, load_auditor
    from onnxmint.report.files import write_run
    from onnxmint.results.audit import AuditResult
    from onnxmint.results.evaluation import Evaluation
    from onnxmint.settings import AuditSettings, EvaluateSettings, TrainSettings
    from onnxmint.workflows.auditing import audit
    from onnxmint.workflows.evaluating import evaluate
    from onnxmint.workflows.training import train

__version__ = "0.1.0"

# onnxruntime's wheels report sessions, models and errors to Microsoft unless this is set before they are loaded
# (from 1.29 on Linux too, see its Privacy.md). What is audited concerns nobody else; ORT_DISABLE_TELEMETRY=0 is heeded.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

# Names are imported when they are first used: `import onnxmint` and `onnxmint --help` stay quick.
_HOMES = {
    "AuditResult": "results.audit",
    "AuditSettings": "settings",
    "Auditor": "mint.auditor",
    "DeviceError": "errors",
    "EvaluateSettings": "settings",
    "Evaluation": "results.evaluation",
    "EvidenceError": "errors",
    "ImagesError": "errors",
    "ModelError": "errors",
    "OnnxmintError": "errors",
    "TrainSettings": "settings",
    "UsageError": "errors",
    "audit": "workflows.auditing",
    "evaluate": "workflows.evaluating",
    "load_auditor": "mint.auditor",
    "train": "workflows.training",
    "write_run": "report.files",
}

__all__ = [
    "AuditResult",
    "AuditSettings",
    "Auditor",
    "DeviceError",
    "EvaluateSettings",
    "Evaluation",
    "EvidenceError",
    "ImagesError",
    "ModelError",
    "OnnxmintError",
    "TrainSettings",
    "UsageError",
    "audit",
    "evaluate",
    "load_auditor",
    "train",
    "write_run",
]


def __getattr__(name: str) -> Any:
    """Import a public name from its home."""
    if name not in _HOMES:
        raise AttributeError(f"module 'onnxmint' has no attribute {name!r}")
    return getattr(importlib.import_module(f"onnxmint.{_HOMES[name]}"), name)
