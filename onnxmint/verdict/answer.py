"""From numbers to an answer about the set of questioned images, in words that say what they rest on."""

from collections.abc import Sequence
from dataclasses import dataclass

from onnxmint.results.audit import Verdict, VerdictKind
from onnxmint.results.facts import Control
from onnxmint.stats.estimates import Estimate, FloatArray, Performance
from onnxmint.stats.heldout import HeldOut
from onnxmint.stats.set_test import SetTest, compare_sets
from onnxmint.stats.share import CONFIDENCE, Strength, detectable_share, questioned_needed, share_of_members

CHANCE = 0.5
ASSUMPTION = (
    "All of this holds if the questioned images, had they not been trained on, would be images like the known "
    "non-members (same source, same preparation); no test after the fact can prove that (arXiv 2409.19798)."
)
SHARE_ASSUMPTION = (
    "The share, and what would have been found, hold if members among them were trained on as the known members were."
)
NO_REFERENCE = (
    "No model that was not trained on these images was compared, so a mere difference in difficulty between members "
    "and non-members was not excluded."
)
LEARNED_REFERENCE = (
    "Only small classifiers learned from the known images looked for a difference in difficulty between members and "
    "non-members, and they see large ones only; --reference models would see more."
)
_FEWEST = 2  # units on a side, below which there is no variance


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked of a set.

    Attributes:
        scores: (u,) or (u, K) scores of independent units: images, or means of groups.
        images: number of images.
        grouped: whether the units are groups.
        alpha: level of the test.
        relevant_share: share of members that the answer "no evidence" must have been able to notice.
    """

    scores: FloatArray
    images: int
    grouped: bool
    alpha: float
    relevant_share: float

    @property
    def words(self) -> str:
        """Return what was asked about."""
        images = "1 questioned image" if self.images == 1 else f"{self.images:,} questioned images"
        return f"{images} ({len(self.scores):,} when near copies and groups count once)" if self.grouped else images


@dataclass(frozen=True, slots=True, kw_only=True)
class _Findings:
    """All numbers that a verdict rests on."""

    test: SetTest
    share: Estimate | None
    detectable: float | None
    strength: Strength
    auc: Estimate


def reach_verdict(
    question: Question, known: HeldOut, *, performance: Performance, controls: Sequence[Control]
) -> Verdict:
    """Say whether members are among the questioned images.

    Args:
        question: scores of the set, and what is asked of it.
        known: held-out scores of known units of the same kind.
        performance: of this score on the test part.
        controls: what else could explain a difference.
    """
    if not len(question.scores):
        return Verdict(kind="inconclusive", text="No questioned image could be read, so nothing was tested.")
    strength, auc = Strength.measured(known), performance.auc
    few = min(len(question.scores), len(known.member), len(known.nonmember)) < _FEWEST
    blind = few or strength.effect <= 0 or auc.low <= CHANCE  # a share of what cannot be told apart is no estimate
    found = _Findings(
        test=compare_sets(question.scores, known, alpha=question.alpha),
        share=None if blind else share_of_members(question.scores, known),
        detectable=detectable_share(strength, len(question.scores), alpha=question.alpha),
        strength=strength,
        auc=auc,
    )
    failed = stopped_by(controls)
    answer: tuple[VerdictKind, str]
    answer = ("inconclusive", _confounded(failed, question)) if failed else _judge(found, question)
    kind, text = answer
    return Verdict(
        kind=kind,
        text=text if failed else " ".join([*_implausible(controls), text, *_unexcluded(controls), *_assumed(found)]),
        p_value=found.test.p_value,
        share_of_members=found.share,
        at_least=found.test.at_least,
        detectable_share=found.detectable,
        units="groups" if question.grouped else "images",
        stopped_by=tuple(control.name for control in failed),
    )


def stopped_by(controls: Sequence[Control]) -> list[Control]:
    """Return the failed controls that leave another explanation than membership."""
    return [control for control in controls if control.stops and control.passed is False]


def _implausible(controls: Sequence[Control]) -> list[str]:
    """Return what has to be mended before any answer means much."""
    failed = [control for control in controls if control.name == "plausibility" and control.passed is False]
    return [f"First of all: {control.text} The rest holds for the images as they were shown." for control in failed]


def _assumed(found: _Findings) -> list[str]:
    """Return what the answer, and its numbers where there are any, rest on."""
    numbers = found.share is not None or found.detectable is not None
    return [ASSUMPTION, *([SHARE_ASSUMPTION] if numbers else [])]


def _unexcluded(controls: Sequence[Control]) -> list[str]:
    """Return what no control could exclude."""
    said, reference = [], next((control for control in controls if control.name == "reference"), None)
    if reference is None or reference.passed is None:
        said.append(NO_REFERENCE)
    elif reference.difficulty is not None and reference.difficulty.learned:
        said.append(LEARNED_REFERENCE)
    missing = [one.name for one in controls if one.stops and one.name != "reference" and one.passed is None]
    if missing:
        said.append(f"Controls that were not run could exclude nothing: {', '.join(missing)}.")
    return said


def _judge(found: _Findings, question: Question) -> tuple[VerdictKind, str]:
    if found.auc.low <= CHANCE:
        return "inconclusive", (
            f"On images it had not seen, this audit could not tell members of the training set from non-members "
            f"({_measured(found.auc)}; 0.5 is chance), so it can say nothing about the {question.words}. More "
            "evidence, another layer or module may help; or this model gives its training images away too little."
        )
    if found.test.p_value <= question.alpha:
        return "members-found", _found(found, question)
    if found.share is not None and found.share.low > 0:
        return "inconclusive", (
            f"There is a sign that some of the {question.words} were in the model's training set "
            f"({_tested(found.test)}; {_share(found.share)}), but not at the level of {question.alpha:g} that was "
            "asked for. More questioned images or more evidence would settle it."
        )
    if found.share is None or found.detectable is None or found.detectable > question.relevant_share:
        return "inconclusive", _blind(found, question)
    return "no-evidence", (
        f"There is no sign that any of the {question.words} was in the model's training set: as a set they do not "
        f"score significantly higher than images that were not trained on ({_tested(found.test)}). The share of "
        f"members among them is at most {_percent(found.share.high)} (95% interval); had {_percent(found.detectable)} "
        f"or more of them been trained on, this audit would have found it in {CONFIDENCE:.0%} of cases. A smaller "
        "share can still be among them unnoticed."
    )


def _found(found: _Findings, question: Question) -> str:
    units = "groups" if question.grouped else "images"
    what = "The" if len(question.scores) == 1 else "Some of the"
    share = "" if found.share is None else f" {_share(found.share)}.".replace(" the share", " The share", 1)
    least = (
        f" With {1 - question.alpha:.0%} confidence at least {found.test.at_least:,} of the {units} were."
        if found.test.at_least
        else ""
    )
    return (
        f"{what} {question.words} {'was' if question.images == 1 else 'were'} in the model's training set: as a set "
        f"they score higher than images that were not trained on ({_tested(found.test)}). Were none of them "
        f"trained on, a set would be called so in at most {question.alpha:.0%} of audits.{share}{least} Which ones is "
        f"another question: single images can be told apart only as well as {_measured(found.auc)}."
    )


def _share(share: Estimate) -> str:
    return (
        f"the share of members is estimated at {_percent(share.value)}, 95% interval {_percent(share.low)} to "
        f"{_percent(share.high)}"
    )


def _confounded(failed: Sequence[Control], question: Question) -> str:
    reasons = " ".join(control.text for control in failed)
    return (
        f"Scores of the {question.words} cannot be read as membership, because something else can explain them too. "
        f"{reasons} Known non-members of the same origin, difficulty and preparation as the members and the questioned "
        "images would settle it."
    )


def _blind(found: _Findings, question: Question) -> str:
    """Say that the audit could not have seen what matters, and what would let it."""
    seen = (
        "even if all of them had been trained on, that would have been found in fewer than 95% of cases"
        if found.detectable is None
        else f"only a share of {_percent(found.detectable)} or more would have been found in 95% of cases"
    )
    needed = questioned_needed(found.strength, question.relevant_share, alpha=question.alpha)
    units = "groups" if question.grouped else "images"
    mend = (
        f"With about {needed:,} questioned {units} a share of {_percent(question.relevant_share)} would be found in "
        f"{CONFIDENCE:.0%} of cases."
        if needed
        else "No number of questioned images would do with this evidence: more known members and non-members are "
        "needed (onnxmint plan says how many)."
    )
    do = "does" if question.images == 1 else "do"
    return (
        f"The {question.words} {do} not score significantly higher than images that were not trained on "
        f"({_tested(found.test)}), but {seen} ({_measured(found.auc)}). {mend}"
    )


def _measured(auc: Estimate) -> str:
    return f"AUC {auc.value:.3f}, 95% interval {auc.low:.3f} to {auc.high:.3f}"


def _tested(test: SetTest) -> str:
    return f"one-sided Mann-Whitney test against held-out non-members, p {_p(test.p_value)}"


def _p(value: float) -> str:
    floor = 1e-4
    return "< 0.0001" if value < floor else f"= {value:.4f}"


def _percent(share: float) -> str:
    tenth = 0.1
    return f"{share:.1%}" if 0 < share < tenth else f"{share:.0%}"
