"""From measured methods to a verdict on the leak: one method, chosen before the test part, against the limits."""

from collections.abc import Sequence
from dataclasses import dataclass

from onnxmint.results.evaluation import PrivacyFacts
from onnxmint.results.facts import Control, EvidenceFacts
from onnxmint.results.leak import LeakKind, LeakVerdict, LimitFacts
from onnxmint.results.methods import Method
from onnxmint.stats.estimates import Estimate, Performance, Rate
from onnxmint.stats.limits import EPSILON, Decision, Limit, rounded_up, together

_CHANCE = 0.5
_HEADS: dict[Decision, str] = {
    "below": "Leak below the limit",
    "above": "Leak above the limit",
    "unsettled": "Cannot tell whether the leak is below the limit",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """The method that a verdict is about, and what was measured of it."""

    method: Method
    performance: Performance


def judged_method(methods: Sequence[Method]) -> Judged:
    """Return the method with the largest AUC on images of the fit part that it did not learn from.

    What the test part says of the methods plays no part, so that the intervals of the one that is taken hold.
    """
    able = [
        Judged(method=method, performance=method.performance)
        for method in methods
        if method.performance is not None and method.fit_auc is not None
    ]
    return max(able, key=lambda one: one.method.fit_auc or 0.0)


def judge_leak(
    methods: Sequence[Method],
    controls: Sequence[Control],
    limits: Sequence[Limit],
    evidence: EvidenceFacts,
    privacy: PrivacyFacts | None = None,
) -> LeakVerdict:
    """Say how large the leak is, and of every limit on which side of it.

    Args:
        methods: all that were measured; at least one has an AUC on the fit part.
        controls: of the evidence; where one that stops a verdict failed, no limit is settled.
        limits: that were given.
        evidence: the known images, by which it is said how many more would do.
        privacy: the bound on epsilon, where one of the limits is on it.
    """
    judged = judged_method(methods)
    auc = judged.performance.auc
    failed = tuple(control.name for control in controls if control.stops and control.passed is False)
    facts = tuple(
        _limit_of_epsilon(limit, privacy, failed)
        if privacy is not None and limit.measure == EPSILON
        else _limit(limit, judged, evidence, failed)
        for limit in limits
    )
    kind = _kind(auc, facts)
    return LeakVerdict(
        kind=kind,
        headline=_headline(kind, auc, judged.method.title),
        text=" ".join([_chosen(judged, methods), *_doubts(failed), *_larger(judged, methods), *_reach(kind)]),
        method=judged.method.name,
        title=judged.method.title,
        auc=auc,
        bound=auc.high,
        limits=facts,
        stopped_by=failed,
    )


def _kind(auc: Estimate, limits: Sequence[LimitFacts]) -> LeakKind:
    if limits:
        return together([limit.decision for limit in limits])
    return "leak" if auc.low > _CHANCE else "no-leak-seen"


def _headline(kind: LeakKind, auc: Estimate, title: str) -> str:
    """Return the number first: an interval that begins above chance is a leak, any other says how large one can be."""
    size = (
        f"Leak: AUC {auc.value:.3f} ({auc.low:.3f} to {auc.high:.3f}), from {title}"
        if auc.low > _CHANCE
        else f"No leak above AUC {auc.high:.3f} (95%), by {title}"
    )
    return size if kind not in _HEADS else f"{_HEADS[kind]}. {size}"


def _chosen(judged: Judged, methods: Sequence[Method]) -> str:
    tried = sum(method.performance is not None and method.fit_auc is not None for method in methods)
    found = judged.performance
    return (
        f"Judged by {judged.method.title}, chosen on the fit part as the best of {tried} methods and measured on "
        f"{found.members:,} members and {found.nonmembers:,} non-members of the test part."
    )


def _doubts(failed: Sequence[str]) -> list[str]:
    if not failed:
        return []
    words = " and ".join(failed)
    return [
        f"Members and non-members differ in more than having been trained on ({words} failed), so the number may "
        "measure that; mend the evidence first."
    ]


def _larger(judged: Judged, methods: Sequence[Method]) -> list[str]:
    """Name the method that had more on the test part than the judged one can have; it decides nothing."""
    measured = [(method.performance.auc, method) for method in methods if method.performance is not None]
    auc, method = max(measured, key=lambda row: row[0].value)
    if auc.value <= judged.performance.auc.high:
        return []
    return [
        f"On the test part {method.title} has more, AUC {auc.value:.3f} ({auc.low:.3f} to {auc.high:.3f}), but it was "
        "not the one chosen beforehand: give more images, so that the choice is surer."
    ]


def _reach(kind: LeakKind) -> list[str]:
    """Return what a small leak does not mean."""
    if kind not in ("below", "no-leak-seen"):
        return []
    return ["Another method, or one with more access, may find more."]


def _limit(limit: Limit, judged: Judged, evidence: EvidenceFacts, failed: Sequence[str]) -> LimitFacts:
    found = judged.performance
    measured = limit.of(found)
    decision: Decision = "unsettled" if failed else limit.decide(found)
    times = limit.times_needed(found) if decision == "unsettled" and not failed else None
    sides = (evidence.members, evidence.nonmembers)
    members, nonmembers = (None if times is None else rounded_up(times * side) for side in sides)
    return LimitFacts(
        measure=limit.measure,
        bound=limit.bound,
        decision=decision,
        value=measured.value,
        low=measured.low,
        high=measured.high,
        members=members,
        nonmembers=nonmembers,
        text=_sentence(limit, measured, decision, (members, nonmembers), failed),
    )


def _limit_of_epsilon(limit: Limit, privacy: PrivacyFacts, failed: Sequence[str]) -> LimitFacts:
    """Return what a lower bound says of a limit: an audit can refute an epsilon, and never prove one."""
    found = privacy.bound.epsilon
    above = found > limit.bound and not failed
    told = f"epsilon at least {found:.2f} ({privacy.bound.confidence:.0%} confidence); limit {limit.bound:g}"
    if above:
        text = f"Above the limit: {told}."
    elif failed:
        text = f"Cannot tell: {told}. A control failed: {', '.join(failed)}."
    else:
        text = (
            f"Cannot tell: {told}. Nothing above the limit was seen, and no audit can prove that epsilon is below one."
        )
    return LimitFacts(
        measure=limit.measure,
        bound=limit.bound,
        decision="above" if above else "unsettled",
        value=found,
        low=found,
        high=None,
        text=text,
    )


def _sentence(
    limit: Limit,
    measured: Estimate | Rate,
    decision: Decision,
    needed: tuple[int | None, int | None],
    failed: Sequence[str],
) -> str:
    name = _words(limit)
    if measured.low is None or measured.high is None:
        interval = "no interval yet"
    else:
        interval = f"95% interval {_number(limit, measured.low)} to {_number(limit, measured.high)}"
    told = f"{name} {_number(limit, measured.value)}, {interval}; limit {_number(limit, limit.bound)}"
    if decision != "unsettled":
        return f"{decision.capitalize()} the limit: {told}."
    if failed:
        return f"Cannot tell: {told}. A control failed: {', '.join(failed)}."
    members, nonmembers = needed
    if members is None or nonmembers is None:
        return f"Cannot tell: {told}. What was measured lies at the limit, so no number of images would settle it."
    if isinstance(measured, Rate) and measured.thin:
        return (
            f"Cannot tell: {told}. Too few false alarms are expected to say more: give at least {members:,} known "
            f"members and {nonmembers:,} known non-members."
        )
    return (
        f"Cannot tell: {told}. About {members:,} known members and {nonmembers:,} known non-members would settle it in "
        "95 of 100 evaluations, were the leak what was measured."
    )


def _words(limit: Limit) -> str:
    return "AUC" if limit.fpr is None else f"TPR at {100 * limit.fpr:g}% FPR"


def _number(limit: Limit, value: float) -> str:
    return f"{value:.3f}" if limit.fpr is None else f"{value:.1%}"
