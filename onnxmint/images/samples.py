"""WebDataset samples: members of a shard whose names are equal up to the first dot belong together."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from onnxmint.images.foreign import ForeignError, parse_json
from onnxmint.images.labels import Faults, LabelReader, likely_columns
from onnxmint.images.passed import Tally
from onnxmint.images.pillow import SUFFIXES
from onnxmint.images.selection import Reading, Selection
from onnxmint.images.shards import Member, Place, members_of
from onnxmint.places.remote import AnyPath

FURTHER = "further pictures of a WebDataset sample (its name ends at the first dot)"
_TWICE = "names that a shard holds twice"
_NOBODYS = "labels that belong to no picture"
_KEY = re.compile(r"((?:.*/|)[^.]+)[.]([^/]*)", re.DOTALL)  # webdataset.tariterators.base_plus_ext
_SAID = frozenset({"cls", "json"})  # members that tell of a picture
_LONGEST = 4096  # letters of a group's name


@dataclass(frozen=True, slots=True)
class Picture:
    """An image of a shard with what is said of it."""

    place: Place
    label: int | None
    group: str | None  # as its JSON says


@dataclass(slots=True)
class _Said:
    """What is told of a picture, and by which member."""

    shown: str
    label: int | None = None
    group: str | None = None


@dataclass(slots=True)
class _Sample:
    """The members of one name.

    Attributes:
        pictures: what stands between the name and the suffix of each ("left" of k.left.png), and where it is.
        said: by the same.
    """

    pictures: list[tuple[str, Place]] = field(default_factory=list)
    said: dict[str, _Said] = field(default_factory=dict)


def split_name(name: str, key: str) -> tuple[str, str] | None:
    """Return the name of a sample and the rest of a member's name, None where a member belongs to no sample.

    Args:
        name: of the member.
        key: "first-dot" as WebDataset, or "last-dot".
    """
    if key == "last-dot":
        stem, dot, suffix = name.rpartition(".")
        return (stem, suffix) if dot and "/" not in suffix and not stem.endswith("/") else None
    found = _KEY.fullmatch(name)
    return (found[1], found[2]) if found else None


class SampleReader:
    """Finds the pictures of shards and what is said of them; counts what is neither.

    Attributes:
        labels: how many members tell of a picture.
        keys: keys of JSON members, as far as they lack the one of labels.
        found: whether one has that.
    """

    def __init__(self, chosen: Selection, reading: Reading, tally: Tally, faults: Faults) -> None:
        """Read labels and groups as `reading` wants them."""
        self.labels = 0
        self.keys: tuple[str, ...] = ()
        self.found = False
        self._key, self._label, self._group = chosen.key, chosen.labels or "label", reading.group
        self._with_labels = reading.labels
        self._reader = LabelReader(reading.classes, tally, faults)
        self._tally, self._faults = tally, faults

    def pictures(self, file: AnyPath) -> Iterator[Picture]:
        """Yield the pictures of a shard."""
        samples: dict[str, _Sample] = {}
        names: set[str] = set()
        for member in members_of(file, _SAID):
            shown = f"{file.name}/{member.place.name}"
            if not self._counts(member, names, shown):
                continue
            found = split_name(member.place.name, self._key)
            last = found[1].rpartition(".")[2].lower() if found else ""
            if found is None or (f".{last}" not in SUFFIXES and last not in _SAID):
                self._tally.add_file(member.place.name, shown)
                continue
            sample = samples.setdefault(found[0], _Sample())
            between = found[1].rpartition(".")[0]
            if last in _SAID:
                self._learn(sample.said.setdefault(between, _Said(shown=shown)), last, member.text, shown)
            else:
                sample.pictures.append((between, member.place))
        for sample in samples.values():
            yield from self._of_sample(sample)

    def _counts(self, member: Member, names: set[str], shown: str) -> bool:
        """Return whether a member is looked at; count it when it is not, hidden files that are no images apart."""
        name = PurePosixPath(member.place.name)
        if name.name.startswith("."):  # macOS writes a ._ twin of every file
            if name.suffix.lower() in SUFFIXES:
                self._tally.add("hidden files with the suffix of an image", shown)
            return False
        if not member.regular:
            self._tally.add("links and other members that are no files", shown)
            return False
        if member.place.name in names:
            self._tally.add(_TWICE, shown)
            return False
        names.add(member.place.name)
        return True

    def _learn(self, said: _Said, kind: str, text: bytes | None, shown: str) -> None:
        """Remember what a .cls or .json member tells."""
        if text is None:
            self._tally.add("members that tell of a picture and are too large to be read", shown)
            return
        value: Any = None
        if kind == "cls":
            value = text.decode("utf-8", "replace")
        else:
            try:
                facts = parse_json(text)
            except ForeignError as problem:
                message = f"{shown} does not hold JSON: {problem}"
                self._faults.add(self._tally, "members that are no JSON", shown, message)
                return
            if isinstance(facts, dict):
                value = facts.get(self._label)
                self.found |= self._label in facts
                self.keys = self.keys or (() if self.found else tuple(facts))
                if self._group is not None and self._group in facts:
                    said.group = str(facts[self._group])[:_LONGEST]
        self.labels += 1
        if self._with_labels and (said.label is None or kind == "cls"):
            said.label = self._reader.number(value, shown)

    def _of_sample(self, sample: _Sample) -> Iterator[Picture]:
        """Yield the pictures of a sample that are used; count the others.

        A picture that has a label of its own (day07.3.png with day07.3.cls) is an image of its own: its name has dots
        that were not meant to end it. Of the others one is used, k.png before k.left.png.
        """
        taken: set[str] = set()
        rest: list[tuple[str, Place]] = []
        for between, place in sample.pictures:
            said = sample.said.get(between)
            if between and said is not None and between not in taken:
                taken.add(between)
                yield Picture(place, said.label, said.group)
            else:
                rest.append((between, place))
        rest.sort(key=lambda pair: bool(pair[0]))  # stable: those of the bare name first
        left = {between: said for between, said in sample.said.items() if between not in taken}
        for number, (_, place) in enumerate(rest):
            if number:
                self._tally.add(FURTHER, f"{place.file.name}/{place.name}")
                continue
            said = _of_the_rest(left)
            yield Picture(place, said.label, said.group) if said is not None else Picture(place, None, None)
        for said in left.values():
            if said.label is not None:
                self._tally.add(_NOBODYS, said.shown)


def _of_the_rest(left: dict[str, _Said]) -> _Said | None:
    """Take out what is said of the one picture that has nothing of its own: that of the bare name, or the only one."""
    if "" in left:
        return left.pop("")
    return left.pop(next(iter(left))) if len(left) == 1 else None


def likely_keys(reader: SampleReader) -> tuple[str, ...]:
    """Return the keys of JSON members that may hold labels, none where the one that was meant is there."""
    return () if reader.found else likely_columns([key[:_LONGEST] for key in reader.keys])
