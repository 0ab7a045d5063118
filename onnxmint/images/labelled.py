"""Labels that are lacking: a few images without one are left out and named, and do not cost all others theirs."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from onnxmint.images.entries import ImageSource
from onnxmint.images.labels import FAULTY
from onnxmint.images.listing import has_label
from onnxmint.images.passed import Tally
from onnxmint.images.subset import SubsetSource


class LabelledSource(SubsetSource):
    """The images of a source that have a label."""

    def __init__(self, source: ImageSource) -> None:
        """Leave out and count those that have none."""
        tally, every = Tally(), source.entries()
        told = has_label(every)
        for place in np.flatnonzero(~told).tolist():
            tally.add("images without a label among labelled ones", every[place].path)
        super().__init__(source, np.flatnonzero(told), tally.found())


def only_labelled(sources: Sequence[ImageSource]) -> tuple[ImageSource, ...]:
    """Return sources without the few of their images that have no label.

    They are as they were where one of them has no labels at all, or lacks many: then none can be used.
    """
    lacking = [len(_without(one)) for one in sources]
    pairs = list(zip(sources, lacking, strict=True))
    few = all(count <= max(1, FAULTY * len(one.entries())) for one, count in pairs)
    some = all(count < len(one.entries()) for one, count in pairs if one.entries())
    if not (few and some):
        return tuple(sources)
    return tuple(LabelledSource(one) if count else one for one, count in pairs)


def lacking_labels(source: ImageSource) -> str | None:
    """Return in words how many images have no label, None where all have one."""
    lacking, count = _without(source), len(source.entries())
    if not len(lacking):
        return None
    if len(lacking) == count:
        return f"no image in {source.location} has a label"
    return (
        f"{len(lacking):,} of {count:,} images in {source.location} have no label, for example "
        f"{source.entries()[int(lacking[0])].path}"
    )


def labels_not_used(sources: Sequence[ImageSource]) -> tuple[str, ...]:
    """Return a sentence on labels that some images have and others lack; none where all have one, or none."""
    if all(len(_without(one)) == len(one.entries()) for one in sources):
        return ()
    told = [words for one in sources if (words := lacking_labels(one)) is not None]
    return (f"Labels are not used: {'; '.join(told)}.",) if told else ()


def _without(source: ImageSource) -> NDArray[np.int64]:
    """Return the positions of images without a label."""
    return np.flatnonzero(~has_label(source.entries()))
