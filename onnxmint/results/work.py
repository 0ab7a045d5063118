"""What is divided among processes: a frozen description of an audit's work, of which the hash is the run's name."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass

from onnxmint.results.json import Document

NAME = "work.json"
_NAMED = 3  # shards that a message names


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """Images that lie beside each other in the listing, and are looked at and scored in one go.

    Attributes:
        first: position of the first one.
        images: how many.
        listed: SHA-256 of their names, labels and groups.
    """

    first: int
    images: int
    listed: str

    @property
    def span(self) -> range:
        """Return their positions."""
        return range(self.first, self.first + self.images)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """A file that holds many images.

    Attributes:
        name: of the file, without its folders, which differ between machines.
        bytes: its size.
        ends: SHA-256 of the first and the last 64 KiB, which a changed file rarely keeps.
    """

    name: str
    bytes: int
    ends: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Where things are, as the first process was told: in no hash, for machines may differ in it.

    Attributes:
        folder: that relative places start from.
        model: the target's file.
        auditor: its auditor's.
        images: places of the questioned images.
        reference: files of references.
    """

    folder: str
    model: str
    auditor: str
    images: tuple[str, ...]
    reference: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Everything that has to be equal between the processes that share an audit.

    Attributes:
        version: of onnxmint.
        target_sha256: of the model.
        auditor_sha256: of the auditor.
        settings: of the audit, each as JSON; reference models by their SHA-256.
        shards: files that hold many images.
        unit: images of a unit at most.
        units: all images, in the order of the listing.
        asked: where these were.
    """

    version: str
    target_sha256: str
    auditor_sha256: str
    settings: dict[str, str]
    shards: tuple[Shard, ...]
    unit: int
    units: tuple[Unit, ...]
    asked: Asked

    @property
    def images(self) -> int:
        """Return how many images there are."""
        return sum(unit.images for unit in self.units)

    @property
    def identity(self) -> str:
        """Return the SHA-256 of all that has to be equal: the name of the run."""
        facts = {name: value for name, value in WORK.facts(self).items() if name != "asked"}
        return hashlib.sha256(json.dumps(facts, sort_keys=True, allow_nan=False).encode()).hexdigest()


WORK = Document(kind=Work, schema="onnxmint.work/1", mend="begin again in another folder")
"""work.json, in the folder of the parts."""


def differences(before: Work, now: Work) -> Iterator[str]:
    """Yield what of a work is not as it was begun, each in words."""
    if before.version != now.version:
        yield f"onnxmint is {now.version}, it was {before.version}"
    for name, words in (("target_sha256", "the model"), ("auditor_sha256", "the auditor")):
        if getattr(before, name) != getattr(now, name):
            yield f"{words} is another file (SHA-256 {getattr(now, name)[:12]}..., was {getattr(before, name)[:12]}...)"
    for name in sorted(before.settings.keys() | now.settings.keys()):
        if before.settings.get(name) != now.settings.get(name):
            yield f"--{name.replace('_', '-')} is {now.settings.get(name)}, it was {before.settings.get(name)}"
    yield from _of_shards(before, now)
    if before.shards == now.shards and before.units != now.units:
        yield from _of_units(before, now)


def _of_shards(before: Work, now: Work) -> Iterator[str]:
    old, new = ({shard.name: shard for shard in work.shards} for work in (before, now))
    kinds = {
        "was added": [name for name in new if name not in old],
        "is gone": [name for name in old if name not in new],
        "was changed": [name for name in new if name in old and new[name] != old[name]],
    }
    for words, names in kinds.items():
        if names:
            more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
            yield f"{', '.join(names[:_NAMED])}{more} {words}"
    if old == new and before.shards != now.shards:
        yield "the shards are in another order"


def _of_units(before: Work, now: Work) -> Iterator[str]:
    if before.images != now.images:
        yield f"there are {now.images:,} images, there were {before.images:,}"
    elif before.unit != now.unit:
        yield f"--unit is {now.unit:,}, it was {before.unit:,}"
    else:
        first = next((new.first for old, new in zip(before.units, now.units, strict=False) if old != new), 0)
        yield f"names, labels or groups of images are others (the first among images {first:,} and following)"
