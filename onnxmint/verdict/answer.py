"""From numbers to an answer about the set of questioned images."""

from collections.abc import Sequence

from onnxmint.results.audit import Verdict, VerdictKind
from onnxmint.results.facts import Control
from onnxmint.stats.estimates import FloatArray, Performance
from onnxmint.stats.gate import CHANCE, Gate
from onnxmint.stats.heldout import HeldOut
from onnxmint.verdict import words
from onnxmint.verdict.findings import Findings, Question, findings_of

__all__ = ["Question", "reach_verdict", "stopped_by"]


def reach_verdict(
    question: Question,
    known: HeldOut,
    *,
    performance: Performance | None,
    controls: Sequence[Control],
    gate: Gate | None = None,
    free: tuple[FloatArray, HeldOut] | None = None,
) -> Verdict:
    """Say whether members are among the questioned images.

    Args:
        question: scores of the set, and what is asked of it.
        known: held-out scores of known units of the same kind.
        performance: of this score on the test part; None where no members are known, so that the score was fixed in
            advance: then "no evidence" is no answer.
        controls: what else could explain a difference.
        gate: whether members can be told at all, measured on other non-members than `known`; without it the
            performance says so.
        free: the scores of the set without labels, and what they are measured by; None where labels are not told, or
            are vouched for.
    """
    if not len(question.scores):
        return Verdict(kind="inconclusive", text="No questioned image could be read, so nothing was tested.")
    auc = gate.auc if gate is not None else None if performance is None else performance.auc
    found = findings_of(question, known, auc, free)
    failed = stopped_by(controls)
    kind: VerdictKind = "inconclusive"
    text = words.confounded(failed, question)
    if not failed:
        kind, text = _judge(found, question)
        text = " ".join([*words.implausible(controls), text, *words.unexcluded(controls), *words.assumed(found)])
    return Verdict(
        kind=kind,
        text=text,
        p_value=found.test.p_value,
        average_p_value=found.test.average,
        guarantee=question.guarantee,
        share_of_members=found.share,
        at_least=found.test.at_least,
        detectable_share=found.detectable,
        sensitivity=found.sensitivity,
        opinion=found.opinion,
        units="groups" if question.grouped else "images",
        stopped_by=tuple(control.name for control in failed),
    )


def stopped_by(controls: Sequence[Control]) -> list[Control]:
    """Return the failed controls that leave another explanation than membership."""
    return [control for control in controls if control.stops and control.passed is False]


def _judge(found: Findings, question: Question) -> tuple[VerdictKind, str]:
    opinion = "agree" if found.opinion is None else found.opinion.kind
    if found.auc is not None and found.auc.low <= CHANCE:
        return "inconclusive", words.cannot_tell(found.auc, question)
    if opinion in ("only-labelled", "labels-raise"):
        return "inconclusive", words.labels_decide(found, question)
    if found.test.p_value <= question.alpha:
        return "members-found", words.members(found, question)
    if opinion in ("only-free", "labels-lower"):
        return "inconclusive", words.labels_hide(found, question)
    return _not_found(found, question)


def _not_found(found: Findings, question: Question) -> tuple[VerdictKind, str]:
    if found.auc is None:
        return "inconclusive", words.nobody_known(found, question)
    if found.share is not None and found.share.low > 0:
        return "inconclusive", words.sign(found, question)
    if found.share is None or found.detectable is None or found.detectable > question.relevant_share:
        return "inconclusive", words.blind(found, question)
    return "no-evidence", words.nothing(found, found.share, found.detectable, question)
