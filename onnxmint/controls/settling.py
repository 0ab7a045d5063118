"""What is said where the best preparation leads others by no more than noise: which, by how much, what settles it."""

from collections.abc import Sequence

from onnxmint.results.check import CheckResult, VariantResult
from onnxmint.stats.leads import Lead

MOST_TRIED = 4096  # images that `onnxmint check --sample` takes
LABELS = "This can mislead: wrong scaling often makes a model surer. Labelled images decide."
_NAMED = 3
_ASK = "ask whoever trained the model"


def settling(found: CheckResult) -> str:
    """Return which rows cannot be told from the best one, and what would tell them apart."""
    rows = [row for row in found.variants if row.name in found.rivals]
    score = found.ranked_by == "score"
    named = _named(found, found.noise or rows)
    if not found.noise:
        near = f"{named} {'is' if len(rows) == 1 else 'are'} so near that little depends on the choice."
        return f"{near} {LABELS}" if score else near
    lead = found.noise[0].behind
    text = f"It cannot be told from {named}"
    if score:
        return f"{text}. {LABELS} Or {_ASK}."
    return f"{text}. {_enough(lead, found)}" if lead is not None else f"{text}."


def _named(found: CheckResult, rows: Sequence[VariantResult]) -> str:
    """Return the rows with their numbers and the interval of the best one's lead, the first ones of many."""
    told = [_one(found, row) for row in rows[:_NAMED]]
    parts = [*told, *([f"{len(rows) - _NAMED} more"] if len(rows) > _NAMED else [])]
    return ", ".join(parts[:-1]) + " and " * (len(parts) > 1) + parts[-1]


def _one(found: CheckResult, row: VariantResult) -> str:
    value: float = getattr(row, found.ranked_by) or 0.0
    lead = row.behind
    if lead is None:
        return row.name
    if found.ranked_by == "score":
        return f"{row.name} ({value:.2f}, behind by {lead.low:.2f} to {lead.high:.2f})"
    return f"{row.name} ({value:.1%}, behind by {100 * lead.low:.1f} to {100 * lead.high:.1f} points)"


def _enough(lead: Lead, found: CheckResult) -> str:
    """Return how many labelled images would settle a lead of this size."""
    if lead.enough is None:
        return f"As long as they are right equally often no images tell them apart: {_ASK}, or take either."
    if lead.enough <= min(found.available, MOST_TRIED):
        return f"About {lead.enough:,} images would settle a lead of this size (--sample {lead.enough}); or {_ASK}."
    there = f"{found.available:,} are there" if found.available < lead.enough else f"at most {MOST_TRIED:,} are tried"
    return f"A lead of this size takes about {lead.enough:,} labelled images to settle, and {there}: {_ASK}."
