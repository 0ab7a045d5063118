"""An audit in the forms of other tools: what they require is there, and no name acts in any of them."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from onnxmint.report.conversions.junit import junit
from onnxmint.report.conversions.markdown import markdown
from onnxmint.report.conversions.sarif import location, sarif
from onnxmint.report.conversions.table import CONVERSIONS
from onnxmint.results.audit import AuditResult
from onnxmint.results.gate import GateRule, gate_of

RULE = GateRule()
OFFICIAL = Path(__file__).with_name("official") / "sarif-schema-2.1.0.json"
HOSTILE = [
    "]]>", "</testcase>", "\x1b[31m", "caf\udce9", "\u202egnp.exe", "a\nb|c", "<script>alert(1)</script>",
    "\ufffe\x00", "[x](javascript:1)", "../../etc/passwd", "%0A::error::x",
]  # fmt: skip
every_form = pytest.mark.parametrize("form", CONVERSIONS)


def _verdict(result: AuditResult, kind: str) -> AuditResult:
    return replace(result, verdict=replace(result.verdict, kind=kind))


def _hostile(result: AuditResult, name: str) -> AuditResult:
    control = replace(result.controls[0], passed=False, text=name)
    return replace(
        result,
        target=replace(result.target, path=name),
        controls=(control, *result.controls[1:]),
        verdict=replace(result.verdict, text=name),
    )


@every_form
def test_the_same_audit_gives_the_same_bytes(result: AuditResult, form: str) -> None:
    assert CONVERSIONS[form](result, RULE) == CONVERSIONS[form](result, RULE)


@every_form
@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_breaks_a_form_or_acts_in_it(result: AuditResult, form: str, name: str) -> None:
    text = CONVERSIONS[form](_hostile(result, name), RULE)
    text.encode("utf-8")
    assert "\x1b" not in text
    assert "\u202e" not in text or form == "junit"  # text in an element, which viewers show as such
    if form == "junit":
        ET.fromstring(text)
    elif form not in ("markdown", "model-card"):
        json.loads(text)
    else:
        assert "<script>" not in text
        assert "](" not in text


def _cases(text: str) -> dict[str, ET.Element]:
    return {case.attrib["name"]: case for case in ET.fromstring(text).iter("testcase")}


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("members-found", "failure"), ("inconclusive", "error"), ("no-evidence", "system-out")],
)
def test_junit_is_green_only_for_a_verdict_that_passes(result: AuditResult, kind: str, expected: str) -> None:
    text = junit(_verdict(result, kind), RULE)
    assert _cases(text)["verdict"][0].tag == expected


def test_junit_counts_what_it_holds_and_tells_numbers_and_rule(result: AuditResult) -> None:
    text = junit(result, RULE)
    root = ET.fromstring(text)
    suite = root[0]
    cases = _cases(text)
    outcomes = [child.tag for case in cases.values() for child in case]
    for element in (root, suite):
        assert element.attrib["tests"] == str(len(cases))
        for kind, name in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert element.attrib[kind] == str(outcomes.count(name))
    found = {one.attrib["name"]: one.attrib["value"] for one in suite.iter("property")}
    assert found["model.sha256"] == result.target.sha256
    assert (found["share.high"], found["gate"]) == ("0.55", "not members-found, inconclusive")
    assert cases["control.pixels"][0].tag == "failure"
    assert cases["control.reference"][0].tag == "skipped"
    assert [child.tag for child in suite] == ["properties", *["testcase"] * len(cases)]


def _require_sarif(found: Any) -> None:
    """Check what the schema of SARIF 2.1.0 and GitHub require of what is written here."""
    assert found["version"] == "2.1.0"
    (run,) = found["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert len(set(rules)) == len(rules)
    for one in run["results"]:
        assert rules[one["ruleIndex"]] == one["ruleId"]
        assert one["level"] in ("error", "warning", "note", "none")
        assert one["message"]["text"]
        (place,) = one["locations"]
        uri = place["physicalLocation"]["artifactLocation"]["uri"]
        assert re.fullmatch(r"[A-Za-z0-9%._~/-]+", uri)
        assert not uri.startswith("/")
        assert all(isinstance(value, str) for value in one["partialFingerprints"].values())
    prints = [json.dumps(one["partialFingerprints"]) for one in run["results"]]
    assert len(set(prints)) == len(prints)


@pytest.mark.parametrize("kind", ["members-found", "inconclusive", "no-evidence"])
def test_sarif_holds_what_code_scanning_requires(result: AuditResult, kind: str) -> None:
    found = json.loads(sarif(_verdict(result, kind), RULE))
    _require_sarif(found)
    rules = [one["ruleId"] for one in found["runs"][0]["results"]]
    first = {"members-found": ["OM001"], "inconclusive": ["OM003"], "no-evidence": []}[kind]
    assert rules == [*first, "OM002", "OM005"]
    assert not any(path in json.dumps(found) for path in result.scores.path[:50])


@pytest.mark.parametrize("name", HOSTILE)
def test_a_place_is_a_relative_reference(result: AuditResult, name: str) -> None:
    _require_sarif(json.loads(sarif(_hostile(result, name), RULE)))
    assert location("models/my net.onnx") == "models/my%20net.onnx"
    assert location("C:\\models\\net.onnx") == "C%3A/models/net.onnx"


def test_markdown_tells_verdict_numbers_controls_and_gate(result: AuditResult) -> None:
    text = markdown(result, GateRule(share_upper=0.05))
    assert text.startswith("## Membership audit: members\\-found\n")
    assert "49% \\(44% to 55%\\)" in text
    assert "the share of members may be 0\\.55, at most 0\\.05 was allowed" in text
    assert "| pixels | failed |" in text
    tables = [line for line in text.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in tables} == {3, 4}


def test_an_attestation_is_a_test_result_about_the_model(result: AuditResult) -> None:
    found = json.loads(CONVERSIONS["attestation"](result, RULE))
    assert found["_type"] == "https://in-toto.io/Statement/v1"
    assert found["predicateType"] == "https://in-toto.io/attestation/test-result/v0.1"
    assert found["subject"][0]["digest"]["sha256"] == result.target.sha256
    predicate = found["predicate"]
    assert predicate["result"] == "FAILED"
    assert predicate["failedTests"] == ["verdict.members-found", "control.pixels"]
    assert predicate["warnedTests"] == ["control.reference"]
    assert len(predicate["configuration"][0]["digest"]["sha256"]) == 64
    passed = json.loads(CONVERSIONS["attestation"](_verdict(result, "no-evidence"), RULE))["predicate"]
    assert passed["result"] == "WARNED"


def test_a_bill_of_materials_names_the_model_and_what_was_measured(result: AuditResult) -> None:
    found = json.loads(CONVERSIONS["cyclonedx"](result, RULE))
    assert (found["bomFormat"], found["specVersion"], found["version"]) == ("CycloneDX", "1.6", 1)
    assert re.fullmatch(r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
                        found["serialNumber"])  # fmt: skip
    (model,) = found["components"]
    assert model["type"] == "machine-learning-model"
    assert model["hashes"] == [{"alg": "SHA-256", "content": result.target.sha256}]
    assert re.fullmatch(r"[0-9a-f]{64}", result.target.sha256)
    auc, share = model["modelCard"]["quantitativeAnalysis"]["performanceMetrics"]
    assert share["confidenceInterval"] == {"lowerBound": "0.44", "upperBound": "0.55"}
    assert set(auc) == {"type", "value", "confidenceInterval"}
    for one in model["properties"]:
        assert set(one) == {"name", "value"}
        assert all(isinstance(value, str) for value in one.values())


def test_a_crate_refers_to_nothing_that_it_does_not_hold(result: AuditResult) -> None:
    graph = json.loads(CONVERSIONS["ro-crate"](result, RULE))["@graph"]
    held = {one["@id"] for one in graph}
    assert len(held) == len(graph)
    for one in graph:
        for key in ("hasPart", "mentions", "instrument", "object", "result", "about"):
            for other in one.get(key, []) if isinstance(one.get(key), list) else [one[key]] if key in one else []:
                assert other["@id"] in held
    root = next(one for one in graph if one["@id"] == "./")
    assert {"name", "description", "datePublished", "license"} <= root.keys()


def test_a_model_card_tells_no_gate(result: AuditResult) -> None:
    assert "Gate" not in CONVERSIONS["model-card"](result, RULE)
    assert "Gate" in CONVERSIONS["markdown"](result, RULE)


def test_the_command_offers_every_form() -> None:
    from onnxmint.cli.convert import convert_command

    (form,) = (one for one in convert_command.params if one.name == "form")
    assert list(form.type.choices) == list(CONVERSIONS)


def test_a_rule_stops_verdicts_and_shares_that_it_names(result: AuditResult) -> None:
    clear = _verdict(result, "no-evidence")
    assert gate_of(clear, RULE).passed
    assert not gate_of(result, RULE).passed
    assert gate_of(result, GateRule(on=())).passed
    assert gate_of(clear, GateRule(share_upper=0.6)).passed
    assert gate_of(clear, GateRule(share_upper=0.5)).reasons == (
        "the share of members may be 0.55, at most 0.5 was allowed",
    )
    unknown = replace(clear, verdict=replace(clear.verdict, share_of_members=None))
    assert gate_of(unknown, GateRule(share_upper=0.9)).reasons == ("the share of members could not be estimated",)


@pytest.fixture(scope="module")
def of_oasis() -> Any:
    """What holds a finding against the schema that OASIS publishes, formats of places and times included."""
    schemas = pytest.importorskip("jsonschema", reason="comes with cyclonedx-python-lib[json-validation]")
    formats = schemas.FormatChecker()  # of all drafts: the fourth, which this is of, knows no reference of a place
    assert {"uri", "uri-reference", "date-time"} <= formats.checkers.keys()
    return schemas.Draft4Validator(json.loads(OFFICIAL.read_bytes()), format_checker=formats)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["members-found", "inconclusive", "no-evidence"])
def test_the_official_schema_takes_sarif_of_every_verdict(result: AuditResult, of_oasis: Any, kind: str) -> None:
    found = json.loads(sarif(_verdict(result, kind), RULE))
    assert [problem.message for problem in of_oasis.iter_errors(found)] == []
    for broken in ({"version": "2.0.0"}, {"findings": []}, {"runs": [found["runs"][0] | {"results": [{}]}]}):
        assert not of_oasis.is_valid(found | broken)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["model.onnx", "models/my net.onnx", *HOSTILE])
def test_the_official_schema_takes_sarif_of_any_name(result: AuditResult, of_oasis: Any, name: str) -> None:
    found = json.loads(sarif(_hostile(result, name), RULE))
    assert [problem.message for problem in of_oasis.iter_errors(found)] == []
    place = found["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]
    place["uri"] = "a b|c"
    assert not of_oasis.is_valid(found)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["model.onnx", *HOSTILE])
def test_the_official_schema_takes_a_bill_of_materials(result: AuditResult, name: str) -> None:
    """With the schema of CycloneDX 1.6 that cyclonedx-python-lib ships."""
    schema = pytest.importorskip("cyclonedx.schema", reason="the official schema is in cyclonedx-python-lib")
    validation = pytest.importorskip("cyclonedx.validation.json", reason="validation is an extra of it")
    validator = validation.JsonStrictValidator(schema.SchemaVersion.V1_6)
    named = replace(result, target=replace(result.target, path=name))
    assert validator.validate_str(CONVERSIONS["cyclonedx"](named, RULE)) is None
    broken = json.loads(CONVERSIONS["cyclonedx"](named, RULE)) | {"components": [{"type": "spaceship"}]}
    assert validator.validate_str(json.dumps(broken)) is not None


@pytest.mark.slow
@pytest.mark.parametrize("name", ["model.onnx", *HOSTILE])
def test_readers_of_other_projects_read_what_is_written(result: AuditResult, name: str, tmp_path: Path) -> None:
    """junitparser, rocrate and in-toto-attestation, where they are installed."""
    named = _hostile(result, name)
    junitparser = pytest.importorskip("junitparser", reason="reads JUnit back")
    suites = list(junitparser.JUnitXml.fromstring(CONVERSIONS["junit"](named, RULE).encode()))
    assert next(case.name for suite in suites for case in suite) == "verdict"
    crates = pytest.importorskip("rocrate.rocrate", reason="reads a crate back")
    (tmp_path / "ro-crate-metadata.json").write_text(CONVERSIONS["ro-crate"](named, RULE))
    crate = crates.ROCrate(str(tmp_path))
    assert crate.root_dataset["name"]
    statements = pytest.importorskip("in_toto_attestation.v1.statement", reason="reads a statement back")
    import in_toto_attestation.v1.statement_pb2 as schema
    from google.protobuf import json_format

    found = json_format.Parse(CONVERSIONS["attestation"](named, RULE), schema.Statement())
    statements.Statement.copy_from_pb(found).validate()
