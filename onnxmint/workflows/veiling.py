"""Names of images and classes taken out of what an audit says: of tables one by one, of sentences by search."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import PurePath

import numpy as np
from numpy.typing import NDArray

from onnxmint.images.classes import Numbering
from onnxmint.results.facts import Control, EvidenceFacts, Skipped
from onnxmint.results.frames import storable
from onnxmint.results.redaction import RedactionKey

_SHORTEST = 3  # letters of a name, or figures and one more: shorter ones are in every sentence
_MOST_CLASSES = 1 << 15  # numbers that are tried for one that is asked for
_EDGE = re.compile(r"(?<!\w)|(?!\w)")  # where a name can begin or end: not within a word
_EXAMPLES = "(for example ", "for example "  # of what was passed over, which no table names: in brackets, or at the end
_COUNTED = re.compile(r"[\d,]+ ")  # how a reason begins
_ORDINARY = frozenset(
    {
        "and", "auditor", "class", "classes", "data", "dataset", "folder", "folders", "for", "heldout",
        "holdout", "image", "images", "known", "label", "labels", "later", "member", "members", "model",
        "models", "non-members", "none", "nonmember", "nonmembers", "not", "of", "photo", "photos", "picture",
        "pictures", "question", "questioned", "run", "runs", "seen", "set", "sets", "suspect", "suspects",
        "target", "test", "the", "train", "training", "unknown", "unseen", "val", "valid", "validation", "with",
    }
)  # fmt: skip
"""Words that every report is full of: a folder or class of such a name is not told by them."""

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Veil:
    """What is taken out, and what stands for it.

    Attributes:
        key: gives pseudonyms.
        names: that a sentence may hold.
        longest: of them, in letters.
    """

    key: RedactionKey
    names: frozenset[str]
    longest: int

    @classmethod
    def of(cls, key: RedactionKey, names: Iterable[str], places: Iterable[str] = ()) -> "Veil":
        """Return the veil of names, of their folders and of every part of them; of places these and their last part."""
        every = {part for name in names for part in _parts(name)}
        every |= {part for place in places for part in (place, place.rstrip("/"), last_part(place))}
        every |= {unicodedata.normalize(form, part) for part in every for form in ("NFC", "NFD") if not part.isascii()}
        every = {part for part in every if _tells(part)}
        every |= {storable(name) for name in every}
        return cls(key=key, names=frozenset(every), longest=max(map(len, every), default=0))

    def sentence(self, text: str) -> str:
        """Return a sentence in which pseudonyms stand for names, the longest name at every place."""
        text = self._without_examples(text)
        edges = [found.start() for found in _EDGE.finditer(text)]
        made, start = list[str](), 0
        for place, edge in enumerate(edges):
            if edge < start:
                continue
            ends = (end for end in reversed(edges[place + 1 :]) if end - edge <= self.longest)
            end = next((end for end in ends if text[edge:end] in self.names), None)
            if end is not None:
                made += [text[start:edge], self.key.name(text[edge:end])]
                start = end
        return "".join([*made, text[start:]])

    def _without_examples(self, text: str) -> str:
        """Return a sentence without what it gives for an example; where that may hold brackets all behind it goes."""
        bracket, bare = _EXAMPLES
        before, found, rest = text.partition(bracket)
        if not found:
            before, found, rest = text.partition(bare)
            return f"{before}{found}{self.key.name(rest.removesuffix('.'))}." if found else text
        parts = f"{found}{rest}".split("); ")
        whole = all(part.count(bracket) == 1 and part.count(")") <= (part is parts[-1]) for part in parts)
        whole = whole and all(_COUNTED.match(part) for part in parts[1:])
        if not whole:
            return f"{before}{found}{self.key.name(rest)})"
        made = list[str]()
        for part in parts:
            words, _, name = part.partition(bracket)
            name, end, tail = name.partition(")")
            made.append(f"{words}{bracket}{self.key.name(name)}{end}{tail}")
        return before + "); ".join(made)

    def sentences(self, texts: Iterable[str]) -> tuple[str, ...]:
        """Return sentences without names."""
        return tuple(map(self.sentence, texts))

    def named(self, names: Iterable[str | None]) -> tuple[str | None, ...]:
        """Return the pseudonym of each name, None where there is none."""
        return tuple(None if name is None else self.key.name(name) for name in names)

    def paths(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return the pseudonym of each name."""
        return tuple(map(self.key.name, names))

    def skipped(self, found: Iterable[Skipped]) -> tuple[Skipped, ...]:
        """Return images that were left out, without their names, nor in the order of these."""
        hidden = (Skipped(path=self.key.name(one.path), reason=self.sentence(one.reason)) for one in found)
        return tuple(sorted(hidden, key=lambda one: one.path))

    def controls(self, found: Iterable[Control]) -> tuple[Control, ...]:
        """Return controls whose sentences and lists hold no names."""
        return tuple(map(self._control, found))

    def _control(self, one: Control) -> Control:
        copies = one.copies
        if copies is not None:
            copies = replace(copies, left_out_images=tuple(sorted(self.paths(copies.left_out_images))))
        return replace(one, text=self.sentence(one.text), copies=copies)

    def evidence(self, found: EvidenceFacts) -> EvidenceFacts:
        """Return facts of known images without their names."""
        return replace(found, skipped=self.skipped(found.skipped))

    def classes(self, found: Numbering | None) -> Numbering | None:
        """Return a numbering whose names are pseudonyms; names that are numbers tell nothing."""
        if found is None or found.order == "numbers":
            return found
        return replace(found, names=self.paths(found.names))


def hidden_numbers(key: RedactionKey, values: Rows) -> Rows:
    """Return (n,) what stands for the classes of images."""
    every, place = np.unique(values, return_inverse=True)
    return np.array([key.number(int(value)) for value in every], np.int64)[place]


def told_numbers(key: RedactionKey, values: Rows) -> Rows:
    """Return (n,) classes of images from what stands for them.

    Raises:
        ValueError: one stands for no class.
    """
    wanted, found = set(values.tolist()), dict[int, int]()
    for value in range(_MOST_CLASSES):
        if len(found) == len(wanted):
            break
        hidden = key.number(value)
        if hidden in wanted:
            found[hidden] = value
    if len(found) < len(wanted):
        raise ValueError("a class of an image is none that the key gives")
    return np.array([found[value] for value in values.tolist()], np.int64)


def told_classes(key: RedactionKey, hidden: Numbering | None, names: Iterable[str]) -> Numbering | None:
    """Return a numbering with its names, of which some are known; the others stay pseudonyms.

    Args:
        key: that they were hidden with.
        hidden: the numbering, as an auditor of a redacted run has it.
        names: of the classes of images that are at hand.
    """
    if hidden is None:
        return None
    known = {key.name(name): name for name in names}
    return replace(hidden, names=tuple(known.get(name, name) for name in hidden.names))


def _parts(name: str) -> Iterator[str]:
    """Yield a name, every folder in it, and what is behind each."""
    yield name
    path = PurePath(name.replace("\\", "/"))
    yield from path.parts
    yield from map(str, path.parents)


def _tells(name: str) -> bool:
    """Say whether a name can be told from the words of sentences: a few letters or figures cannot."""
    return len(name) >= _SHORTEST + name.isdigit() and name.casefold() not in _ORDINARY


def last_part(place: str) -> str:
    """Return the last part of a place, without what chooses rows in it."""
    return PurePath(place.partition("?")[0].replace("\\", "/")).name
