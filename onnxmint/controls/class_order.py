"""Which outputs of a target the class names of some images have, as its answers to them say."""

from collections.abc import Sequence

import numpy as np

from onnxmint.images.classes import Numbering, numbering_of, orders
from onnxmint.images.entries import ImageEntry, ImageSource
from onnxmint.stats.renumbering import AS_GOOD, Labels, Renumbering


def class_order(
    source: ImageSource, found: Renumbering | None, labels: Labels, predicted: Labels, classes: int
) -> Numbering | None:
    """Return the class names of a source numbered as the target numbers them, None where that is not known of all.

    Args:
        source: of the images.
        found: how labels and outputs correspond; None when they agree.
        labels: (n,) of the images that were tried.
        predicted: (n,) outputs for these.
        classes: outputs of the target.
    """
    names = _names(source.numbering, source.entries())
    if found is None:
        return _numbered({name: label for label, name in names.items()}, classes)
    of_sample, row = np.unique(labels, return_inverse=True)
    for order in orders(names.values(), classes):
        outputs = order.by_name()
        meant = np.array([outputs.get(names.get(label, ""), -1) for label in of_sample.tolist()])[row]
        if (meant == predicted).mean() >= found.accuracy - AS_GOOD:
            return order
    if found.shift is not None:
        return _numbered({name: label + found.shift for label, name in names.items()}, classes)
    pairs = dict(found.pairs)
    return _numbered({name: pairs.get(label, -1) for label, name in names.items()}, classes)


def _names(numbering: Numbering | None, entries: Sequence[ImageEntry]) -> dict[int, str]:
    """Return the name of each label; without names it is the number."""
    if numbering is not None:
        return dict(zip(numbering.numbers, numbering.names, strict=True))
    return {label: str(label) for label in sorted({one.label for one in entries if one.label is not None})}


def _numbered(numbers: dict[str, int], classes: int) -> Numbering | None:
    """Return class names with numbers, None unless each is one of the outputs, and another one."""
    if not numbers or not all(0 <= number < classes for number in numbers.values()):
        return None
    return numbering_of(numbers, "given") if len(set(numbers.values())) == len(numbers) else None
