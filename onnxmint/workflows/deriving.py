"""A step of a check: everything that a run says of the questioned images follows from the scores it kept."""

from dataclasses import fields, replace
from pathlib import Path

import numpy as np

from onnxmint import __version__
from onnxmint.errors import OnnxmintError
from onnxmint.mint.auditor import AuditorContent, load_content
from onnxmint.results.audit import AUDIT, AuditResult, LookFacts, QuestionedFacts
from onnxmint.results.basis import Basis
from onnxmint.results.redaction import RedactionFacts, RedactionKey
from onnxmint.results.score_file import read_scores
from onnxmint.results.verification import Step
from onnxmint.settings import AuditSettings
from onnxmint.verdict.gating import gate_and_yardstick
from onnxmint.verdict.judging import Judgement, Sighting, judge_set
from onnxmint.verdict.scores import Named, QuestionedScores
from onnxmint.verdict.units import units_again
from onnxmint.workflows.differing import Rendered, columns_apart, derived, differences, files_apart, unreadable
from onnxmint.workflows.veiling import told_numbers
from onnxmint.writing.regular import regular_bytes

_TAKEN = (
    "controls, groups of near copies and the scores themselves were taken as the run has them: scores are the matter "
    "of the step recomputation, the others of a new audit"
)


def derive(
    run: Path,
    rendered: Rendered | None = None,
    *,
    redaction: RedactionFacts | None = None,
    key: RedactionKey | None = None,
) -> Step:
    """Judge the kept scores again, by the auditor's known images, and compare with what the run says.

    Args:
        run: folder of an audit.
        rendered: gives what other files must hold then; None leaves them out.
        redaction: of a run that tells no names.
        key: of its names, where the checker has it.
    """
    if not (run / "report.json").exists() and (run / "evaluation.json").exists():
        return _not_done("evaluations are not derived again: make it again from the same images")
    if not (run / "auditor.onnx").exists():
        return _not_done("the run has no auditor.onnx, whose known images questioned ones are measured by")
    try:
        scores, basis = read_scores(regular_bytes(run / "scores.parquet"))
        text = regular_bytes(run / "report.json")
        result = AUDIT.read(text, "report.json", scores=scores, basis=basis)
        if result.rule is None or basis is None:
            return _not_done("the run does not hold what its verdict follows from (it was not written by an audit)")
        content = load_content(run / "auditor.onnx")
        told = result
        if redaction is not None and result.rule.per_class:
            if key is None:
                return _not_done("p-values go by class, and classes are redacted (--redaction-key)")
            told = _with_classes(result, key)
        expected = judged_again(told, basis, content)
    except (OSError, ValueError, OnnxmintError) as problem:
        return unreadable(problem)
    kept = replace(expected.scores, label=result.scores.label, predicted=result.scores.predicted)
    return _compared(run, result, replace(expected, scores=kept), rendered)


def _with_classes(result: AuditResult, key: RedactionKey) -> AuditResult:
    """Return an audit with the classes of its images.

    Raises:
        ValueError: one is none that the key gives.
    """
    scores = result.scores
    label = None if scores.label is None else told_numbers(key, scores.label)
    return replace(result, scores=replace(scores, label=label, predicted=told_numbers(key, scores.predicted)))


def judged_again(result: AuditResult, basis: Basis, content: AuditorContent) -> AuditResult:
    """Return the audit as it follows from its scores; what cannot be derived stays."""
    settings = AuditSettings(**{one.name: getattr(result.rule, one.name) for one in fields(result.rule)})  # type: ignore[arg-type]
    judged = judge_set(_sighting(result, basis, content), content.measure, settings)
    return replace(
        result,
        target=replace(result.target, sha256=content.target_sha256),
        preprocess=content.preprocess,
        method=content.method,
        evidence=replace(content.evidence, skipped=result.evidence.skipped),  # named without their folders
        identity=replace(result.identity, evidence=content.traces.identity(content.target_sha256)),
        performance=content.performance,
        unmeasured=content.unmeasured,
        baselines=content.baselines,
        questioned=_questioned(result, judged, settings),
        verdict=judged.verdict,
        statistics=judged.statistics,
        subjects=judged.subjects,
        histogram=judged.histogram,
        calibration=judged.calibration,
        scores=judged.scores,
    )


def _questioned(result: AuditResult, judged: Judgement, settings: AuditSettings) -> QuestionedFacts:
    return replace(
        result.questioned,
        images=len(judged.scores.path),
        flagged=int(judged.scores.flagged.sum()),
        alpha=settings.alpha,
        prior=judged.prior,
        looks=_looks(result, judged),
    )


def _looks(result: AuditResult, judged: Judgement) -> tuple[LookFacts, ...]:
    """Return the looks of an audit in lots; the last one follows, of those before it less was kept."""
    if not result.questioned.looks:
        return ()
    *first, last = result.questioned.looks
    return (*first, replace(last, images=len(judged.scores.path), p_value=judged.verdict.p_value))


def _sighting(result: AuditResult, basis: Basis, content: AuditorContent) -> Sighting:
    """Return what was observed of the questioned images, from what the run keeps of it.

    Raises:
        ValueError: it cannot have been observed so.
    """
    _, yardstick = gate_and_yardstick(content.gate, content.yardstick)
    if len(basis.sha256) and basis.networks.shape[1] != content.method.folds:
        raise ValueError(f"scores of {basis.networks.shape[1]} networks, the auditor has {content.method.folds}")
    known_digest = content.traces.digest[yardstick.number]
    units = units_again(basis.networks, basis.unit, basis.counted, yardstick, known_digest=known_digest)
    scored = QuestionedScores(
        row=np.arange(len(basis.sha256)),
        score=basis.networks,
        predicted=result.scores.predicted,
        skipped=(),
        free=basis.free,
        level=basis.level,
        free_level=basis.free_level,
    )
    nobody = (None,) * len(basis.sha256)
    return Sighting(
        scored=scored,
        units=units,
        named=Named(path=result.scores.path, label=result.scores.label),
        subjects=None if result.subjects is None else basis.subject or nobody,
        controls=result.controls,
        part=result.questioned.looks[-1].part if result.questioned.looks else 1.0,
    )


def _compared(run: Path, result: AuditResult, expected: AuditResult, rendered: Rendered | None) -> Step:
    """Return what is not as it follows."""
    words, written, follows = result.version == __version__, AUDIT.facts(result), AUDIT.facts(expected)
    found = [
        *differences(written, follows, words=words),
        *columns_apart(result.scores, expected.scores, "scores.parquet", result.scores.path),
        *(files_apart(result, run, rendered) if rendered is not None and words else ()),
    ]
    number = len(result.scores.path)
    said = f"verdict, share, p-values and flags follow from the scores of {number:,} images"
    return derived(found, exact=written == follows, words=words, follows=said, taken=_TAKEN)


def _not_done(why: str) -> Step:
    return Step(name="derivation", outcome="not done", text=f"cannot check: {why}")
