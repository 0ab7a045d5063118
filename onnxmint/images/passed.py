"""What was given and is not among the images: nothing is passed over in silence, so all of it is counted by reason."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from onnxmint.images.pillow import SUFFIXES
from onnxmint.places.remote import AnyPath, below

_EXAMPLES = 3
_REASONS = 12  # different ones that are told apart; a folder may hold files of a thousand suffixes
_OTHER = "other files that are no images"


_TOLD = 2  # reasons of unreadable images that an error tells


@dataclass(frozen=True, slots=True, kw_only=True)
class PassedOver:
    """Things of one kind that were given and are not among the images.

    Attributes:
        reason: what they are, in words that follow a number: "files with the suffix .psd".
        count: how many.
        examples: the first ones, as their place names them.
    """

    reason: str
    count: int
    examples: tuple[str, ...]


class Leaving(Protocol):
    """What says of itself what it left out."""

    @property
    def passed_over(self) -> tuple[PassedOver, ...]:
        """Return what was left out."""


class Tally:
    """Counts what is passed over while a place is listed."""

    def __init__(self) -> None:
        """Start with nothing."""
        self._count: dict[str, int] = {}
        self._examples: dict[str, list[str]] = {}

    def add(self, reason: str, example: str) -> None:
        """Count one thing."""
        if reason not in self._count and len(self._count) >= _REASONS:
            reason = _OTHER
        self._count[reason] = self._count.get(reason, 0) + 1
        examples = self._examples.setdefault(reason, [])
        if len(examples) < _EXAMPLES:
            examples.append(example)

    def add_file(self, name: str, example: str) -> None:
        """Count a file by its suffix."""
        suffix = Path(name).suffix.lower()
        self.add(f"files with the suffix {suffix}" if suffix else "files without a suffix", example)

    def count(self, reason: str) -> int:
        """Return how many things were counted for a reason."""
        return self._count.get(reason, 0)

    def found(self) -> tuple[PassedOver, ...]:
        """Return what was counted, most first."""
        ordered = sorted(self._count, key=lambda reason: -self._count[reason])
        return tuple(
            PassedOver(reason=reason, count=self._count[reason], examples=tuple(self._examples[reason]))
            for reason in ordered
        )


def in_words(passed: Iterable[PassedOver]) -> str:
    """Return what was passed over as a list in words, empty for nothing."""
    return "; ".join(f"{one.count:,} {one.reason} (for example {one.examples[0]})" for one in passed)


class Unread(Protocol):
    """An image that could not be read."""

    @property
    def path(self) -> str:
        """Return its name."""

    @property
    def reason(self) -> str:
        """Return why, in words that follow the name."""


def why_fewer(source: Leaving, unread: Sequence[Unread] = (), *, none: bool = False) -> str:
    """Return, to be put behind a refusal, why there are not more images; empty where nothing was left out.

    Args:
        source: what was passed over of it.
        unread: images of it that could not be read.
        none: the refusal says already that these are all.
    """
    parts = []
    if unread:
        parts.append(f"{'' if none else f'{len(unread):,} cannot be read: '}{_reasons(unread)}")
    if source.passed_over:
        parts.append(f"passed over: {in_words(source.passed_over)}")
    return "".join(f"; {part}" for part in parts)


def _reasons(unread: Sequence[Unread]) -> str:
    """Return the most frequent reasons, each with an image and how many more there are like it."""
    kinds = Counter(one.reason for one in unread).most_common()
    told = []
    for reason, count in kinds[:_TOLD]:
        first = next(one.path for one in unread if one.reason == reason)
        told.append(f"{first} {reason}{f' ({count:,} like it)' if count > 1 else ''}")
    others = sum(count for _, count in kinds[_TOLD:])
    return "; ".join([*told, *([f"{others:,} for other reasons"] if others else [])])


def note_of(location: str, passed: Iterable[PassedOver]) -> tuple[str, ...]:
    """Return a sentence that tells what of a place was passed over, none for nothing."""
    words = in_words(passed)
    return (f"Of {location}, these were passed over: {words}.",) if words else ()


def frames_note(more: int, images: int, place: str) -> tuple[str, ...]:
    """Return a sentence on files that hold several frames or pages; none where none does.

    Args:
        more: how many do.
        images: of how many.
        place: where they are.
    """
    if not more:
        return ()
    hold = "holds" if more == 1 else "hold"
    return (f"{more:,} of {images:,} images of {place} {hold} further frames or pages: of each the first was taken.",)


def count_beside(folder: AnyPath, suffix: str, tally: Tally) -> None:
    """Count what lies in a folder beside its files of one suffix, which are read: images, and such files further down.

    Other files are not counted: tables and shards lie beside licences and descriptions.
    """
    for example in below(folder):
        above, _, name = example.rpartition("/")
        kind = Path(name).suffix.lower()
        if kind in SUFFIXES and not name.startswith("."):
            tally.add(f"images beside the {suffix} files, which were taken", example)
        elif kind == suffix and above:
            tally.add(f"{suffix} files in sub-folders", example)
