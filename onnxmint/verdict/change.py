"""From measured changes to a verdict: of one set of images, chosen beforehand, against the limits."""

from collections.abc import Sequence

from onnxmint.results.comparison import ChangeKind, ChangeVerdict, ComparedSet, SetName
from onnxmint.results.facts import Control
from onnxmint.results.leak import LimitFacts
from onnxmint.stats.change_limits import ChangeLimit
from onnxmint.stats.estimates import Measured
from onnxmint.stats.limits import Decision, rounded_up, together
from onnxmint.stats.paired import AUC, Change

_CHANCE = 0.5
_SETS: dict[SetName, str] = {"forget": "the images to be forgotten", "members": "the members", "non-members": ""}
_HEADS: dict[Decision, str] = {
    "below": "The change keeps to the limit",
    "above": "The change is above the limit",
    "unsettled": "Cannot tell whether the change keeps to the limit",
}
UNLEARNED = (
    "No number of this comparison shows that images are forgotten: only a model that was trained again without them "
    "settles it. Compare with one: onnxmint compare RETRAINED.onnx AFTER.onnx --forget ... --nonmembers ..., where no "
    "change should be seen"
)


def judge_change(
    sets: Sequence[ComparedSet], controls: Sequence[Control], limits: Sequence[ChangeLimit]
) -> ChangeVerdict:
    """Say whether the second model gives away more, and of every limit on which side of it.

    Args:
        sets: that were compared; the first is judged.
        controls: of the images; where one that stops a verdict failed, no limit is settled.
        limits: that were given, each on something that the first set has.
    """
    judged, failed = sets[0], tuple(one.name for one in controls if one.stops and one.passed is False)
    auc = _changed(judged, AUC)
    facts = tuple(_limit(limit, _changed(judged, limit.measure).difference, judged.images, failed) for limit in limits)
    kind = _kind(auc.difference, facts)
    return ChangeVerdict(
        kind=kind,
        headline=_headline(kind, auc, judged.name),
        text=" ".join([_numbers(auc, judged.name), *_doubts(failed), *_forgotten(auc, judged.name), *_reach(kind)]),
        set=judged.name,
        limits=facts,
        stopped_by=failed,
    )


def _changed(judged: ComparedSet, measure: str) -> Change:
    found = judged.change(measure)
    if found is None:
        raise ValueError(f"{measure} was not compared for {judged.name}")
    return found


def _kind(difference: Measured, limits: Sequence[LimitFacts]) -> ChangeKind:
    if limits:
        return together([limit.decision for limit in limits])
    if difference.low is not None and difference.low > 0:
        return "more"
    return "less" if difference.high is not None and difference.high < 0 else "no-change-seen"


def _headline(kind: ChangeKind, auc: Change, name: SetName) -> str:
    """Return the number first: an interval that holds no zero is a change, any other says how large one can be."""
    gap, of = auc.difference, "the forget set" if name == "forget" else "members"
    size = f"AUC of {of} {gap.value:+.3f} ({gap.low:+.3f} to {gap.high:+.3f})"
    if kind in _HEADS:
        return f"{_HEADS[kind]}. {size}"
    if kind == "no-change-seen":
        return f"No change seen: {size}"
    return f"The second model gives away {kind}: {size}"


def _numbers(auc: Change, name: SetName) -> str:
    words = _SETS[name]
    return (
        f"Against held-out images {words} have AUC {_of(auc.before)} in the first model and {_of(auc.after)} in the "
        "second; 0.5 is chance. The same images were shown to both, so the interval of the difference is that of pairs."
    )


def _of(one: Measured) -> str:
    return f"{one.value:.3f} ({one.low:.3f} to {one.high:.3f})"


def _doubts(failed: Sequence[str]) -> list[str]:
    if not failed:
        return []
    return [
        f"The sets differ in more than having been trained on ({' and '.join(failed)} failed), so the numbers may "
        "measure that; mend the images first."
    ]


def _forgotten(auc: Change, name: SetName) -> list[str]:
    """Return what is known of forgetting, and what is not."""
    if name != "forget":
        return []
    low, high = auc.after.low, auc.after.high
    if low is not None and low > _CHANCE:
        seen = "In the second model they still stand out: they are not forgotten."
    elif high is not None and high < _CHANCE:
        seen = (
            "In the second model they score below images that it has never seen: it treats them as no model without "
            "them would, which gives away which images were removed."
        )
    else:
        seen = "In the second model they do not stand out from images that it has never seen, by this test."
    return [seen, f"{UNLEARNED}."]


def _reach(kind: ChangeKind) -> list[str]:
    return (
        ["Another score, or an auditor trained for each model, may see a change."] if kind == "no-change-seen" else []
    )


def _limit(limit: ChangeLimit, found: Measured, images: int, failed: Sequence[str]) -> LimitFacts:
    decision: Decision = "unsettled" if failed else limit.decide(found)
    return LimitFacts(
        measure=limit.measure,
        bound=limit.bound,
        decision=decision,
        value=found.value,
        low=found.low,
        high=found.high,
        text=_sentence(limit, found, decision, images, failed),
    )


def _sentence(limit: ChangeLimit, found: Measured, decision: Decision, images: int, failed: Sequence[str]) -> str:
    interval = "no interval" if found.low is None else f"95% interval {found.low:+.3f} to {found.high:+.3f}"
    told = f"{limit.measure} changes by {found.value:+.3f}, {interval}; limit {limit.bound:+g}"
    if decision != "unsettled":
        return f"{'Keeps to' if decision == 'below' else 'Above'} the limit: {told}."
    if failed:
        return f"Cannot tell: {told}. A control failed: {', '.join(failed)}."
    if found.low is None or found.thin:
        why = found.no_interval or "fewer than 10 false alarms are expected"
        return f"Cannot tell: {told}. {why[0].upper()}{why[1:]}: give more held-out images."
    times = limit.times_needed(found)
    if times is None:
        return f"Cannot tell: {told}. What was measured lies at the limit, so no number of images would settle it."
    return (
        f"Cannot tell: {told}. About {rounded_up(times * images):,} images of this set, and as many times more "
        "held-out ones, would settle it in 95 of 100 comparisons, were the change what was measured."
    )
