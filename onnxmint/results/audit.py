"""What an audit says: one frozen tree of values, of which terminal, JSON, Parquet and HTML are renderings."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxmint.stats.estimates import Estimate, FloatArray, Performance

SCHEMA = "onnxmint.audit/2"


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetFacts:
    """The model under audit and how it was run."""

    path: str
    sha256: str
    input_name: str
    input_shape: tuple[int | str, ...]  # a symbolic dimension is its name
    input_dtype: str
    layers: tuple[str, ...]
    device: str  # "cpu" or "cuda": what really ran
    provider: str  # onnxruntime's name for it
    device_reason: str  # why this device was taken


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """An image that could not be used."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceFacts:
    """Known images that the audit rests on, and how they were divided (images, members and non-members together)."""

    members: int
    nonmembers: int
    fit: int
    calibrate: int
    test: int
    groups: int | None  # distinct groups kept whole, None when every image stood for itself
    folds: int | None = None  # cross-fitted in so many folds: every image was fitted on, and tested by the others
    accuracy_members: float | None  # accuracy of the target on them, None without labels
    accuracy_nonmembers: float | None
    confidence_members: float | None = None  # mean largest probability of the target on them
    confidence_nonmembers: float | None = None
    skipped: tuple[Skipped, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """A simple score measured on the same test part; `performance` is None with the reason in `skipped`."""

    name: str
    description: str
    performance: Performance | None
    skipped: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreTable:
    """Per-image results of the questioned images, in the order of their source."""

    path: tuple[str, ...]
    score: FloatArray  # (n,) higher means more like a member
    p_value: FloatArray  # (n,) conformal, small means unlike the non-members; of its group where groups are known
    q_value: FloatArray  # (n,) adjusted for the number of units
    flagged: NDArray[np.bool_]  # (n,) q_value <= alpha
    likelihood_ratio: FloatArray  # (n,) how much likelier the score is for a member than for a non-member
    probability: FloatArray  # (n,) of membership, at the prior of the audit
    label: NDArray[np.int64] | None  # (n,) None without labels
    predicted: NDArray[np.int64]  # (n,) the target's own top class


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The answer for the set of questioned images."""

    kind: str  # "members-found" | "no-evidence" | "inconclusive"
    text: str
    p_value: float | None = None  # one-sided Mann-Whitney; None when nothing was tested
    share_of_members: Estimate | None = None  # with its 95% interval
    at_least: int | None = None  # so many units are members, with confidence 1 - alpha
    detectable_share: float | None = None  # smallest share found with 95% probability; None when not even all would be
    units: str = "images"  # what is counted: "images" or "groups"
    stopped_by: tuple[str, ...] = ()  # failed controls, for which the numbers must not be read as membership

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        share = self.share_of_members
        return {
            "kind": self.kind,
            "text": self.text,
            "p_value": self.p_value,
            "share_of_members": None if share is None else share.to_dict(),
            "at_least": self.at_least,
            "detectable_share": self.detectable_share,
            "units": self.units,
            "stopped_by": list(self.stopped_by),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """A test for another explanation than membership.

    Attributes:
        name: "reference", "placebo", "files", "pixels", "duplicates", "exchangeability" or "plausibility".
        passed: None when it was not run; the text says why.
        text: what was found, in one or two sentences.
        auc: how well it tells the two sides apart without membership, with its 98% interval; None where it does not.
        facts: further numbers, JSON types only.
    """

    name: str
    passed: bool | None
    text: str
    auc: Estimate | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        auc = {} if self.auc is None else {"auc": self.auc.to_dict()}
        return {"passed": self.passed, "text": self.text, **auc, **self.facts}


def control_from_dict(name: str, facts: dict[str, Any]) -> Control:
    """Read `Control.to_dict` back."""
    rest = {key: value for key, value in facts.items() if key not in {"passed", "text", "auc"}}
    auc = Estimate(**facts["auc"]) if "auc" in facts else None
    return Control(name=name, passed=facts["passed"], text=facts["text"], auc=auc, facts=rest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """Counts of scores in common bins."""

    edges: FloatArray  # (k + 1,)
    member: NDArray[np.int64]  # (k,) test part
    nonmember: NDArray[np.int64]  # (k,) test part
    questioned: NDArray[np.int64]  # (k,)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditResult:
    """Everything an audit found, and all that is needed to repeat it."""

    version: str
    created: str  # ISO 8601, UTC
    target: TargetFacts
    preprocess: dict[str, Any]
    method: dict[str, Any]  # name, layer, seed, ...
    evidence: EvidenceFacts
    performance: Performance
    baselines: tuple[Baseline, ...]
    scores: ScoreTable
    alpha: float
    skipped: tuple[Skipped, ...]
    prior: float  # probability of membership before an image's score is seen
    controls: tuple[Control, ...]
    verdict: Verdict
    histogram: Histogram
    warnings: tuple[str, ...] = field(default=())

    def to_dict(self) -> dict[str, Any]:
        """Return report.json's content (schema `onnxmint.audit/1`), JSON types only."""
        return {
            "schema": SCHEMA,
            "onnxmint": self.version,
            "created": self.created,
            "target": target_to_dict(self.target),
            "preprocess": self.preprocess,
            "method": self.method,
            "evidence": evidence_to_dict(self.evidence),
            "performance": performance_to_dict(self.performance),
            "baselines": [baseline_to_dict(row) for row in self.baselines],
            "questioned": {
                "images": len(self.scores.path),
                "flagged": int(self.scores.flagged.sum()),
                "alpha": self.alpha,
                "prior": self.prior,
                "skipped": [skipped_to_dict(row) for row in self.skipped],
            },
            "verdict": self.verdict.to_dict(),
            "controls": {control.name: control.to_dict() for control in self.controls},
            "histogram": {
                "edges": self.histogram.edges.tolist(),
                "member": self.histogram.member.tolist(),
                "nonmember": self.histogram.nonmember.tolist(),
                "questioned": self.histogram.questioned.tolist(),
            },
            "warnings": list(self.warnings),
        }


def target_to_dict(target: TargetFacts) -> dict[str, Any]:
    """Return the JSON form of the model under audit."""
    return {
        "path": target.path,
        "sha256": target.sha256,
        "input": {"name": target.input_name, "shape": list(target.input_shape), "dtype": target.input_dtype},
        "layers": list(target.layers),
        "device": target.device,
        "provider": target.provider,
        "device_reason": target.device_reason,
    }


def evidence_to_dict(found: EvidenceFacts) -> dict[str, Any]:
    """Return the JSON form of what the audit rests on."""
    return {
        "members": found.members,
        "nonmembers": found.nonmembers,
        "split": {"fit": found.fit, "calibrate": found.calibrate, "test": found.test},
        "groups": found.groups,
        "folds": found.folds,
        "target_accuracy": {"members": found.accuracy_members, "nonmembers": found.accuracy_nonmembers},
        "target_confidence": {"members": found.confidence_members, "nonmembers": found.confidence_nonmembers},
        "skipped": [skipped_to_dict(row) for row in found.skipped],
    }


def evidence_from_dict(facts: dict[str, Any]) -> EvidenceFacts:
    """Read `evidence_to_dict` back."""
    return EvidenceFacts(
        members=facts["members"],
        nonmembers=facts["nonmembers"],
        **facts["split"],
        groups=facts["groups"],
        folds=facts["folds"],
        accuracy_members=facts["target_accuracy"]["members"],
        accuracy_nonmembers=facts["target_accuracy"]["nonmembers"],
        confidence_members=facts["target_confidence"]["members"],
        confidence_nonmembers=facts["target_confidence"]["nonmembers"],
        skipped=tuple(Skipped(**row) for row in facts["skipped"]),
    )


def skipped_to_dict(row: Skipped) -> dict[str, str]:
    """Return the JSON form of an image that was left out."""
    return {"path": row.path, "reason": row.reason}


def performance_to_dict(found: Performance) -> dict[str, Any]:
    """Return the JSON form of a score's performance on the test part."""
    return {
        "auc": found.auc.to_dict(),
        "balanced_accuracy": found.balanced_accuracy.to_dict(),
        "precision": found.precision.to_dict(),
        "tpr_at_fpr": {fpr: rate.to_dict() for fpr, rate in found.tpr_at_fpr.items()},
        "threshold": found.threshold,
        "test": {"members": found.members, "nonmembers": found.nonmembers},
        "roc": {"fpr": found.roc_fpr.tolist(), "tpr": found.roc_tpr.tolist()},
    }


def performance_from_dict(facts: dict[str, Any]) -> Performance:
    """Read `performance_to_dict` back."""
    return Performance(
        auc=Estimate(**facts["auc"]),
        balanced_accuracy=Estimate(**facts["balanced_accuracy"]),
        precision=Estimate(**facts["precision"]),
        tpr_at_fpr={fpr: Estimate(**rate) for fpr, rate in facts["tpr_at_fpr"].items()},
        threshold=facts["threshold"],
        roc_fpr=np.array(facts["roc"]["fpr"], np.float64),
        roc_tpr=np.array(facts["roc"]["tpr"], np.float64),
        **facts["test"],
    )


def baseline_to_dict(row: Baseline) -> dict[str, Any]:
    """Return the JSON form of a baseline: its performance, or why it has none."""
    facts: dict[str, Any] = {"name": row.name, "description": row.description}
    if row.performance is None:
        return facts | {"skipped": row.skipped}
    return facts | performance_to_dict(row.performance)


def baseline_from_dict(facts: dict[str, Any]) -> Baseline:
    """Read `baseline_to_dict` back."""
    return Baseline(
        name=facts["name"],
        description=facts["description"],
        performance=performance_from_dict(facts) if "auc" in facts else None,
        skipped=facts.get("skipped"),
    )
