"""The published JSON Schemas are those of the types, and take what is written and nothing else."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from onnxmint.report.files import run_files
from onnxmint.results.audit import AuditResult
from onnxmint.results.json import Document
from onnxmint.results.schema import PUBLISHED, json_schema
from tests.report.conftest import result  # noqa: F401 - a fixture
from tests.results.values import values

FOLDER = Path(__file__).parents[2] / "onnxmint" / "results" / "schemas"
every_document = pytest.mark.parametrize(("name", "document"), PUBLISHED.items(), ids=PUBLISHED)
_TYPES: dict[str, Any] = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}
KNOWN = {
    "$schema", "$defs", "$ref", "title", "description", "type", "properties", "required", "additionalProperties",
    "items", "prefixItems", "minItems", "maxItems", "anyOf", "enum", "const", "contentEncoding", "minimum", "maximum",
}  # fmt: skip


def _is(value: Any, kind: str) -> bool:
    if kind in ("number", "integer"):
        return isinstance(value, int if kind == "integer" else int | float) and not isinstance(value, bool)
    return isinstance(value, _TYPES[kind])


def wrong(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> bool:  # noqa: PLR0911 - one for each word
    """Say whether a value breaks a schema, of which no word is unknown."""
    assert schema.keys() <= KNOWN, schema.keys() - KNOWN
    if "$ref" in schema:
        return wrong(value, root["$defs"][schema["$ref"].rpartition("/")[2]], root)
    if "const" in schema and value != schema["const"]:
        return True
    if "enum" in schema and value not in schema["enum"]:
        return True
    if "anyOf" in schema and all(wrong(value, one, root) for one in schema["anyOf"]):
        return True
    kinds = schema.get("type", [])
    if kinds and not any(_is(value, kind) for kind in ([kinds] if isinstance(kinds, str) else kinds)):
        return True
    if isinstance(value, int | float) and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        return True
    if isinstance(value, dict):
        return _wrong_object(value, schema, root)
    if isinstance(value, list):
        first, rest = schema.get("prefixItems", []), schema.get("items", {})
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
            return True
        of = [*first, *[rest] * (len(value) - len(first))]
        return any(one is not False and wrong(item, one, root) for item, one in zip(value, of, strict=True) if one)
    return False


def _wrong_object(value: dict[str, Any], schema: dict[str, Any], root: dict[str, Any]) -> bool:
    properties, others = schema.get("properties", {}), schema.get("additionalProperties", {})
    if not set(schema.get("required", [])) <= value.keys():
        return True
    for key, item in value.items():
        of = properties.get(key, others)
        if of is False or (isinstance(of, dict) and wrong(item, of, root)):
            return True
    return False


@every_document
def test_it_is_the_one_of_the_types(name: str, document: Document[Any]) -> None:
    """Where this fails: python tools/schemas.py."""
    assert json.loads((FOLDER / f"{name}.json").read_text()) == json_schema(document)


@every_document
@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_it_takes_what_is_written(name: str, document: Document[Any], data: st.DataObject) -> None:
    schema = json.loads((FOLDER / f"{name}.json").read_text())
    found = json.loads(document.write(data.draw(values(document.kind))))
    assert not wrong(found, schema, schema)
    assert wrong({**found, "another": 1}, schema, schema)
    for key in found:
        assert wrong({other: item for other, item in found.items() if other != key}, schema, schema)


def test_it_takes_the_files_of_a_run_and_no_edit_of_their_types(result: AuditResult) -> None:  # noqa: F811
    files = run_files(result, run_settings={"seed": 0}, auditor=b"onnx")
    for name, file in (("audit", "report.json"), ("manifest", "manifest.json")):
        schema = json.loads((FOLDER / f"{name}.json").read_text())
        found = json.loads(files[file])
        assert not wrong(found, schema, schema)
        edited = copy.deepcopy(found)
        if name == "audit":
            edited["verdict"]["kind"] = "guilty"
        else:
            edited["files"]["report.json"]["bytes"] = "many"
        assert wrong(edited, schema, schema)


def test_no_file_is_of_no_result() -> None:
    assert {path.stem for path in FOLDER.glob("*.json")} == set(PUBLISHED)
