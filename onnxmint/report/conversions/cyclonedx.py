"""CycloneDX 1.6: the model as a component with what was measured of it, for inventories of software and models."""

import hashlib
import json
import uuid

from onnxmint.report.conversions.markdown import OUTCOMES
from onnxmint.report.names import visible
from onnxmint.results.audit import AuditResult
from onnxmint.results.gate import GateRule, gate_of
from onnxmint.stats.estimates import Estimate

_MODEL = "model"


def cyclonedx(result: AuditResult, rule: GateRule) -> str:
    """Return an audit as a bill of materials of one model; its serial number follows from what it says."""
    component = {
        "type": "machine-learning-model",
        "bom-ref": _MODEL,
        "name": visible(result.target.path),
        "hashes": [{"alg": "SHA-256", "content": result.target.sha256}],
        "modelCard": {"quantitativeAnalysis": {"performanceMetrics": _metrics(result)}},
        "properties": [{"name": f"onnxmint:{name}", "value": value} for name, value in _properties(result, rule)],
    }
    found = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": result.created,
            "tools": {"components": [{"type": "application", "name": "onnxmint", "version": result.version}]},
        },
        "components": [component],
    }
    content = hashlib.sha256(json.dumps(found, sort_keys=True).encode()).digest()
    serial = uuid.UUID(bytes=content[:16], version=4)
    return json.dumps({"serialNumber": f"urn:uuid:{serial}", **found}, sort_keys=True, indent=1) + "\n"


def _metrics(result: AuditResult) -> list[dict[str, object]]:
    """Return what was measured, with intervals; CycloneDX wants numbers as text."""
    found, share = [], result.verdict.share_of_members
    if result.performance is not None:
        found.append(_metric("AUC of members against non-members", result.performance.auc))
    if share is not None:
        found.append(_metric("share of members among the questioned images", share))
    return found


def _metric(name: str, value: Estimate) -> dict[str, object]:
    interval = {"lowerBound": f"{value.low:.6g}", "upperBound": f"{value.high:.6g}"}
    return {"type": name, "value": f"{value.value:.6g}", "confidenceInterval": interval}


def _properties(result: AuditResult, rule: GateRule) -> list[tuple[str, str]]:
    verdict, listed, gate = result.verdict, result.questioned.listed, gate_of(result, rule)
    return [
        ("verdict", verdict.kind),
        ("verdict.text", visible(verdict.text)),
        ("p_value", "none" if verdict.p_value is None else f"{verdict.p_value:.6g}"),
        ("questioned.sha256", "unknown" if listed is None else listed.sha256),
        ("gate", f"{gate.rule}: {'passed' if gate.passed else '; '.join(gate.reasons)}"),
        *((f"control.{visible(one.name)}", OUTCOMES[one.passed]) for one in result.controls),
    ]
