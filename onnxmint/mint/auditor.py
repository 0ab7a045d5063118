"""The auditor: one ONNX file that scores images of one target, with everything needed to trust and repeat it.

The graph takes raw uint8 pixels and gives `score`, `p_value` and the target's `answer`. Everything else (hash of
the target, layer, preprocessing, evidence, performance, calibration) is JSON in the file's metadata.
"""

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxmint.errors import ModelError
from onnxmint.results import (
    Baseline,
    EvidenceFacts,
    baseline_from_dict,
    baseline_to_dict,
    evidence_from_dict,
    evidence_to_dict,
    performance_from_dict,
    performance_to_dict,
)
from onnxmint.stats.estimates import Performance

METADATA_KEY = "onnxmint.auditor"
SCHEMA = "onnxmint.auditor/1"

Scores = NDArray[np.float32]


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
        calibration: (n,) sorted scores of the calibration non-members: p-values come from these.
        calibration_groups: (n,) group of each, None when images stand for themselves.
        test_members, test_nonmembers: scores of the test part, for drawing and for the power of a verdict.
        warnings: what a reader of any audit with this auditor has to know.
    """

    model: bytes
    target_sha256: str
    preprocess: dict[str, Any]
    method: dict[str, Any]
    evidence: EvidenceFacts
    performance: Performance
    baselines: tuple[Baseline, ...]
    calibration: Scores
    calibration_groups: NDArray[np.int32] | None
    test_members: Scores
    test_nonmembers: Scores
    version: str
    created: str
    warnings: tuple[str, ...] = ()

    def to_metadata(self) -> dict[str, str]:
        """Return the metadata that goes into the file (everything but the graph)."""
        groups = self.calibration_groups
        facts = self.to_dict() | {
            "calibration": {"scores": _pack(self.calibration), "groups": None if groups is None else _pack(groups)},
            "test": {"members": _pack(self.test_members), "nonmembers": _pack(self.test_nonmembers)},
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
        raise ModelError(f"{path} is not an ONNX file; give the auditor.onnx that onnxmint train wrote") from None
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
    groups = facts["calibration"]["groups"]
    return Auditor(
        model=model,
        target_sha256=facts["target"]["sha256"],
        preprocess=facts["preprocess"],
        method=facts["method"],
        evidence=evidence_from_dict(facts["evidence"]),
        performance=performance_from_dict(facts["performance"]),
        baselines=tuple(baseline_from_dict(row) for row in facts["baselines"]),
        calibration=_unpack(facts["calibration"]["scores"], np.float32),
        calibration_groups=None if groups is None else _unpack(groups, np.int32),
        test_members=_unpack(facts["test"]["members"], np.float32),
        test_nonmembers=_unpack(facts["test"]["nonmembers"], np.float32),
        version=facts["onnxmint"],
        created=facts["created"],
        warnings=tuple(facts["warnings"]),
    )


def _pack(values: NDArray[Any]) -> str:
    little = values.astype(values.dtype.newbyteorder("<"))
    return base64.b64encode(little.tobytes()).decode("ascii")


def _unpack(text: str, dtype: type) -> NDArray[Any]:
    little = np.frombuffer(base64.b64decode(text, validate=True), np.dtype(dtype).newbyteorder("<"))
    return little.astype(dtype)
