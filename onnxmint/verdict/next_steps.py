"""What would help where an audit is inconclusive or weak: ranked, with the numbers that `onnxmint plan` gives."""

from collections.abc import Sequence
from dataclasses import dataclass

from onnxmint.kinds import module_kind
from onnxmint.results.audit import Verdict
from onnxmint.results.facts import Control, EvidenceFacts, MethodFacts
from onnxmint.results.next_steps import NextStep
from onnxmint.settings import AuditSettings
from onnxmint.stats.estimates import Estimate
from onnxmint.stats.needed import USUAL_AUC, evidence_needed, expected, scaled, smallest_auc
from onnxmint.stats.share import questioned_needed
from onnxmint.stats.strength import Strength

CHANCE = 0.5
_MOST_VIEWS = 26
_FAR = 10  # times the images that are there, beyond which a number is the last thing to advise
_MORE = 2  # times the known images that are just enough, for which a number of questioned ones is told
LABELS = "Sort the known and the questioned images into one folder a class: labels usually help most."
REFERENCES = (
    "Give other classifiers of the same task that were not trained on these images, with --reference: they show what "
    "is difficulty and not membership, where now only large differences are seen."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where an audit stands: all that what would help depends on.

    Attributes:
        verdict: what it said.
        controls: what they found.
        evidence: the known images.
        method: what scored.
        strength: how well known members stand out; None where no members are known.
        auc: by which it is judged whether members can be told at all.
        questioned: number of questioned units.
        settings: level, relevant share, guarantee.
    """

    verdict: Verdict
    controls: Sequence[Control]
    evidence: EvidenceFacts
    method: MethodFacts
    strength: Strength | None
    auc: Estimate | None
    questioned: int
    settings: AuditSettings


def next_steps(found: Standing) -> tuple[NextStep, ...]:
    """Return what would help, most first; nothing where an audit could see what matters."""
    seen = found.verdict.detectable_share
    if found.verdict.kind != "inconclusive" and seen is not None and seen <= found.settings.relevant_share:
        return ()
    steps = [*_to_mend(found), *_labels(found)]
    doubted = any(not opinion.finds for opinion in found.verdict.opinions) and _significant(found)
    references = _references(found)
    steps += references if doubted else []
    numbers = _numbers(found)
    steps += [step for step in numbers if not _far(step)]
    steps += _views(found)
    steps += [] if doubted else references
    return (*steps, *(step for step in numbers if _far(step)))


def _far(step: NextStep) -> bool:
    """Say whether a step asks for so many times the images that are there that others come first."""
    return (step.needed or 0) > _FAR * max(step.there or 1, 1)


def _significant(found: Standing) -> bool:
    p_value = found.verdict.p_value
    return p_value is not None and p_value <= found.settings.alpha


def _to_mend(found: Standing) -> list[NextStep]:
    """Return what comes before any number: a failed control says that something else is measured."""
    steps = []
    if any(control.name == "plausibility" and control.passed is False for control in found.controls):
        steps.append(
            NextStep(
                kind="preprocessing",
                text="Find out how the model's images are prepared: onnxmint check ranks the known ways on labelled "
                "images, and whoever trained it knows.",
            )
        )
    if found.verdict.stopped_by:
        names = ", ".join(found.verdict.stopped_by)
        steps.append(
            NextStep(
                kind="controls",
                text=f"Bring known non-members of the same source, difficulty and preparation as the members and the "
                f"questioned images: as it is, something else than membership may explain the scores ({names}).",
            )
        )
    return steps


def _labels(found: Standing) -> list[NextStep]:
    return [] if found.method.labels or not found.method.views else [NextStep(kind="labels", text=LABELS)]


def _references(found: Standing) -> list[NextStep]:
    return [] if found.method.references else [NextStep(kind="references", text=REFERENCES)]


def _views(found: Standing) -> list[NextStep]:
    views = found.method.views
    drawn = found.method.augmentation is not None  # as many as there are
    if not module_kind(found.method.name).views or views >= _MOST_VIEWS or drawn:
        return []
    text = (
        f"Show the model {_MOST_VIEWS} views of each image instead of {views} (--views): slower, and a little better."
    )
    return [NextStep(kind="views", text=text)]


def _numbers(found: Standing) -> list[NextStep]:
    """Return how many known and how many questioned images it takes, the smaller step first."""
    if found.strength is None or found.auc is None:
        return []
    asked = _needed(found, found.strength) if found.auc.low > CHANCE else None
    if asked is None:
        return _too_few_known(found, found.strength, found.auc)
    if asked <= found.questioned:
        return []
    share = found.settings.relevant_share
    steps = [
        NextStep(
            kind="questioned",
            text=f"Ask about at least {asked:,} images instead of {found.questioned:,}: of them a share of {share:.0%} "
            "would be noticed in 95% of audits.",
            needed=asked,
            there=found.questioned,
        )
    ]
    there, fewer = found.evidence.members, _needed(found, scaled(found.strength, _MORE))
    if fewer is not None and fewer < asked:
        text = f"Bring {_MORE * there:,} known images of each kind instead of {there:,}: then {fewer:,} questioned do."
        steps.append(NextStep(kind="known", text=text, needed=_MORE * there, there=there))
    return sorted(steps, key=lambda step: (step.needed or 0) / max(step.there or 1, 1))


def _needed(found: Standing, strength: Strength) -> int | None:
    settings = found.settings
    return questioned_needed(strength, settings.relevant_share, alpha=settings.alpha, guarantee=settings.guarantee)


def _too_few_known(found: Standing, strength: Strength, auc: Estimate) -> list[NextStep]:
    """Return how many known images it takes where no number of questioned ones would do."""
    there, share = found.evidence.members, found.settings.relevant_share
    if strength.effect <= 0:
        text = (
            f"More known images alone would hardly help: members do not stand out at all (AUC {auc.value:.2f}, at most "
            f"{auc.high:.2f})."
        )
        return [NextStep(kind="known", text=text, there=there)]
    needed = evidence_needed(strength, there, share, found.settings.alpha)
    if needed is None or needed <= there:
        return []
    asked = _needed(found, scaled(strength, _MORE * needed / there))
    then = "" if asked is None else f" With twice as many, {asked:,} questioned ones would do."
    return [
        NextStep(
            kind="known",
            text=f"Bring at least {needed:,} known members and as many known non-members instead of {there:,}: with "
            f"fewer no number of questioned images shows a share of {share:.0%}.{then}",
            needed=needed,
            there=there,
        )
    ]


def foreseen(
    *, members: int, nonmembers: int, labelled: bool, questioned: int, references: bool, settings: AuditSettings
) -> tuple[NextStep, ...]:
    """Return what would help and can be known before a model is shown anything.

    Args:
        members: number of known ones.
        nonmembers: number of known ones.
        labelled: whether labels are told.
        questioned: number of images.
        references: whether some are given.
        settings: level, relevant share, guarantee.
    """
    steps = [] if labelled else [NextStep(kind="labels", text=LABELS)]
    if not members:
        return tuple(steps)
    seen, usual = smallest_auc(members, nonmembers), expected(USUAL_AUC, members, nonmembers)
    there = min(members, nonmembers)
    needed = evidence_needed(usual, there, settings.relevant_share, settings.alpha)
    if seen > USUAL_AUC and needed is not None and needed > there:
        steps.append(
            NextStep(
                kind="known",
                text=f"With {members:,} known members and {nonmembers:,} known non-members only a model that gives "
                f"away much (AUC {seen:.2f} or more) can be judged; for AUC {USUAL_AUC:.2f} bring {needed:,} of each.",
                needed=needed,
                there=there,
            )
        )
    rich = expected(USUAL_AUC, max(members, needed or 0) * _MORE, max(nonmembers, needed or 0) * _MORE)
    asked = questioned_needed(rich, 1.0, alpha=settings.alpha, guarantee=settings.guarantee)
    if asked is not None and asked > questioned:
        steps.append(
            NextStep(
                kind="questioned",
                text=f"Even if all of the {questioned:,} questioned images were used, it takes about {asked:,} to "
                f"notice that at AUC {USUAL_AUC:.2f}.",
                needed=asked,
                there=questioned,
            )
        )
    return tuple(steps) if references or not steps else (*steps, NextStep(kind="references", text=REFERENCES))
