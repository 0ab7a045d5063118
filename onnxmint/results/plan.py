"""What a plan says: how many known and how many questioned images a wanted answer takes."""

from dataclasses import dataclass

from onnxmint.results.json import Document
from onnxmint.stats.ranges import Share


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What audits of several sizes would find.

    Attributes:
        auc: of the auditor, measured or expected.
        share: smallest share of members that matters.
        alpha: level of the test of the set.
        probability: with which a share counts as found.
        evidence: numbers of known members, and of known non-members.
        questioned: numbers of questioned images.
        detectable_share: (evidence, questioned) smallest one that is found; None when not even all would be.
        questioned_needed: for each number of evidence the questioned images that it takes to find `share`.
        evidence_needed: known members (and as many non-members) without which no number of questioned images would do,
            or that show that the auditor tells members apart at all, whichever is more; None when no number does.
    """

    auc: Share
    share: Share
    alpha: Share
    probability: Share
    evidence: tuple[int, ...]
    questioned: tuple[int, ...]
    detectable_share: tuple[tuple[float | None, ...], ...]
    questioned_needed: tuple[int | None, ...]
    evidence_needed: int | None


PLAN = Document(kind=Plan, schema="onnxmint.plan/1", mend="run onnxmint plan again")
"""What `onnxmint plan --json` prints."""
