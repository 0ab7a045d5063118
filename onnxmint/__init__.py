"""onnxmint: was this image in that model's training set? Membership audits of image classifiers through ONNX."""

import importlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from onnxmint.errors import DeviceError, EvidenceError, ImagesError, ModelError, OnnxmintError, UsageError
    from onnxmint.images.variants import Change
    from onnxmint.mint.auditor import Auditor, load_auditor
    from onnxmint.mint.scorer import Scorer
    from onnxmint.report.files import load_run, write_run
    from onnxmint.results.audit import AuditResult
    from onnxmint.results.check import CheckResult
    from onnxmint.results.comparison import Comparison
    from onnxmint.results.evaluation import Evaluation
    from onnxmint.results.plan import Plan
    from onnxmint.results.references import References
    from onnxmint.settings import (
        AuditSettings,
        CompareSettings,
        EvaluateSettings,
        EvidenceSettings,
        ObserveSettings,
        ReferenceSettings,
        TrainSettings,
    )
    from onnxmint.workflows.asking_sealed import audit_sealed
    from onnxmint.workflows.auditing import Known, audit
    from onnxmint.workflows.checking import check
    from onnxmint.workflows.comparing import compare
    from onnxmint.workflows.evaluating import evaluate
    from onnxmint.workflows.exposing import expose, layers
    from onnxmint.workflows.merging import Merged, merge_parts
    from onnxmint.workflows.observing import observe
    from onnxmint.workflows.parting import PartProgress, audit_part
    from onnxmint.workflows.planning import plan
    from onnxmint.workflows.referring import make_references
    from onnxmint.workflows.registering import register
    from onnxmint.workflows.sealing import seal
    from onnxmint.workflows.signing import sign
    from onnxmint.workflows.training import train
    from onnxmint.workflows.turns import InTurn, audit_in_turn
    from onnxmint.workflows.verifying import verify

__version__ = "0.1.0"

# onnxruntime's wheels report sessions, models and errors to Microsoft unless this is set before they are loaded
# (from 1.29 on Linux too, see its Privacy.md). What is audited concerns nobody else; ORT_DISABLE_TELEMETRY=0 is heeded.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

# Names are imported when they are first used: `import onnxmint` and `onnxmint --help` stay quick.
_HOMES = {
    "AuditResult": "results.audit",
    "AuditSettings": "settings",
    "Auditor": "mint.auditor",
    "Change": "images.variants",
    "CheckResult": "results.check",
    "CompareSettings": "settings",
    "Comparison": "results.comparison",
    "DeviceError": "errors",
    "EvaluateSettings": "settings",
    "Evaluation": "results.evaluation",
    "EvidenceError": "errors",
    "EvidenceSettings": "settings",
    "ImagesError": "errors",
    "InTurn": "workflows.turns",
    "Known": "workflows.auditing",
    "Merged": "workflows.merging",
    "ModelError": "errors",
    "ObserveSettings": "settings",
    "OnnxmintError": "errors",
    "PartProgress": "workflows.parting",
    "Plan": "results.plan",
    "ReferenceSettings": "settings",
    "References": "results.references",
    "Scorer": "mint.scorer",
    "TrainSettings": "settings",
    "UsageError": "errors",
    "audit": "workflows.auditing",
    "audit_in_turn": "workflows.turns",
    "audit_part": "workflows.parting",
    "audit_sealed": "workflows.asking_sealed",
    "check": "workflows.checking",
    "compare": "workflows.comparing",
    "evaluate": "workflows.evaluating",
    "expose": "workflows.exposing",
    "layers": "workflows.exposing",
    "load_auditor": "mint.auditor",
    "load_run": "report.files",
    "make_references": "workflows.referring",
    "merge_parts": "workflows.merging",
    "observe": "workflows.observing",
    "plan": "workflows.planning",
    "register": "workflows.registering",
    "seal": "workflows.sealing",
    "sign": "workflows.signing",
    "train": "workflows.training",
    "verify": "workflows.verifying",
    "write_run": "report.files",
}

__all__ = [
    "AuditResult",
    "AuditSettings",
    "Auditor",
    "Change",
    "CheckResult",
    "CompareSettings",
    "Comparison",
    "DeviceError",
    "EvaluateSettings",
    "Evaluation",
    "EvidenceError",
    "EvidenceSettings",
    "ImagesError",
    "InTurn",
    "Known",
    "Merged",
    "ModelError",
    "ObserveSettings",
    "OnnxmintError",
    "PartProgress",
    "Plan",
    "ReferenceSettings",
    "References",
    "Scorer",
    "TrainSettings",
    "UsageError",
    "audit",
    "audit_in_turn",
    "audit_part",
    "audit_sealed",
    "check",
    "compare",
    "evaluate",
    "expose",
    "layers",
    "load_auditor",
    "load_run",
    "make_references",
    "merge_parts",
    "observe",
    "plan",
    "register",
    "seal",
    "sign",
    "train",
    "verify",
    "write_run",
]


def __getattr__(name: str) -> Any:
    """Import a public name from its home."""
    if name not in _HOMES:
        raise AttributeError(f"module 'onnxmint' has no attribute {name!r}")
    return getattr(importlib.import_module(f"onnxmint.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """Return the public names, imported yet or not."""
    return sorted([*_HOMES, "__version__"])
