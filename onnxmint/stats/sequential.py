"""An audit in growing lots: a look after each, and an error rate that holds whenever it stops.

The level of the test is spent on looks that are fixed before the first one (Bonferroni over looks; Lan and DeMets 1983
for the idea of spending): the p-value of each look is valid by itself, so that the chance that any of them falls below
its own part is at most the sum of the parts, whatever the dependence between looks and whoever decides to stop. A
fifth of the level is spent on early looks, so that a set that is looked at to its end costs little power: at the last
look it is tested at four fifths of the level.
"""

from dataclasses import dataclass

_FIRST = 32  # units of the first lot: fewer seldom reach the level of an early look
_GROWTH = 2.0  # of a look over the one before; with 1.5 nearly twice the looks save some 5% of the images
_EARLY = 0.2  # part of the level that is spent before the last look; 0.3 would cost more than 10% at the end


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One look at a set.

    Attributes:
        size: units that have been looked at by then.
        part: of the level, which is spent here; the parts of all looks add up to 1.
    """

    size: int
    part: float


def plan_looks(count: int, *, first: int = _FIRST, growth: float = _GROWTH, early: float = _EARLY) -> tuple[Look, ...]:
    """Return the looks at a set, of which the last is at the whole of it.

    Args:
        count: units of the set.
        first: units of the first look.
        growth: of each look over the one before.
        early: part of the level that is spent on all looks but the last.

    Raises:
        ValueError: no units, lots that do not grow, or no level left for a look.
    """
    if count < 1 or first < 1 or growth <= 1 or not 0 < early < 1:
        raise ValueError(f"no looks at {count} units from {first} on, growing {growth} fold, with {early} spent early")
    sizes, size = list[int](), float(first)
    while size * growth <= count * growth**0.5:  # a look just before the last would be of no use
        sizes.append(int(size))
        size *= growth
    sizes = [one for one in dict.fromkeys(sizes) if one < count]
    if not sizes:
        return (Look(size=count, part=1.0),)
    return (*(Look(size=one, part=early / len(sizes)) for one in sizes), Look(size=count, part=1 - early))
