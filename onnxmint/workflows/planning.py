"""Before an audit: how many known and how many questioned images does a wanted answer take?"""

from collections.abc import Sequence

from onnxmint.errors import UsageError
from onnxmint.mint.auditor import Auditor
from onnxmint.results.plan import Plan
from onnxmint.stats.needed import evidence_needed, expected, scaled
from onnxmint.stats.share import CONFIDENCE, detectable_share, questioned_needed
from onnxmint.stats.strength import Strength
from onnxmint.verdict.opinions import strength_of

QUESTIONED = (10, 30, 100, 300, 1000, 3000, 10_000)
EVIDENCE = (200, 500, 1000, 2000, 5000, 10_000, 20_000)
_CHANCE = 0.5
_LARGEST_ALPHA = 0.5


def plan(auditor: Auditor | None = None, *, auc: float | None = None, share: float = 0.5, alpha: float = 0.05) -> Plan:
    """Say how many images of evidence and how many questioned images an audit needs.

    Args:
        auditor: one that there is, or None.
        auc: the expected one among images that the target is equally sure of, where there is no auditor.
        share: of members that is to be found.
        alpha: level of the test of the set.

    Raises:
        UsageError: both or neither were given, or a number is out of range.
    """
    if (auditor is None) == (auc is None):
        raise UsageError("give either an auditor (from onnxmint train) or the --auc to expect")
    if not 0 < share <= 1 or not 0 < alpha <= _LARGEST_ALPHA:
        raise UsageError(f"--share must be above 0 and at most 1, --alpha at most 0.5; got {share} and {alpha}")
    if auditor is not None and auditor.performance is None:
        raise UsageError(
            "this auditor knows no members, so how far they stand out is unknown: give the --auc to expect, or an "
            "auditor that was trained with known members"
        )
    if auditor is not None:
        return plan_measured(strength_of(auditor.yardstick), auditor.evidence.members, share=share, alpha=alpha)
    if auc is None or not _CHANCE < auc < 1:
        raise UsageError(f"--auc must be between 0.5 and 1, got {auc}")
    return plan_expected(auc, share=share, alpha=alpha)


def plan_expected(auc: float, *, share: float, alpha: float, evidence: Sequence[int] = EVIDENCE) -> Plan:
    """Plan for an expected AUC, scores of members and non-members being normal with equal variance.

    Args:
        auc: between 1/2 and 1.
        share: of members that is to be found.
        alpha: level of the test.
        evidence: numbers of known members, and of non-members, to plan for.

    Raises:
        ValueError: the AUC is no better than chance.
    """
    if not _CHANCE < auc < 1:
        raise ValueError(f"the expected AUC must be between 0.5 and 1, got {auc}")
    strengths = [expected(auc, count, count) for count in evidence]
    return _plan(strengths, tuple(evidence), auc, share, alpha)


def plan_measured(strength: Strength, known: int, *, share: float, alpha: float) -> Plan:
    """Plan for an auditor that there is, and for it with more evidence, were it to stay as good.

    Args:
        strength: of its held-out known images.
        known: members that it was made from.
        share: of members that is to be found.
        alpha: level of the test.
    """
    more = [known, *(count for count in EVIDENCE if count > known)]
    strengths = [scaled(strength, count / known) for count in more]
    return _plan(strengths, tuple(more), strength.effect + _CHANCE, share, alpha)


def _plan(strengths: Sequence[Strength], evidence: tuple[int, ...], auc: float, share: float, alpha: float) -> Plan:
    return Plan(
        auc=auc,
        share=share,
        alpha=alpha,
        probability=CONFIDENCE,
        evidence=evidence,
        questioned=QUESTIONED,
        detectable_share=tuple(
            tuple(detectable_share(strength, count, alpha=alpha) for count in QUESTIONED) for strength in strengths
        ),
        questioned_needed=tuple(questioned_needed(strength, share, alpha=alpha) for strength in strengths),
        evidence_needed=evidence_needed(strengths[0], evidence[0], share, alpha),
    )
