"""All that the page has to know of an auditor, worked out here as far as no questioned image is needed."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np

from onnxmint import __version__
from onnxmint.controls.labels import Labelled
from onnxmint.controls.panel import PANEL
from onnxmint.kinds import module_kind
from onnxmint.mint.auditor import Auditor
from onnxmint.page.words import spoken
from onnxmint.preprocess.decoding import final_size
from onnxmint.results.audit import AUDIT, AuditResult, Histogram, IdentityFacts, QuestionedFacts, ScoreTable, Verdict
from onnxmint.results.facts import Control, StatisticsFacts, TargetFacts
from onnxmint.results.json import Facts, plain
from onnxmint.settings import AuditSettings
from onnxmint.stats import conformal, likelihood, set_test, share
from onnxmint.verdict.gating import gate_and_yardstick
from onnxmint.verdict.judging import rule_of
from onnxmint.verdict.scores import NOBODY, calibration_of
from onnxmint.verdict.yardstick import Traces
from onnxmint.workflows.questioning import class_names

SCHEMA = "onnxmint.page/1"
NOT_RUN = "Not run: a page cannot run it, onnxmint audit can."
PATIENCE = 60
"""Seconds from which the page offers a random sample instead."""
RULE = AuditSettings(controls=False)
"""How the page judges: the defaults, and no control that needs another model."""


def page_facts(auditor: Auditor, *, outputs: int, tensors: tuple[str, str | None], language: str) -> Facts:
    """Return what is embedded beside the graph.

    Args:
        auditor: that is embedded or picked.
        outputs: classes that the target answers with.
        tensors: names of the graph's inputs for pixels and labels; None where none are told.
        language: that the page begins with, where the browser's is none of ours.
    """
    final, full = final_size(auditor.preprocess) or (1, 1), auditor.yardstick
    return {
        "schema": SCHEMA,
        "language": language,
        "spec": plain(auditor.preprocess),
        "input": {
            "image": tensors[0],
            "label": tensors[1],
            "shape": [*final, 1 if auditor.preprocess.channels == "gray" else 3],
        },
        "outputs": auditor.columns,
        "classes": None if auditor.classes is None else plain(auditor.classes),
        "answers": outputs,
        "measure": _measure(auditor),
        "test_scores": {
            "member": _packed(full.test_scores(member=True)),
            "nonmember": _packed(full.test_scores(member=False)),
        },
        "agreement": _agreement(auditor),
        "known": _known(auditor.traces),
        "patience": PATIENCE,
        "takes_views": module_kind(auditor.method.name).views,
        "result": _result(auditor, outputs),
        "spoken": spoken(),
    }


def _measure(auditor: Auditor) -> Facts:
    """Return what questioned images are measured by, without what serves the gate only."""
    gate, yardstick = gate_and_yardstick(auditor.gate, auditor.yardstick)
    measured = None if auditor.performance is None else auditor.performance.auc
    auc = gate.auc if gate is not None else measured
    columns = ("score", "is_member", "fold", "group", "free", "level", "free_level")
    return {
        **{name: _packed(getattr(yardstick, name)) for name in columns},
        "digest": _packed(auditor.traces.digest[yardstick.number]),
        "auc": None if auc is None else plain(auc),
    }


def _known(traces: Traces) -> Facts:
    """Return what tells that a questioned image is a known one, and nothing of the known images' features."""
    columns = {name: getattr(traces, name) for name in ("digest", "is_member", "phash")}
    return {name: _packed(column) for name, column in (columns | {"thumb": traces.thumb.reshape(-1)}).items()}


def _packed(values: Any) -> object:
    """Return an array as its type and bytes, which are base64 in JSON."""
    if values is None:
        return None
    kind = np.uint8 if values.dtype == np.bool_ else values.dtype
    little = np.ascontiguousarray(values.astype(kind)).astype(np.dtype(kind).newbyteorder("<"))
    return msgspec.to_builtins({"dtype": np.dtype(kind).name, "data": little.tobytes()})


def _agreement(auditor: Auditor) -> Facts | None:
    """Return how often the target agrees with the labels of known images; None where none are told."""
    known = auditor.yardstick
    if not auditor.method.labels or known.right is None:
        return None
    found: Facts = {}
    for name, member in (("members", True), ("nonmembers", False)):
        side = known.take(known.is_member == member)
        right = np.zeros(0, np.int64) if side.right is None else side.right.astype(np.int64)
        labelled = Labelled(
            label=np.ones(len(right), np.int64),
            predicted=right,
            group=None if side.group is None else side.group.astype(np.int64),
            digest=side.number.astype(np.uint64),
        )
        found[name] = plain(labelled.agreement())
    return found


def controls_of(auditor: Auditor) -> tuple[Control, ...]:
    """Return the controls as far as they are known before an image is questioned, marked as the panel marks them."""
    had = {control.name: control for control in auditor.controls}
    found = []
    for row in PANEL:
        control = had.get(row.name)
        if control is None and row.of_question is not None:
            control = Control(name=row.name, passed=None, text=NOT_RUN)
        if control is not None:
            found.append(replace(control, stops=row.stops, hides=row.hides))
    return tuple(found)


def _result(auditor: Auditor, outputs: int) -> Mapping[str, object]:
    """Return report.json as far as it is known; what is questioned is put in by the page, key by key."""
    nothing = np.empty(0)
    unknown = QuestionedFacts(images=0, flagged=0, alpha=RULE.alpha, prior=None)
    result = AuditResult(
        version=__version__,
        created=auditor.created,
        target=_target(auditor),
        preprocess=auditor.preprocess,
        method=auditor.method,
        statistics=_statistics(auditor, alone=not auditor.yardstick.is_member.any()),
        evidence=auditor.evidence,
        identity=IdentityFacts(evidence=auditor.traces.identity(auditor.target_sha256), questioned=""),
        performance=auditor.performance,
        unmeasured=auditor.unmeasured,
        baselines=auditor.baselines,
        questioned=unknown,
        verdict=Verdict(kind="inconclusive", text=""),
        controls=controls_of(auditor),
        histogram=Histogram(
            edges=np.array([0.0, 1.0]), member=np.zeros(1, np.int64), nonmember=np.zeros(1, np.int64), questioned=None
        ),
        scores=ScoreTable(
            path=(), score=nothing, p_value=nothing, q_value=nothing, flagged=np.empty(0, np.bool_),
            likelihood_ratio=None, probability=None, label=None, predicted=np.empty(0, np.int64),
        ),
        calibration=calibration_of(auditor.yardstick),
        class_names=class_names(auditor.classes, outputs),
        warnings=auditor.warnings,
        rule=rule_of(RULE),
    )  # fmt: skip
    return AUDIT.facts(result)


def _target(auditor: Auditor) -> TargetFacts:
    """Return the target as far as an auditor remembers it; a page never sees its file."""
    return TargetFacts(
        path="",
        sha256=auditor.target_sha256,
        input_name="",
        input_shape=(),
        input_dtype="",
        layers=auditor.method.tensors,
        device="cpu",
        provider="onnxruntime-web (wasm)",
        device_reason="a page runs on the CPU",
    )


def _statistics(auditor: Auditor, *, alone: bool) -> StatisticsFacts:
    """Name the methods behind the numbers, as `verdict.scores.statistics` does."""
    crossed = ", each by the network of its fold (cross-conformal)" if auditor.method.folds > 1 else ""
    return StatisticsFacts(
        p_values=f"conformal, {RULE.p_values} at ties, against held-out non-members{crossed}",
        false_discovery=conformal.FALSE_DISCOVERY[RULE.false_discovery],
        set_test=set_test.METHOD[RULE.guarantee],
        at_least=set_test.AT_LEAST,
        share_of_members=NOBODY if alone else share.METHOD,
        likelihood_ratio=NOBODY if alone else likelihood.METHOD,
        prior="",
        units="images",
    )
