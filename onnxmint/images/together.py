"""Several sets of images of one audit, opened so that a class name has the same number in all of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from onnxmint.images.classes import Numbering, matched, settled
from onnxmint.images.entries import ImageSource
from onnxmint.images.joined import common
from onnxmint.images.labelled import labels_not_used, only_labelled
from onnxmint.images.sources import Place, open_source


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """Class names that are declared of a target.

    Attributes:
        place: where, as a user would look for it.
        numbering: what is said there, without a class where that cannot be read.
        problem: why it cannot be read.
    """

    place: str
    numbering: Numbering
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Together:
    """Sets of images whose classes agree.

    Attributes:
        sources: in the order of their places; of labelled ones, without the few images that have no label.
        whole: the same with all images.
        numbering: of the classes of all of them, None when none has names; what a questioned set is numbered by.
        notes: how the numbers were found where that was not given, what contradicts them, and what each set has to say.
    """

    sources: tuple[ImageSource, ...]
    whole: tuple[ImageSource, ...]
    numbering: Numbering | None
    notes: tuple[str, ...]


def open_together(
    places: Sequence[Place | Sequence[Place]],
    *,
    group: str | None = None,
    labels: bool = True,
    classes: Numbering | None = None,
    declared: Sequence[Declared] = (),
    outputs: int | None = None,
) -> Together:
    """Open sets of images, such as known members and known non-members.

    Args:
        places: one for each set, each a place or several.
        group: as in `open_source`.
        labels: false ignores all labels.
        classes: the number of each class name, given by the user.
        declared: class names that the target declares, first ones first; taken where they hold every class folder.
        outputs: classes of the target, None where that is not known.

    Raises:
        ImagesError: a place does not serve, or the classes cannot be one numbering.
        UsageError: a filter or group does not fit a place.
    """
    sources = [open_source(place, group=group, labels=labels, classes=classes) for place in places]
    if classes is not None or all(source.numbering is None for source in sources):
        numbering = classes if any(source.numbering is not None for source in sources) else None
        against = () if numbering is None else _against(numbering, declared)
        return _together(sources, numbering, against, labels=labels)
    numbering, notes = _found(sources, declared, outputs)
    opened = [
        source
        if source.numbering in (None, numbering)
        else open_source(place, group=group, labels=labels, classes=numbering)
        for place, source in zip(places, sources, strict=True)
    ]
    notes = (*notes, *_against(numbering, declared), *_lacking(sources))
    return _together(opened, numbering, notes, labels=labels)


def _together(
    whole: Sequence[ImageSource], numbering: Numbering | None, notes: tuple[str, ...], *, labels: bool
) -> Together:
    """Return sets with what they have to say, the few images that have no label left out."""
    sources = only_labelled(whole) if labels else tuple(whole)
    said = (note for source in sources for note in source.notes)
    return Together(
        sources=sources,
        whole=tuple(whole),
        numbering=numbering,
        notes=(*notes, *said, *(labels_not_used(sources) if labels else ())),
    )


def _found(
    sources: Sequence[ImageSource], declared: Sequence[Declared], outputs: int | None
) -> tuple[Numbering, tuple[str, ...]]:
    """Return the numbering of the classes of all sets, and how it was found where a reader may think otherwise."""
    found = [source.numbering for source in sources if source.numbering is not None]
    if all(one.order != "declared" for one in found):
        names = sorted({name for one in found for name in one.names})
        for said in declared:
            if (numbering := matched(names, said.numbering)) is not None:
                return numbering, (f"Class folders are numbered as {said.place} names the target's outputs.",)
    both = common(sources) or found[0]
    numbering = both if outputs is None else settled(both, outputs)
    if numbering == both:
        return numbering, ()
    return numbering, (
        f"Class folders count from 1 to {outputs:,}, and the target has {outputs:,} outputs: folder 1 is output 0.",
    )


def _against(numbering: Numbering, declared: Sequence[Declared]) -> tuple[str, ...]:
    """Return a sentence for each declaration that cannot be read, or gives a name another number."""
    own, found = numbering.by_name(), list[str]()
    for said in declared:
        if said.problem is not None:
            found.append(f"{said.place} may name the target's classes, and was not used: {said.problem}.")
        for name, number in said.numbering.by_name().items():
            if own.get(name, number) != number:
                mend = (
                    f"--classes numbers it {own[name]}, which was taken."
                    if numbering.order == "given"
                    else f"the images' classes number it {own[name]}: give the classes in order with --classes FILE."
                )
                found.append(f"{said.place} says that {name!r} is output {number}, but {mend}")
                break
    return tuple(found)


def _lacking(sources: Sequence[ImageSource]) -> tuple[str, ...]:
    """Return a sentence for each set that lacks classes of another: rightly, or since a folder is misspelt."""
    names = {source.location: set(source.classes) for source in sources if source.classes is not None}
    every = set().union(*names.values())
    return tuple(
        f"{location} lacks {len(every - own):,} of the {len(every):,} classes (for example {min(every - own)!r})."
        for location, own in names.items()
        if every - own
    )
