"""Known images gathered: listed, looked at without a model, copies settled, divided into parts."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onnxmint.cores import usable_cores
from onnxmint.errors import EvidenceError
from onnxmint.evidence.copies import Copies, settle_copies
from onnxmint.evidence.known import SIDES, Evidence, Files, Others
from onnxmint.evidence.nobody import Nobody
from onnxmint.evidence.table import EvidenceTable, check_labels, divided, list_evidence, require_enough
from onnxmint.graph.load import TargetModel
from onnxmint.images.classes import Numbering, read_names
from onnxmint.images.entries import ImageSource
from onnxmint.images.facts import HASH, ImageFacts, look_at
from onnxmint.images.known_copies import Looks
from onnxmint.images.passed import why_fewer
from onnxmint.images.together import Together, open_together
from onnxmint.preprocess.declared.names import declared_names
from onnxmint.progress import Stage
from onnxmint.settings import EvidenceSettings

OTHERS = 50_000  # images of a side that are given, not used, and yet looked at, so that they are known again
_LOOKED_INTO = 2000  # images of a side whose pixels are described; the classifiers take no more

Rows = NDArray[np.int64]
Sources = tuple[ImageSource, ...]


def open_evidence(
    members: str | Path | None, nonmembers: str | Path, settings: EvidenceSettings, target: TargetModel | None = None
) -> Together:
    """Open the sources of known members and of known non-members, in which a class has one number: its output's.

    Where no members are known (None), `Nobody` stands in their place.
    """
    known = open_together(
        (nonmembers,) if members is None else (members, nonmembers),
        group=settings.group,
        labels=settings.labels,
        classes=given_classes(settings),
        declared=() if target is None else declared_names(target.path, target.model.metadata_props),
        outputs=None if target is None else target.answer.classes,
    )
    if members is not None:
        return known
    nobody = Nobody()
    return replace(known, sources=(nobody, *known.sources), whole=(nobody, *known.whole))


def given_classes(settings: EvidenceSettings) -> Numbering | None:
    """Read the class names that the user gave in the order of the target's outputs."""
    return None if settings.classes is None else read_names(settings.classes)


def gather(
    sources: Sources,
    classes: int | None,
    settings: EvidenceSettings,
    *,
    rng: np.random.Generator,
    stage: Stage,
    folds: int | None = None,
    blind: bool = False,
) -> tuple[Evidence, Copies]:
    """List and look at the known images, settle copies among them, and divide what is left.

    Args:
        sources: of members and of non-members, in this order, with one numbering of classes.
        classes: outputs of the target, None when unknown.
        settings: limit.
        rng: source of all draws.
        stage: told of the progress.
        folds: of a cross-fitted module; None keeps parts for fitting, calibration and test.
        blind: divide without a look at who is a member.

    Raises:
        EvidenceError: too few images.
        ImagesError: labels that the target has no output for.
    """
    table = list_evidence(*sources, limit=settings.limit, rng=rng)
    if table.labels is not None:
        for source, (member, _) in zip(sources, SIDES, strict=True):
            check_labels(table.labels[table.is_member == member], classes, source)
    facts = look_at_known(table, sources, rng=rng, stage=stage)
    files = Files.of(facts, is_member=table.is_member)
    evidence, settled = settle_copies(Evidence(table=table, sources=sources, facts=facts, files=files))
    try:
        return replace(evidence, table=divided(evidence.table, rng, folds=folds, blind=blind)), settled
    except EvidenceError as problem:
        if settled.left_out_images:
            gone = settled.known - len(evidence.table.index)
            problem.add_note(f"{gone:,} were left out as copies, for example {settled.left_out_images[0]}")
        raise


def with_others(evidence: Evidence, whole: Sequence[ImageSource], stage: Stage, *, most: int = OTHERS) -> Evidence:
    """Return the evidence with the looks of all images that were given and are no rows: these are known as well.

    They are decoded for it, which is all that `limit` does not save; of a side that gives very many none is.

    Args:
        evidence: what is used.
        whole: members and non-members as they were given.
        stage: told of the progress.
        most: images of a side that are looked at.
    """
    found, sides, unseen, files = list[ImageFacts](), [], 0, evidence.files
    for used, source, (member, words) in zip(evidence.sources, whole, SIDES, strict=True):
        wanted = _not_used(used, source, evidence.table.index[evidence.table.is_member == member].tolist())
        if len(wanted) > most:
            unseen += len(wanted)
            files = files.without(member=member)
        elif wanted:
            name = f"other {words}, looked at"
            facts = look_at(
                source, wanted=wanted, stage=stage, name=name, threads=usable_cores(), pixel_facts=frozenset()
            )
            found.append(facts)
            sides.append(np.full(len(facts.index), member))
            there = _places(used, source, files.index[files.is_member == member].tolist())
            files = files.and_more(facts.outside(there), member=member)
    others = replace(evidence.others, unseen=unseen)
    if found:
        both = ImageFacts.joined(found)
        looks = Looks(digest=both.digest, phash=both.phash, thumb=both.thumb)
        others = Others(looks=looks, is_member=np.concatenate(sides), unseen=unseen)
    return replace(evidence, others=others, files=files) if found or unseen else evidence


def _not_used(used: ImageSource, source: ImageSource, rows: list[int]) -> set[int]:
    """Return the positions in a source of the images that are no rows of what is used of it."""
    return {entry.index for entry in source.entries()} - _places(used, source, rows)


def _places(used: ImageSource, source: ImageSource, rows: list[int]) -> set[int]:
    """Return the positions in a source of the images that are some rows of what is used of it."""
    if source is used:
        return set(rows)
    origins = used.origins()
    mine = {origins[row] for row in rows}
    pairs = zip(source.entries(), source.origins(), strict=True)
    return {entry.index for entry, origin in pairs if origin in mine}


def look_at_known(table: EvidenceTable, sources: Sources, *, rng: np.random.Generator, stage: Stage) -> ImageFacts:
    """Return what all known images look like without a model, row by row.

    Args:
        table: the known images, not yet divided.
        sources: of members and of non-members.
        rng: draws the images whose pixels are described.
        stage: told of the progress.

    Raises:
        EvidenceError: too few images of a side can be decoded.
    """
    rows, seen = [], []
    for source, (member, words) in zip(sources, SIDES, strict=True):
        mine = np.flatnonzero(table.is_member == member)
        if not len(mine):
            continue  # no members are known
        drawn = table.index[rng.permutation(mine)[:_LOOKED_INTO]]
        facts = look_at(
            source,
            wanted=set(table.index[mine].tolist()),
            stage=stage,
            name=f"{words}, looked at",
            threads=usable_cores(),
            pixel_facts=set(drawn.tolist()),
        )
        count = len(facts.index)
        if not count:
            raise EvidenceError(
                f"none of the known {words} in {source.location} can be decoded"
                f"{why_fewer(source, facts.unreadable, none=True)}"
            )
        require_enough(count, f"{words} of {len(mine):,}", why_fewer(source, facts.unreadable))
        row_of = dict(zip(table.index[mine].tolist(), mine.tolist(), strict=True))
        missing = sorted(set(row_of) - set(facts.index.tolist()))
        both = ImageFacts.joined([facts, *([_unseen(missing, facts, rng)] if missing else [])])
        rows.append(np.array([row_of[index] for index in both.index.tolist()], np.int64))
        seen.append(both)
    order = np.argsort(np.concatenate(rows))
    return ImageFacts.joined(seen).take(order)


def _unseen(missing: list[int], like: ImageFacts, rng: np.random.Generator) -> ImageFacts:
    """Return the facts of images that cannot be decoded: no copies of anything; the reader will name them."""
    count, files = len(missing), {one.index: one for one in like.unreadable}
    hashes = rng.integers(0, 1 << 63, (2, count), np.uint64)
    encoded = [files[index].encoded if index in files else bytes(HASH) for index in missing]
    return ImageFacts(
        index=np.array(missing, np.int64),
        file=np.full((count, like.file.shape[1]), np.nan, np.float32),
        statistics=like.statistics[:0],
        place=np.full(count, -1, np.int32),
        digest=hashes[0],
        phash=hashes[1],
        thumb=np.zeros((count, like.thumb.shape[1]), np.uint8),
        encoded=np.frombuffer(b"".join(encoded), np.uint8).reshape(count, HASH),
        size=np.array([files[index].size if index in files else 0 for index in missing], np.int64),
        more=np.zeros(count, np.bool_),
    )
