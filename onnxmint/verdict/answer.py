"""From numbers to an answer about the set of questioned images, in words that say what they rest on."""

from collections.abc import Sequence
from dataclasses import replace

from onnxmint.results.audit import Verdict, VerdictKind
from onnxmint.results.facts import Control
from onnxmint.stats.estimates import Estimate
from onnxmint.stats.heldout import HeldOut
from onnxmint.stats.share import detectable_share, power_cost, share_of_members
from onnxmint.stats.strength import strength_for
from onnxmint.verdict.findings import Findings, Question
from onnxmint.verdict.opinions import Compared, SecondScores, second_opinions, weakest
from onnxmint.verdict.sentences import (
    ASSUMPTION,
    LEARNED_REFERENCE,
    NO_REFERENCE,
    NO_REFERENCE_ALONE,
    NOTHING_READ,
    SHARE_ASSUMPTION,
    at_least,
    blind,
    confounded,
    doubt,
    easier,
    found_words,
    hidden,
    no_sign,
    nobody_known,
    preference,
    sign,
    untold,
)

CHANCE = 0.5
_FEWEST = 2  # units on a side, below which there is no variance


def reach_verdict(
    question: Question,
    known: HeldOut,
    *,
    auc: Estimate | None,
    controls: Sequence[Control],
    asked: SecondScores | None = None,
) -> Verdict:
    """Say whether members are among the questioned images.

    Args:
        question: scores of the set, and what is asked of it.
        known: held-out scores of known units of the same kind.
        auc: by which it is judged whether members can be told at all; best of images that the set test does not use.
            None where no member is known, so that the score was fixed in advance: then "no-evidence" is no answer.
        controls: what else could explain a difference.
        asked: what else was observed of the units, for second opinions.
    """
    if not len(question.scores):
        return Verdict(kind="inconclusive", text=NOTHING_READ)
    found = _findings(question, known, auc, asked or SecondScores())
    failed = stopped_by(controls)
    answer: tuple[VerdictKind, str]
    answer = ("inconclusive", confounded(failed, question)) if failed else _judge(found, question, controls)
    kind, text = answer
    return Verdict(
        kind=kind,
        text=text
        if failed
        else " ".join([*_implausible(controls), text, *_unexcluded(found, controls), *_assumed(found)]),
        p_value=found.test.p_value,
        share_of_members=found.share,
        at_least=at_least(found) if kind == "members-found" else 0,
        detectable_share=found.detectable,
        units="groups" if question.grouped else "images",
        stopped_by=tuple(control.name for control in failed),
        guarantee=question.guarantee,
        average_p_value=found.test.average,
        opinions=found.opinions.facts(question.alpha),
        preference=preference(found) if kind == "members-found" else None,
        cost=found.cost,
    )


def _findings(question: Question, known: HeldOut, auc: Estimate | None, asked: SecondScores) -> Findings:
    compared = Compared(score=question.scores, known=known, strata=question.strata, part=question.part)
    equals = compared.beside_equals(asked.level, asked.known_level)
    first, alpha, guarantee, share = equals or compared, question.alpha, question.guarantee, question.relevant_share
    test = first.test(alpha, guarantee)
    opinions = second_opinions(compared, test, asked, alpha=alpha, equal=equals is not None)
    found = Findings(
        test=test, equal=equals is not None, opinions=opinions, share=None, detectable=None, strength=None, auc=auc
    )
    if auc is None or len(known.member) < _FEWEST:
        return found
    strength, worth = strength_for(first.score, first.known, first.strata)
    level = alpha * question.part
    few = min(test.compared, len(known.nonmember)) < _FEWEST
    blind = few or strength.effect <= 0 or auc.low <= CHANCE  # a share of what cannot be told apart is no estimate
    return replace(
        found,
        share=None if blind else share_of_members(first.score, first.known, first.strata),
        detectable=detectable_share(strength, worth, alpha=level, guarantee=guarantee) if worth else None,
        strength=weakest(strength, opinions.strength),
        cost=None if blind or guarantee == "average" else power_cost(strength, worth, share, alpha=level),
    )


def stopped_by(controls: Sequence[Control]) -> list[Control]:
    """Return the failed controls that leave another explanation than membership."""
    return [control for control in controls if control.stops and control.passed is False]


def _implausible(controls: Sequence[Control]) -> list[str]:
    """Return what has to be mended before any answer means much."""
    failed = [control for control in controls if control.name == "plausibility" and control.passed is False]
    return [f"First of all: {control.text} The rest holds for the images as they were shown." for control in failed]


def _assumed(found: Findings) -> list[str]:
    """Return what the answer, and its numbers where there are any, rest on."""
    numbers = found.share is not None or found.detectable is not None
    return [ASSUMPTION, *([SHARE_ASSUMPTION] if numbers else [])]


def _unexcluded(found: Findings, controls: Sequence[Control]) -> list[str]:
    """Return what no control could exclude."""
    said, reference = [], next((control for control in controls if control.name == "reference"), None)
    if reference is None or reference.passed is None:
        said.append(NO_REFERENCE if found.auc is not None else NO_REFERENCE_ALONE)
    elif reference.difficulty is not None and reference.difficulty.learned:
        said.append(LEARNED_REFERENCE)
    missing = [one.name for one in controls if one.stops and one.name != "reference" and one.passed is None]
    if missing:
        said.append(f"Controls that were not run could exclude nothing: {', '.join(missing)}.")
    return said


def _judge(found: Findings, question: Question, controls: Sequence[Control]) -> tuple[VerdictKind, str]:
    """Return the answer where no control stops it."""
    if found.auc is not None and found.auc.low <= CHANCE:
        return "inconclusive", untold(question)
    if found.test.p_value <= question.alpha:
        why = doubt(found, question, controls)
        return ("inconclusive", why) if why else ("members-found", found_words(found, question))
    why = _unsettled(found, question, controls)
    if why:
        return "inconclusive", why
    if found.share is None or found.detectable is None or found.detectable > question.relevant_share:
        return "inconclusive", blind(found, question)
    return "no-evidence", no_sign(found, question, share=found.share, detectable=found.detectable)


def _unsettled(found: Findings, question: Question, controls: Sequence[Control]) -> str | None:
    """Return why members may be among the images although the test finds none; None where nothing speaks for it."""
    together = found.opinions.together
    if together is not None and together.average <= question.alpha:
        return easier(found, question, together)
    if found.share is not None and found.share.low > 0:
        return sign(found, question, found.share)
    return hidden(found, question, controls) or (nobody_known(found, question) if found.auc is None else None)
