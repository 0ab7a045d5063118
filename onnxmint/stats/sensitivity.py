"""How strong a hidden selection would have to be for a finding to be none."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensitivity:
    """What it would take to explain a finding without membership.

    Attributes:
        effect: lower confidence limit of the chance that a questioned image scores above a non-member.
        weight: G*, by which hidden selection has to weigh images up or down.
        preference: how many times as likely as hard ones images that the model finds easy would have to be chosen:
            from weights of 1 / G* to weights of G*, so its square.
    """

    effect: float
    weight: float
    preference: float


def sensitivity(effect: float, needed: float) -> Sensitivity | None:
    """Return how strong a hidden selection a finding stands up to, None where there is no finding.

    If whoever chose the questioned images weighed non-members by factors between 1 / G and G, for whatever reason, then
    the chance that one of them scores above a known non-member is at most G / (1 + G): the supremum over weights is
    reached by G above and 1 / G below the share G / (1 + G) of placements. So a finding whose lower confidence limit is
    e needs at least G* = e / (1 - e). For the test as a whole this is Rosenbaum's bound (1987; for conformal inference
    Jin, Ren and Candes 2023, arXiv 2111.12161), with the variance of no selection, which a selection of that kind makes
    smaller.

    Args:
        effect: measured chance that a questioned image scores above a non-member (of its stratum).
        needed: the effect from which on the test finds members, 1/2 and the reach of its confidence limit.
    """
    limit = 0.5 + effect - needed
    if not 0.5 <= limit < 1:  # noqa: PLR2004 - no effect, and a certain one
        return None
    weight = limit / (1 - limit)
    return Sensitivity(effect=limit, weight=weight, preference=weight**2)
