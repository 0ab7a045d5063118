"""Known members and non-members as one table, and its division into parts that serve one purpose each.

fit:        the module learns from it, in five folds: one of them only says when to stop
calibrate:  its non-members give the p-values, its scores the threshold
test:       performance is measured on it, and nothing else is done with it
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from onnxmint.errors import EvidenceError, ImagesError

FIT = (0, 1, 2, 3, 4)  # folds
CALIBRATE, TEST = 5, 6
SHARES = (*(0.10,) * len(FIT), 0.25, 0.25)
MINIMUM = 40  # members, and non-members: below it a calibration part has fewer than 10 images

Rows = NDArray[np.int64]


class Entry(Protocol):
    """What is known of an image before it is read."""

    @property
    def index(self) -> int:
        """Return its position in its source."""

    @property
    def label(self) -> int | None:
        """Return its class."""

    @property
    def group(self) -> str | None:
        """Return what it belongs to."""


class Source(Protocol):
    """A set of images with what is known of each."""

    @property
    def location(self) -> str:
        """Return where it is, as the user wrote it."""

    @property
    def classes(self) -> tuple[str, ...] | None:
        """Return its class names."""

    def entries(self) -> Sequence[Entry]:
        """List its images without reading pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceTable:
    """Members first, then non-members; one row an image.

    Attributes:
        index: (n,) int64, position in its source.
        is_member: (n,) bool.
        labels: (n,) int64, None when any label is missing.
        groups: (n,) int64 numbers of groups, None when there are none.
        part: (n,) int8, one of the folds in FIT, CALIBRATE or TEST.
    """

    index: Rows
    is_member: NDArray[np.bool_]
    labels: Rows | None
    groups: Rows | None
    part: NDArray[np.int8]

    def rows(self, *parts: int, member: bool | None = None) -> Rows:
        """Return the row numbers of some parts, of one side when `member` says which."""
        chosen = np.isin(self.part, parts)
        if member is not None:
            chosen &= self.is_member == member
        return np.flatnonzero(chosen)


def gather_evidence(
    members: Source, nonmembers: Source, *, limit: int | None, rng: np.random.Generator
) -> EvidenceTable:
    """List the known images and divide them.

    Args:
        members: images that were in the training set.
        nonmembers: images that were not.
        limit: at most so many of each, drawn at random; None takes all.
        rng: source of the draw and of the division.

    Raises:
        EvidenceError: too few images or groups, or both sides are the same place.
        ImagesError: the two sides number their classes differently.
    """
    if members.location == nonmembers.location:
        raise EvidenceError(f"members and non-members are both {members.location}: an image cannot be both")
    check_classes(members, nonmembers)
    kept = [_draw(source.entries(), limit, rng) for source in (members, nonmembers)]
    for name, entries in zip(("members", "non-members"), kept, strict=True):
        if len(entries) < MINIMUM:
            raise EvidenceError(
                f"{len(entries)} known {name} are too few to fit, calibrate and test on: give at least {MINIMUM}, "
                "better 1,000 or more"
            )
    entries = [*kept[0], *kept[1]]
    is_member = np.arange(len(entries)) < len(kept[0])
    labels, groups = labels_of(entries), groups_of(entries)
    _check_groups(groups, is_member)
    return EvidenceTable(
        index=np.array([entry.index for entry in entries], np.int64),
        is_member=is_member,
        labels=labels,
        groups=groups,
        part=divide(is_member, labels, groups, rng),
    )


def check_classes(first: Source, second: Source) -> None:
    """Refuse two sources whose class names differ: the same number would mean two classes.

    Raises:
        ImagesError: naming both and a class that only one has.
    """
    if first.classes is None or second.classes is None or first.classes == second.classes:
        return
    odd = sorted(set(first.classes) ^ set(second.classes)) or ["(same names, other order)"]
    raise ImagesError(
        f"{first.location} and {second.location} do not have the same classes (for example {odd[0]}), so their "
        "labels do not agree: give both the same class folders, or use --no-labels"
    )


def divide(
    is_member: NDArray[np.bool_], labels: Rows | None, groups: Rows | None, rng: np.random.Generator
) -> NDArray[np.int8]:
    """Return the part of each row: by SHARES, alike in every class, whole groups only.

    Args:
        is_member: (n,) bool.
        labels: (n,) classes to keep in proportion, or None.
        groups: (n,) numbers of groups never divided, also when a group holds members and non-members; or None.
        rng: source of the order.
    """
    count = len(is_member)
    unit = np.arange(count) if groups is None else np.unique(groups, return_inverse=True)[1]
    size = np.stack([np.bincount(unit, weights=side) for side in (is_member, ~is_member)], axis=1)
    first = np.full(len(size), count)
    np.minimum.at(first, unit, np.arange(count))
    stratum = is_member[first] * (1 << 32) + (0 if labels is None else labels[first])
    order = rng.permutation(len(size))
    order = order[np.argsort(stratum[order], kind="stable")]
    shares = np.array(SHARES)
    assigned, seen = np.zeros((len(SHARES), 2)), np.zeros(2)
    part = np.empty(len(size), np.int8)
    for number in order:
        seen += size[number]
        lacking = (shares[:, None] * seen - assigned) @ size[number]
        part[number] = int(np.argmax(lacking))
        assigned[part[number]] += size[number]
    return part[unit]


def _draw(entries: Sequence[Entry], limit: int | None, rng: np.random.Generator) -> list[Entry]:
    if limit is None or len(entries) <= limit:
        return list(entries)
    return [entries[number] for number in np.sort(rng.choice(len(entries), limit, replace=False))]


def labels_of(entries: Sequence[Entry]) -> Rows | None:
    """Return (n,) labels, None when any image has none."""
    found = [entry.label for entry in entries]
    return None if any(label is None for label in found) else np.array(found, np.int64)


def groups_of(entries: Sequence[Entry]) -> Rows | None:
    """Return (n,) numbers of groups, None when no image has one; an image without is a group of its own."""
    names = [entry.group for entry in entries]
    if all(name is None for name in names):
        return None
    alone = [f"\0{row}" if name is None else name for row, name in enumerate(names)]
    numbers: Rows = np.unique(np.array(alone), return_inverse=True)[1].astype(np.int64)
    return numbers


def _check_groups(groups: Rows | None, is_member: NDArray[np.bool_]) -> None:
    if groups is None:
        return
    for name, side in (("members", is_member), ("non-members", ~is_member)):
        found = len(np.unique(groups[side]))
        if found < MINIMUM:
            raise EvidenceError(
                f"the known {name} form only {found} groups, and groups are not divided: give at least {MINIMUM} groups"
            )
