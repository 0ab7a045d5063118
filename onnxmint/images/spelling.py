"""One class name in several spellings: what is the same whatever wrote it, and what only looks alike."""

import unicodedata
from collections.abc import Iterable, Mapping


def spelt(name: str) -> str:
    """Return a name in the one way to write its letters: macOS unpacks "é" as an e and an accent, others do not."""
    return unicodedata.normalize("NFC", name)


def plain(name: str) -> str:
    """Return a name as it is compared: "Tench, Tinca tinca" and "tench" are one."""
    return alike(name.partition(",")[0])


def alike(name: str) -> str:
    """Return a name without regard to case, blanks, underscores and dashes."""
    return " ".join(name.casefold().replace("_", " ").replace("-", " ").split())


def spelt_twice(names: Mapping[str, Iterable[str]]) -> tuple[tuple[str, str], tuple[str, str]] | None:
    """Return a class that two places seem to spell differently, as (place, name) of each; None where there is none.

    A place that has both spellings means two classes by them, as letters that are small and large.

    Args:
        names: the class names of each place.
    """
    own = {place: set(found) for place, found in names.items()}
    seen: dict[str, tuple[str, str]] = {}
    for place in own:
        for name in sorted(own[place]):
            first, other = seen.setdefault(alike(name), (place, name))
            if other != name and name not in own[first] and other not in own[place]:
                return (first, other), (place, name)
    return None
