"""What is asked of a set of questioned images, and all numbers that the answer rests on."""

from dataclasses import dataclass

from onnxmint.stats.estimates import Estimate, FloatArray
from onnxmint.stats.gate import CHANCE
from onnxmint.stats.guarantee import DEFAULT, Guarantee
from onnxmint.stats.heldout import HeldOut, Numbers
from onnxmint.stats.opinions import SecondOpinion, compare_effects, second_opinion
from onnxmint.stats.sensitivity import Sensitivity, sensitivity
from onnxmint.stats.set_test import SetTest, compare_sets
from onnxmint.stats.share import Strength, detectable_share, share_of_members, strength_for

FEWEST = 2  # units on a side, below which there is no variance


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked of a set.

    Attributes:
        scores: (u,) or (u, K) scores of independent units: images, or means of groups.
        images: number of images.
        grouped: whether the units are groups.
        alpha: level of the test.
        relevant_share: share of members that the answer "no evidence" must have been able to notice.
        strata: (u,) stratum of each unit, where the known ones have strata too.
        like: what units of a stratum have in common, as in "of the same class"; empty without strata.
        guarantee: of which auditors the level holds.
    """

    scores: FloatArray
    images: int
    grouped: bool
    alpha: float
    relevant_share: float
    strata: Numbers | None = None
    like: str = ""
    guarantee: Guarantee = DEFAULT

    @property
    def words(self) -> str:
        """Return what was asked about."""
        images = "1 questioned image" if self.images == 1 else f"{self.images:,} questioned images"
        return f"{images} ({len(self.scores):,} when near copies and groups count once)" if self.grouped else images

    @property
    def units(self) -> str:
        """Return what is counted."""
        return "groups" if self.grouped else "images"


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """All numbers that a verdict rests on.

    Attributes:
        test: of the set.
        auc: by which it is said whether members can be told at all; None where no member is known.
        share: of members; None where it is no estimate.
        detectable: smallest share found with 95% probability; None when not even all would be.
        strength: of the known members, None where there are too few.
        sensitivity: of a finding, None where there is none.
        opinion: without labels, None where none was asked for.
    """

    test: SetTest
    auc: Estimate | None
    share: Estimate | None = None
    detectable: float | None = None
    strength: Strength | None = None
    sensitivity: Sensitivity | None = None
    opinion: SecondOpinion | None = None


def findings_of(
    question: Question, known: HeldOut, auc: Estimate | None, free: tuple[FloatArray, HeldOut] | None
) -> Findings:
    """Return all numbers that a verdict rests on.

    Args:
        question: scores of the set, and what is asked of it.
        known: held-out scores of known units of the same kind.
        auc: by which it is said whether members can be told at all; None where no member is known.
        free: the scores of the set without labels, and what they are measured by; None where labels are not told, or
            are vouched for.
    """
    test = compare_sets(
        question.scores, known, alpha=question.alpha, strata=question.strata, guarantee=question.guarantee
    )
    found = test.p_value <= question.alpha
    spared = sensitivity(test.effect, test.needed) if found else None
    opinion = None if free is None else _opinion(question, known, test, *free)
    few = min(test.compared, len(known.member), len(known.nonmember)) < FEWEST
    if auc is None or few:
        return Findings(test=test, auc=auc, sensitivity=spared, opinion=opinion)
    strength, worth = strength_for(question.scores, known, question.strata)
    blind = strength.effect <= 0 or auc.low <= CHANCE  # a share of what cannot be told apart is no estimate
    return Findings(
        test=test,
        auc=auc,
        share=None if blind else share_of_members(question.scores, known, question.strata),
        detectable=detectable_share(strength, worth, alpha=question.alpha, guarantee=question.guarantee),
        strength=strength,
        sensitivity=spared,
        opinion=opinion,
    )


def _opinion(
    question: Question, known: HeldOut, labelled: SetTest, scores: FloatArray, known_free: HeldOut
) -> SecondOpinion:
    """Return what the label-free score says of the labelled one's answer."""
    strata = None if known_free.nonmember_stratum is None else question.strata
    free = compare_sets(scores, known_free, alpha=question.alpha, strata=strata, guarantee=question.guarantee)
    ratio = compare_effects((question.scores, known), (scores, known_free))
    return second_opinion(labelled, free, ratio, alpha=question.alpha)
