"""SARIF 2.1.0, for code scanning where the model's file is in the repository; no result for a single image."""

import hashlib
import json
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

from onnxmint.report.names import visible
from onnxmint.results.audit import AuditResult
from onnxmint.results.gate import GateRule

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_TAGS = ["privacy", "membership-inference", "OWASP ML04:2023", "MITRE ATLAS AML.T0024.000"]
_IMPLAUSIBLE = "plausibility"

Level = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rule:
    """One kind of finding."""

    id: str
    name: str
    level: Level
    text: str


_RULES = (
    _Rule(id="OM001", name="MembersFound", level="error", text="Images are found to have been trained on."),
    _Rule(id="OM002", name="ControlFailed", level="warning", text="A difference has another explanation."),
    _Rule(id="OM003", name="Inconclusive", level="warning", text="The audit cannot tell."),
    _Rule(id="OM004", name="PreprocessingImplausible", level="warning", text="Images were shown in a doubtful way."),
    _Rule(id="OM005", name="ImagesSkipped", level="note", text="Questioned images were not judged."),
)
_NUMBER = {rule.id: number for number, rule in enumerate(_RULES)}


def sarif(result: AuditResult, _: GateRule) -> str:
    """Return an audit as SARIF; the place of every finding is the model's file."""
    driver = {
        "name": "onnxmint",
        "semanticVersion": result.version,
        "rules": [
            {
                "id": rule.id,
                "name": rule.name,
                "shortDescription": {"text": rule.text},
                "defaultConfiguration": {"level": rule.level},
                "properties": {"tags": _TAGS},
            }
            for rule in _RULES
        ],
    }
    run = {
        "tool": {"driver": driver},
        "results": [_finding(result, rule, text) for rule, text in _found(result)],
        "columnKind": "utf16CodeUnits",
        "properties": _numbers(result),
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1, allow_nan=False) + "\n"


def _found(result: AuditResult) -> list[tuple[str, str]]:
    """Return what there is to say, by rule."""
    verdict, skipped, found = result.verdict, result.questioned.left_out, []
    if verdict.kind != "no-evidence":
        found.append(("OM001" if verdict.kind == "members-found" else "OM003", verdict.text))
    found.extend(
        ("OM004" if control.name == _IMPLAUSIBLE else "OM002", f"{control.name}: {control.text}")
        for control in result.controls
        if control.passed is False
    )
    if skipped:
        found.append(("OM005", f"{skipped:,} questioned images were not judged."))
    return found


def _finding(result: AuditResult, rule: str, text: str) -> dict[str, object]:
    listed = result.questioned.listed
    about = "\n".join(
        (rule, result.target.sha256, "" if listed is None else listed.sha256, text if rule == "OM002" else "")
    )
    return {
        "ruleId": rule,
        "ruleIndex": _NUMBER[rule],
        "level": _RULES[_NUMBER[rule]].level,
        "message": {"text": visible(text)},
        "locations": [{"physicalLocation": {"artifactLocation": {"uri": location(result.target.path)}}}],
        "partialFingerprints": {"onnxmint/v1": hashlib.sha256(about.encode("utf-8", "backslashreplace")).hexdigest()},
    }


def location(path: str) -> str:
    """Return a path as a relative reference (RFC 3986); names may hold anything."""
    parts = [part for part in path.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    return "/".join(quote(part.encode("utf-8", "surrogateescape"), safe="") for part in parts) or "model.onnx"


def _numbers(result: AuditResult) -> dict[str, object]:
    verdict, share = result.verdict, result.verdict.share_of_members
    return {
        "verdict": verdict.kind,
        "pValue": verdict.p_value,
        "share": None if share is None else [share.low, share.value, share.high],
        "images": result.questioned.images,
        "alpha": result.questioned.alpha,
        "modelSha256": result.target.sha256,
    }
