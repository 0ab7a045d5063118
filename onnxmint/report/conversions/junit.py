"""JUnit XML, which every CI server shows: the verdict and each control as a test."""

import re
from xml.etree import ElementTree as ET

from onnxmint.results.audit import AuditResult
from onnxmint.results.facts import Control
from onnxmint.results.gate import GateRule, gate_of

SUITE = "onnxmint.audit"
_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, production 2


def junit(result: AuditResult, rule: GateRule) -> str:
    """Return an audit as a test suite: what does not pass the rule fails, an inconclusive verdict is an error."""
    suites = ET.Element("testsuites", name="onnxmint")
    suite = ET.SubElement(suites, "testsuite", name=SUITE, timestamp=result.created)
    properties = ET.SubElement(suite, "properties")
    for name, value in _properties(result, rule).items():
        ET.SubElement(properties, "property", name=name, value=xml_text(value))
    _verdict(_case(suite, "verdict"), result, rule)
    for control in result.controls:
        _control(_case(suite, f"control.{control.name}"), control)
    _coverage(_case(suite, "coverage"), result)
    for element in (suites, suite):
        counts = {kind: str(len(list(suite.iter(kind)))) for kind in ("failure", "error", "skipped")}
        element.set("tests", str(len(suite.findall("testcase"))))
        element.set("failures", counts["failure"])
        element.set("errors", counts["error"])
        element.set("skipped", counts["skipped"])
    ET.indent(suites)
    return ET.tostring(suites, encoding="unicode", xml_declaration=False) + "\n"


def xml_text(text: str) -> str:
    """Return text that XML can hold: what it cannot is written out, such as escape codes and lone surrogates."""
    return _NO_XML.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def _case(suite: ET.Element, name: str) -> ET.Element:
    return ET.SubElement(suite, "testcase", name=xml_text(name), classname=SUITE, time="0")


def _outcome(case: ET.Element, kind: str, message: str, text: str = "") -> None:
    found = ET.SubElement(case, kind, message=xml_text(message))
    if text:
        found.text = xml_text(text)


def _properties(result: AuditResult, rule: GateRule) -> dict[str, str]:
    """Return numbers by name; what there is none of is left out."""
    verdict, share, listed = result.verdict, result.verdict.share_of_members, result.questioned.listed
    found: dict[str, object] = {
        "version": result.version,
        "model": result.target.path,
        "model.sha256": result.target.sha256,
        "questioned.sha256": None if listed is None else listed.sha256,
        "questioned.images": result.questioned.images,
        "alpha": result.questioned.alpha,
        "p_value": verdict.p_value,
        "at_least": verdict.at_least,
        "share": None if share is None else share.value,
        "share.low": None if share is None else share.low,
        "share.high": None if share is None else share.high,
        "gate": rule.words,
        "registration.sha256": None if result.registration is None else result.registration.sha256,
    }
    return {name: str(value) for name, value in found.items() if value is not None}


def _verdict(case: ET.Element, result: AuditResult, rule: GateRule) -> None:
    gate, verdict = gate_of(result, rule), result.verdict
    if not gate.passed:
        kind = "error" if verdict.kind == "inconclusive" else "failure"
        _outcome(case, kind, "; ".join(gate.reasons), verdict.text)
    else:
        ET.SubElement(case, "system-out").text = xml_text(f"{verdict.kind}: {verdict.text}")


def _control(case: ET.Element, control: Control) -> None:
    if control.passed is None:
        _outcome(case, "skipped", control.text)
    elif not control.passed:
        _outcome(case, "failure", f"the control {control.name} failed", control.text)


def _coverage(case: ET.Element, result: AuditResult) -> None:
    """No image may be left out unseen; who made the audit has chosen to go on without these."""
    skipped = result.questioned.left_out
    if skipped:
        text = f"{skipped:,} questioned images were not judged, {result.questioned.images:,} were"
        ET.SubElement(case, "system-out").text = text
