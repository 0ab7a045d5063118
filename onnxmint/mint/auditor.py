"""The auditor: one ONNX file that scores images of one target, with everything needed to trust and repeat it.

The graph takes raw uint8 pixels and gives `score`, `p_value` and the target's `answer`. Everything else (hash of
the target, layer, preprocessing, evidence, performance, calibration) is JSON in the file's metadata.
"""

import base64
import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from onnxmint.errors import ModelError
from onnxmint.results.audit import (
    Baseline,
    Control,
    EvidenceFacts,
    baseline_from_dict,
    baseline_to_dict,
    control_from_dict,
    evidence_from_dict,
    evidence_to_dict,
    performance_from_dict,
    performance_to_dict,
)
from onnxmint.stats.estimates import Performance
from onnxmint.verdict.yardstick import Traces, Yardstick

METADATA_KEY = "onnxmint.auditor"
SCHEMA = "onnxmint.auditor/3"

_DTYPES = frozenset({"float16", "float32", "int8", "int32", "int64", "uint64", "bool"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Auditor:
    """A trained auditor.

    Attributes:
        model: the serialised ONNX file.
        target_sha256: hash of the file it audits.
        preprocess: the PreprocessSpec in its JSON form, final size included.
        method: name, layer, seed, epochs and the names of the statistics.
        evidence: what it was fitted, calibrated and tested on.
        performance: of its score on the test part.
        baselines: simple scores on the same test part.
        yardstick: held-out scores of known images: p-values, share, power and drawings come from these.
        controls: tests of the evidence for other explanations than membership.
        traces: what later controls need of the known images.
        warnings: what a reader of any audit with this auditor has to know.
    """

    model: bytes
    target_sha256: str
    preprocess: dict[str, Any]
    method: dict[str, Any]
    evidence: EvidenceFacts
    performance: Performance
    baselines: tuple[Baseline, ...]
    yardstick: Yardstick
    controls: tuple[Control, ...]
    traces: Traces
    version: str
    created: str
    warnings: tuple[str, ...] = ()

    def to_metadata(self) -> dict[str, str]:
        """Return the metadata that goes into the file (everything but the graph)."""
        facts = self.to_dict() | {
            "yardstick": _pack_all(self.yardstick),
            "traces": _pack_all(self.traces),
        }
        return {METADATA_KEY: json.dumps(facts, allow_nan=False)}

    def to_dict(self) -> dict[str, Any]:
        """Return the facts that a reader wants, without the raw scores."""
        return {
            "schema": SCHEMA,
            "onnxmint": self.version,
            "created": self.created,
            "target": {"sha256": self.target_sha256},
            "preprocess": self.preprocess,
            "method": self.method,
            "evidence": evidence_to_dict(self.evidence),
            "performance": performance_to_dict(self.performance),
            "baselines": [baseline_to_dict(row) for row in self.baselines],
            "controls": {control.name: control.to_dict() for control in self.controls},
            "warnings": list(self.warnings),
        }


def load_auditor(path: Path) -> Auditor:
    """Read an auditor file.

    Raises:
        ModelError: the file is missing, no ONNX file, or not an auditor of a version we know.
    """
    import onnx
    from google.protobuf.message import DecodeError

    from onnxmint.graph.guard import check_proto

    try:
        model = path.read_bytes()
    except OSError as problem:
        raise ModelError(f"cannot read the auditor {path}: {problem.strerror or problem}") from None
    try:
        proto = onnx.load_model_from_string(model)
    except DecodeError:
        raise ModelError(
            f"{path} is not an ONNX file, or incomplete; give the auditor.onnx that onnxmint train wrote"
        ) from None
    check_proto(proto, path)
    found = {entry.key: entry.value for entry in proto.metadata_props}
    if METADATA_KEY not in found:
        raise ModelError(f"{path} is an ONNX file but no auditor; make one with: onnxmint train")
    try:
        return _from_facts(model, json.loads(found[METADATA_KEY]))
    except (KeyError, TypeError, ValueError) as problem:
        raise ModelError(f"{path}: its auditor facts are damaged ({problem}); train it again") from None


def _from_facts(model: bytes, facts: dict[str, Any]) -> Auditor:
    if facts["schema"] != SCHEMA:
        raise ValueError(f"schema {facts['schema']}, this onnxmint reads {SCHEMA}")
    return Auditor(
        model=model,
        target_sha256=facts["target"]["sha256"],
        preprocess=facts["preprocess"],
        method=facts["method"],
        evidence=evidence_from_dict(facts["evidence"]),
        performance=performance_from_dict(facts["performance"]),
        baselines=tuple(baseline_from_dict(row) for row in facts["baselines"]),
        yardstick=_unpack_all(Yardstick, facts["yardstick"]),
        controls=tuple(control_from_dict(name, control) for name, control in facts["controls"].items()),
        traces=_unpack_all(Traces, facts["traces"]),
        version=facts["onnxmint"],
        created=facts["created"],
        warnings=tuple(facts["warnings"]),
    )


_Table = TypeVar("_Table", Yardstick, Traces)


def _pack_all(table: Yardstick | Traces) -> dict[str, Any]:
    """Return the arrays of a table as text: type, shape, bytes in base64."""
    return {field.name: _pack(getattr(table, field.name)) for field in fields(table)}


def _unpack_all(kind: type[_Table], facts: dict[str, Any]) -> _Table:
    values: dict[str, Any] = {field.name: _unpack(facts[field.name]) for field in fields(kind)}
    return kind(**values)


def _pack(values: NDArray[Any] | None) -> dict[str, Any] | None:
    if values is None:
        return None
    little = np.ascontiguousarray(values.astype(values.dtype.newbyteorder("<")))
    return {
        "dtype": values.dtype.name,
        "shape": list(values.shape),
        "base64": base64.b64encode(little.tobytes()).decode("ascii"),
    }


def _unpack(facts: dict[str, Any] | None) -> NDArray[Any] | None:
    if facts is None:
        return None
    if facts["dtype"] not in _DTYPES:
        raise ValueError(f"type {facts['dtype']}")
    little = np.frombuffer(base64.b64decode(facts["base64"], validate=True), np.dtype(facts["dtype"]).newbyteorder("<"))
    return little.astype(facts["dtype"]).reshape(facts["shape"])
