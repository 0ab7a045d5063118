"""What an evaluation says: every method on the same test part, one frozen tree of values."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxmint.results.audit import (
    Control,
    EvidenceFacts,
    TargetFacts,
    evidence_to_dict,
    performance_to_dict,
    target_to_dict,
)
from onnxmint.stats.compare import Difference
from onnxmint.stats.estimates import FloatArray, Performance

SCHEMA = "onnxmint.evaluation/2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Scores of the test part in common bins."""

    edges: FloatArray  # (k + 1,)
    member: NDArray[np.int64]  # (k,)
    nonmember: NDArray[np.int64]  # (k,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """One way to tell members from non-members, measured; or the reason why it could not be.

    Attributes:
        name: unique in the evaluation.
        kind: "signal", "reference" or "module".
        title: what a reader calls it.
        source: where it comes from.
        layer: what a module reads, None for other kinds and for modules that read the answer.
        depth: share of the target's operations spent up to that layer.
        fit_auc: AUC on images of the fit part that the method did not learn from; None when it learned from all.
        chosen: whether it is the best of its kind there: the best signal, the best layer of a module.
        performance: on the test part.
        difference: of AUC on the test part, against the best signal.
        counts: for drawing.
        skipped: why there is no performance.
    """

    name: str
    kind: str
    title: str
    source: str
    layer: str | None = None
    depth: float | None = None
    fit_auc: float | None = None
    chosen: bool = False
    performance: Performance | None = None
    difference: Difference | None = None
    counts: Counts | None = None
    skipped: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form; what does not apply is left out."""
        facts: dict[str, Any] = {"name": self.name, "kind": self.kind, "title": self.title, "source": self.source}
        optional = {"layer": self.layer, "depth": self.depth, "fit_auc": self.fit_auc, "skipped": self.skipped}
        facts |= {name: value for name, value in optional.items() if value is not None}
        facts["chosen"] = self.chosen
        if self.performance is not None:
            facts |= performance_to_dict(self.performance)
        if self.difference is not None:
            facts["against_best_signal"] = self.difference.to_dict()
        if self.counts is not None:
            counts = self.counts
            facts["histogram"] = {
                "edges": counts.edges.tolist(),
                "member": counts.member.tolist(),
                "nonmember": counts.nonmember.tolist(),
            }
        return facts


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Every method on the same images, and all that is needed to repeat it."""

    version: str
    created: str  # ISO 8601, UTC
    target: TargetFacts
    preprocess: dict[str, Any]
    settings: dict[str, Any]
    evidence: EvidenceFacts
    controls: tuple[Control, ...]  # those of the evidence that need no module
    methods: tuple[Method, ...]
    seconds: dict[str, float]  # stage -> wall time
    warnings: tuple[str, ...]

    def best_signal(self) -> Method:
        """Return the signal that was best on the fit part."""
        return next(method for method in self.methods if method.kind == "signal" and method.chosen)

    def to_dict(self) -> dict[str, Any]:
        """Return evaluation.json's content, JSON types only."""
        return {
            "schema": SCHEMA,
            "onnxmint": self.version,
            "created": self.created,
            "target": target_to_dict(self.target),
            "preprocess": self.preprocess,
            "settings": self.settings,
            "evidence": evidence_to_dict(self.evidence),
            "controls": {control.name: control.to_dict() for control in self.controls},
            "methods": [method.to_dict() for method in self.methods],
            "seconds": {name: round(value, 2) for name, value in self.seconds.items()},
            "warnings": list(self.warnings),
        }
