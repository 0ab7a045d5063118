"""Known members and non-members as one table, and its division into parts that serve one purpose each.

fit:        the module learns from it, in five folds: one of them only says when to stop
calibrate:  the threshold is chosen on it
test:       performance is measured on it

Questioned images are measured by what was held out from fitting: calibrate and test. Cross-fitted evidence is all test:
each image is scored by a network that learnt from the other folds only. So are non-members without known members, from
which nothing can be learnt.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from onnxmint.errors import EvidenceError, ImagesError
from onnxmint.evidence.nobody import Nobody
from onnxmint.images.entries import ImageEntry, ImageSource
from onnxmint.images.listing import Listing
from onnxmint.images.passed import why_fewer
from onnxmint.stats.partition import divide

FIT = (0, 1, 2, 3, 4)  # folds
CALIBRATE, TEST = 5, 6
UNUSED = -1
SHARES = (*(0.10,) * len(FIT), 0.25, 0.25)
MINIMUM = 40  # members, and non-members: below it a calibration part has fewer than 10 images

_LONGEST = 40  # letters of a name in a message

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceTable:
    """Members first, then non-members; one row an image.

    Attributes:
        index: (n,) int64, position in its source.
        is_member: (n,) bool.
        labels: (n,) int64, None when any label is missing.
        groups: (n,) int64 numbers of groups, None when there are none.
        part: (n,) int8, one of the folds in FIT, CALIBRATE or TEST; -1 not used.
        fold: (n,) int8, number of the network that scores a held-out row; 0 throughout unless cross-fitted.
    """

    index: Rows
    is_member: NDArray[np.bool_]
    labels: Rows | None
    groups: Rows | None
    part: NDArray[np.int8]
    fold: NDArray[np.int8]

    @property
    def alone(self) -> bool:
        """Return whether no member is known."""
        return not self.is_member.any()

    def take(self, rows: Rows) -> "EvidenceTable":
        """Return some rows, in this order."""
        return replace(
            self,
            index=self.index[rows],
            is_member=self.is_member[rows],
            labels=None if self.labels is None else self.labels[rows],
            groups=None if self.groups is None else self.groups[rows],
            part=self.part[rows],
            fold=self.fold[rows],
        )

    def rows(self, *parts: int, member: bool | None = None) -> Rows:
        """Return the row numbers of some parts, of one side when `member` says which."""
        chosen = np.isin(self.part, parts)
        if member is not None:
            chosen &= self.is_member == member
        return np.flatnonzero(chosen)


def list_evidence(
    members: ImageSource, nonmembers: ImageSource, *, limit: int | None, rng: np.random.Generator
) -> EvidenceTable:
    """List the known images, not yet divided.

    Args:
        members: images that were in the training set; `Nobody` where none are known.
        nonmembers: images that were not.
        limit: at most so many of each, drawn at random; None takes all.
        rng: source of the draw.

    Raises:
        EvidenceError: too few images, or both sides are the same place.
    """
    if members.location == nonmembers.location:
        raise EvidenceError(f"members and non-members are both {members.location}: an image cannot be both")
    kept = [_draw(source.entries(), limit, rng) for source in (members, nonmembers)]
    entries = [*kept[0], *kept[1]]
    is_member = np.arange(len(entries)) < len(kept[0])
    for source, name, side in ((members, "members", kept[0]), (nonmembers, "non-members", kept[1])):
        if not isinstance(source, Nobody):
            require_enough(len(side), name, why_fewer(source))
    return EvidenceTable(
        index=np.array([entry.index for entry in entries], np.int64),
        is_member=is_member,
        labels=labels_of(entries),
        groups=groups_of(entries),
        part=np.full(len(entries), UNUSED, np.int8),
        fold=np.zeros(len(entries), np.int8),
    )


def divided(
    table: EvidenceTable, rng: np.random.Generator, *, folds: int | None = None, blind: bool = False
) -> EvidenceTable:
    """Return the table with every row in a part, or, for cross-fitting, in a fold of the test part.

    Args:
        table: known images.
        rng: source of the division.
        folds: number of folds of a cross-fitted module; None keeps parts for fitting, calibration and test.
        blind: divide without a look at who is a member: parts then hold about as many of each side, not exactly.

    Raises:
        EvidenceError: too few groups.
    """
    if not table.alone:
        require_enough(int(table.is_member.sum()), "members")
    require_enough(int((~table.is_member).sum()), "non-members")
    _check_groups(table.groups, table.is_member)
    if table.alone:
        return replace(table, part=np.full(len(table.index), TEST, np.int8))
    side = np.zeros_like(table.is_member) if blind else table.is_member
    if folds is None:
        return replace(table, part=divide(side, table.labels, table.groups, rng, shares=SHARES))
    fold = divide(side, table.labels, table.groups, rng, shares=(1 / folds,) * folds)
    return replace(table, part=np.full(len(fold), TEST, np.int8), fold=fold)


def require_enough(count: int, name: str, why: str = "") -> None:
    """Refuse too few known images of a side.

    Args:
        count: how many can be used.
        name: of the side.
        why: what has to be said of those that cannot, to be put behind.

    Raises:
        EvidenceError: fewer than MINIMUM.
    """
    if count < MINIMUM:
        raise EvidenceError(
            f"{count} known {name} are too few to fit, calibrate and test on: give at least {MINIMUM}, better 1,000 or "
            f"more{why}"
        )


def _draw(entries: Sequence[ImageEntry], limit: int | None, rng: np.random.Generator) -> list[ImageEntry]:
    if limit is None or len(entries) <= limit:
        return list(entries)
    return [entries[number] for number in np.sort(rng.choice(len(entries), limit, replace=False))]


def rows_at(entries: Sequence[ImageEntry], index: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return (n,) the rows among entries of some positions in the source."""
    if isinstance(entries, Listing):
        return index
    of = {entry.index: row for row, entry in enumerate(entries)}
    return np.array([of[number] for number in index.tolist()], np.int64)


def index_at(entries: Sequence[ImageEntry], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return (n,) the positions in the source of some rows among entries."""
    if isinstance(entries, Listing):
        return rows
    return np.array([entries[row].index for row in rows.tolist()], np.int64)


def paths_at(entries: Sequence[ImageEntry], rows: NDArray[np.int64]) -> Sequence[str]:
    """Return (n,) the names of some rows."""
    if isinstance(entries, Listing):
        return entries.paths.take(rows)
    return tuple(entries[row].path for row in rows.tolist())


def labels_of(entries: Sequence[ImageEntry]) -> Rows | None:
    """Return (n,) labels, None when any image has none."""
    if isinstance(entries, Listing):
        return entries.label if entries.labelled.all() else None
    found = [entry.label for entry in entries]
    return None if any(label is None for label in found) else np.array(found, np.int64)


def groups_of(entries: Sequence[ImageEntry], rows: Rows | None = None) -> Rows | None:
    """Return (n,) numbers of groups, None when no image has one; an image without is a group of its own.

    Args:
        entries: of a source.
        rows: of those that are meant; None for all.
    """
    if isinstance(entries, Listing) and entries.groups is None:
        return None
    meant = entries if rows is None else [entries[row] for row in rows.tolist()]
    names = [entry.group for entry in meant]
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
        if side.any() and found < MINIMUM:
            raise EvidenceError(
                f"the known {name} form only {found} groups, and groups are not divided: give at least {MINIMUM} groups"
            )


def check_labels(
    labels: NDArray[np.int64] | None, classes: int | None, source: ImageSource, *, needed: bool = False
) -> None:
    """Refuse labels that the target has no output for.

    Args:
        labels: of the images.
        classes: that the target has.
        source: of the images.
        needed: nothing can be done without labels.

    Raises:
        ImagesError: naming the label and the number of outputs.
    """
    if labels is None or classes is None or len(labels) == 0:
        return
    if labels.min() < 0 or labels.max() >= classes:
        odd = int(labels.max() if labels.max() >= classes else labels.min())
        outputs, without = f"the target has outputs 0 to {classes - 1}", "" if needed else ", or use --no-labels"
        if source.numbering is not None and source.numbering.order == "alphabet":
            names = source.numbering.names
            raise ImagesError(
                f"there are {len(names)} class folders, from {names[0][:_LONGEST]!r} to {names[-1][:_LONGEST]!r}, but "
                f"{outputs}: take away what is no class, or give the classes in order with --classes FILE{without}"
            )
        raise ImagesError(f"{source.location} holds label {odd}, but {outputs}: renumber the labels{without}")
