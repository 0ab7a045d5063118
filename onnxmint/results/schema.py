"""JSON Schemas of all results, made from their types, so that other programs can check what they read."""

from typing import Any

import msgspec
import numpy as np

from onnxmint.results.audit import AUDIT
from onnxmint.results.auditor import AUDITOR_FACTS
from onnxmint.results.check import CHECK
from onnxmint.results.comparison import COMPARISON
from onnxmint.results.evaluation import EVALUATION
from onnxmint.results.json import Document
from onnxmint.results.lookup import LOOKUP
from onnxmint.results.manifest import MANIFEST
from onnxmint.results.observed import OBSERVED_FACTS
from onnxmint.results.plan import PLAN
from onnxmint.results.references import REFERENCES
from onnxmint.results.registration import REGISTRATION
from onnxmint.results.seal import SEAL, SEALING
from onnxmint.results.sealed import SEALED
from onnxmint.results.verification import VERIFICATION

_DIALECT = "https://json-schema.org/draft/2020-12/schema"

PUBLISHED: dict[str, Document[Any]] = {
    "audit": AUDIT,
    "auditor": AUDITOR_FACTS,
    "check": CHECK,
    "comparison": COMPARISON,
    "evaluation": EVALUATION,
    "lookup": LOOKUP,
    "manifest": MANIFEST,
    "observed": OBSERVED_FACTS,
    "plan": PLAN,
    "references": REFERENCES,
    "registration": REGISTRATION,
    "seal": SEAL,
    "sealed": SEALED,
    "sealing": SEALING,
    "verification": VERIFICATION,
}
"""By the name of the file in results/schemas, which tools/schemas.py writes."""


JsonSchema = dict[str, Any]  # a tree whose shape the standard gives, not we


def json_schema(document: Document[Any]) -> JsonSchema:
    """Return the schema of a kind of file: every key has to be there, and no other."""
    (root,), parts = msgspec.json.schema_components([document.kind], schema_hook=_array)
    name = root["$ref"].rpartition("/")[2]
    every = {key: _strict(part) for key, part in parts.items()}
    whole = every.pop(name)
    kept = {key: part for key, part in whole["properties"].items() if key not in document.elsewhere}
    kept = {"schema": {"const": document.schema}, **kept}
    needed = _reached({"properties": kept}, every)
    return {
        "$schema": _DIALECT,
        "title": document.schema,
        **whole,
        "properties": kept,
        "required": list(kept),
        "$defs": {key: part for key, part in every.items() if key in needed},
    }


def _array(kind: type) -> JsonSchema:
    """Return the schema of a column of numbers or truth values."""
    if kind is not np.ndarray:
        raise NotImplementedError(f"no schema for {kind}")
    return {"type": "array", "items": {"type": ["number", "boolean"]}}


def _strict(part: JsonSchema) -> JsonSchema:
    """Return the schema of a dataclass with every key required; a file holds the defaults too."""
    if "properties" not in part:
        return part
    found = {name: _plain(value) for name, value in part["properties"].items()}
    return {**part, "properties": found, "required": list(found), "additionalProperties": False}


def _plain(value: JsonSchema) -> JsonSchema:
    return {key: item for key, item in value.items() if key != "default"}


def _reached(tree: Any, parts: JsonSchema) -> set[str]:
    """Return the names of the parts that a schema refers to, directly or not."""
    found: set[str] = set()
    left = [tree]
    while left:
        one = left.pop()
        if isinstance(one, dict):
            name = str(one.get("$ref", "")).rpartition("/")[2]
            if name in parts and name not in found:
                found.add(name)
                left.append(parts[name])
            left.extend(one.values())
        elif isinstance(one, list):
            left.extend(one)
    return found
