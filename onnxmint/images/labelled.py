"""Labels that are lacking: a few images without one are left out and named, and do not cost all others theirs."""

from collections.abc import Sequence

from onnxmint.images.entries import ImageEntry, ImageSource
from onnxmint.images.labels import FAULTY
from onnxmint.images.passed import Tally
from onnxmint.images.subset import SubsetSource


class LabelledSource(SubsetSource):
    """The images of a source that have a label."""

    def __init__(self, source: ImageSource) -> None:
        """Leave out and count those that have none."""
        tally = Tally()
        for entry in source.entries():
            if entry.label is None:
                tally.add("images without a label among labelled ones", entry.path)
        place = [place for place, entry in enumerate(source.entries()) if entry.label is not None]
        super().__init__(source, place, tally.found())


def only_labelled(sources: Sequence[ImageSource]) -> tuple[ImageSource, ...]:
    """Return sources without the few of their images that have no label.

    They are as they were where one of them has no labels at all, or lacks many: then none can be used.
    """
    few = all(len(_without(one)) <= max(1, FAULTY * len(one.entries())) for one in sources)
    some = all(len(_without(one)) < len(one.entries()) for one in sources if one.entries())
    if not (few and some):
        return tuple(sources)
    return tuple(LabelledSource(one) if _without(one) else one for one in sources)


def lacking_labels(source: ImageSource) -> str | None:
    """Return in words how many images have no label, None where all have one."""
    lacking, count = _without(source), len(source.entries())
    if not lacking:
        return None
    if len(lacking) == count:
        return f"no image in {source.location} has a label"
    return f"{len(lacking):,} of {count:,} images in {source.location} have no label, for example {lacking[0].path}"


def labels_not_used(sources: Sequence[ImageSource]) -> tuple[str, ...]:
    """Return a sentence on labels that some images have and others lack; none where all have one, or none."""
    if all(len(_without(one)) == len(one.entries()) for one in sources):
        return ()
    told = [words for one in sources if (words := lacking_labels(one)) is not None]
    return (f"Labels are not used: {'; '.join(told)}.",) if told else ()


def _without(source: ImageSource) -> list[ImageEntry]:
    return [entry for entry in source.entries() if entry.label is None]
