"""An in-toto statement with a Test Result, for pipelines that decide by policy; unsigned, as bytes to be signed."""

import hashlib
import json

from onnxmint.report.names import visible
from onnxmint.results.audit import AuditResult
from onnxmint.results.envelope import STATEMENT
from onnxmint.results.gate import GateRule, gate_of
from onnxmint.results.json import plain

_TEST_RESULT = "https://in-toto.io/attestation/test-result/v0.1"


def attestation(result: AuditResult, rule: GateRule) -> str:
    """Return what was tested, by which rule and settings, and how it came out.

    A model that passes while a control failed or was not run has WARNED.
    """
    gate, controls = gate_of(result, rule), result.controls
    passed = [f"control.{one.name}" for one in controls if one.passed]
    failed = [f"control.{one.name}" for one in controls if one.passed is False]
    undone = [f"control.{one.name}" for one in controls if one.passed is None]
    (passed if gate.passed else failed).insert(0, f"verdict.{result.verdict.kind}")
    outcome = "FAILED" if not gate.passed else "WARNED" if failed or undone else "PASSED"
    statement = {
        "_type": STATEMENT,
        "subject": [{"name": visible(result.target.path), "digest": {"sha256": result.target.sha256}}],
        "predicateType": _TEST_RESULT,
        "predicate": {
            "result": outcome,
            "configuration": [_configuration(result, gate.rule)],
            "passedTests": passed,
            "warnedTests": undone,
            "failedTests": failed,
        },
    }
    return json.dumps(statement, sort_keys=True, indent=1, allow_nan=False) + "\n"


def _configuration(result: AuditResult, rule: str) -> dict[str, object]:
    """Return what the test was made by: the registration where there is one, else settings and rule by hash."""
    if result.registration is not None:
        return {"name": "registration.json", "digest": {"sha256": result.registration.sha256}}
    settings = {"rule": rule, "settings": None if result.rule is None else plain(result.rule)}
    written = json.dumps(settings, sort_keys=True).encode()
    return {"name": "settings", "digest": {"sha256": hashlib.sha256(written).hexdigest()}, "annotations": settings}
