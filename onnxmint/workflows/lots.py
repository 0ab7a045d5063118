"""A step of an audit: questioned images are scored in growing lots, in an order that content decides, until they tell.

After each lot the images so far are judged at the part of the level that this look may spend (`stats/sequential.py`).
Members are found where the whole rule of a verdict says so, controls aside. That there are none is said at the first
look that would have noticed the relevant share in 95 of 100 audits: a set that has it is found by then as often, and
so is acquitted in at most 5, whatever the later looks say.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from onnxmint.engine.observations import Engine
from onnxmint.evidence.questioned import Questioned
from onnxmint.images.entries import ImageSource
from onnxmint.results.audit import LookFacts, Verdict
from onnxmint.settings import AuditSettings
from onnxmint.stats.sequential import plan_looks
from onnxmint.verdict.scores import QuestionedScores
from onnxmint.workflows.opening import Ready
from onnxmint.workflows.questioning import score


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """Questioned images that were looked at and scored, before controls.

    Attributes:
        asked: what was looked at.
        scored: what was scored of it.
        looks: the looks that were taken, none where all were scored at once.
        tells: whether the last look gave an answer.
        rng: of the draws to come.
    """

    asked: Questioned
    scored: QuestionedScores
    looks: tuple[LookFacts, ...]
    tells: bool
    rng: np.random.Generator


Decide = Callable[[QuestionedScores, float], Verdict]
"""Gives the verdict on some scored images, controls aside, when a part of the level may be spent."""


def at_most(settings: AuditSettings, source: ImageSource) -> int | None:
    """Return how many different images may be scored; None scores all that there are, copies too."""
    return len(source.entries()) if settings.sequential and settings.sample is None else settings.sample


def score_in_lots(
    ready: Ready, asked: Questioned, settings: AuditSettings, engine: Engine, decide: Decide, share: float = 1.0
) -> tuple[QuestionedScores, tuple[LookFacts, ...], bool]:
    """Score lots until the images tell, or all are scored; all at once where that is not asked for.

    Args:
        ready: the auditor and its target.
        asked: the questioned images.
        settings: of the audit.
        engine: shows the images.
        decide: judges what was scored.
        share: of the level that all looks together may spend.

    Returns:
        The scores; the looks that were taken, the last of which decides, none where all were scored at once; and
        whether it gave an answer.
    """
    sample = asked.sample
    if sample is None or not settings.sequential or not sample.units:
        return score(ready, asked, settings, engine), (), True
    before, tells, taken = sample.row[:0], False, list[LookFacts]()
    parts = list[QuestionedScores]()
    looks = plan_looks(sample.units)
    for look in looks:
        rows = asked.drawn(look.size, settings.seed)
        lot = replace(sample, row=np.setdiff1d(rows, before), unreadable=() if taken else sample.unreadable)
        parts = [_joined([*parts, score(ready, replace(asked, sample=lot), settings, engine)])]
        before, verdict = rows, decide(parts[0], look.part * share)
        taken.append(LookFacts(images=len(parts[0].row), part=look.part * share, p_value=verdict.p_value))
        tells = _tells(verdict, parts[0], decide)
        if tells:
            break
    return parts[0], tuple(taken), tells


def _tells(verdict: Verdict, scored: QuestionedScores, decide: Decide) -> bool:
    """Return whether the answer is known; that there are none takes a set without a sign at the whole level too."""
    if verdict.kind == "no-evidence":
        return decide(scored, 1.0).kind == "no-evidence"
    return verdict.kind == "members-found"


def _joined(lots: Sequence[QuestionedScores]) -> QuestionedScores:
    """Return lots as one, in the order of their rows."""
    order = np.argsort(np.concatenate([lot.row for lot in lots]))
    columns = {
        one.name: np.concatenate([getattr(lot, one.name) for lot in lots])[order]
        for one in fields(QuestionedScores)
        if one.name != "skipped" and getattr(lots[0], one.name) is not None
    }
    return QuestionedScores(**columns, skipped=tuple(image for lot in lots for image in lot.skipped))


def sample_words(asked: Questioned, looks: Sequence[LookFacts], judged: int, settings: AuditSettings) -> Iterator[str]:
    """Say which images were scored where not all were, and of what the numbers are."""
    if asked.sample is None:
        return
    kind = "images" if settings.group is None else "groups"
    of = f"from {asked.sample.drawn_from:,} different {kind}"
    whole = (
        "The share of members is an estimate for all of them; how many are members at least is said of those that were "
        "scored."
    )
    if looks:
        yield (
            f"Images were scored in growing lots (--sequential, --seed {settings.seed}): {judged:,} images in "
            f"{len(looks)} of {len(plan_looks(asked.sample.units))} lots, drawn by a hash of their content {of}. Of "
            f"the level {settings.alpha:g} the last look could spend {100 * looks[-1].part:.3g}%, and the p-values of "
            f"the set are divided by that, so that they hold whenever an audit stops. {whole} Where an audit stops "
            "because members were found, that estimate tends to be a little too high."
        )
    elif settings.sample is not None:
        yield (
            f"A sample was judged (--sample {settings.sample:,}, --seed {settings.seed}): {judged:,} images, drawn by "
            f"a hash of their content {of}. {whole}"
        )
