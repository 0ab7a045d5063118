"""Shift: do the two sides differ in files, pixels or features of a model that knows nothing of any image?"""

import numpy as np
from numpy.typing import NDArray

from onnxmint.controls.seen import Seen
from onnxmint.controls.words import CHANCE, numbers
from onnxmint.evidence.known import Evidence
from onnxmint.images.facts import FILE_FACTS
from onnxmint.results.facts import Control, ControlName
from onnxmint.stats.estimates import Estimate
from onnxmint.stats.two_sample import Comparison, compare_features

_TELLING = 0.02  # by how much one column alone must tell the sides apart to be named


def files_control(seen: Seen, rng: np.random.Generator) -> Control:
    """Can members be told from non-members by their files alone, without names?"""
    decoded = np.flatnonzero(np.isfinite(seen.evidence.facts.file[:, 0]))
    looked = seen.evidence.take(decoded)
    found = _between_sides(looked, looked.facts.file, rng)
    if found is None:
        return _too_few("files")
    named = _most_telling(looked.facts.file, looked.table.is_member)
    because = f" Most telling: {named}." if found.auc.low > CHANCE and named else ""
    return Control(
        name="files",
        passed=found.auc.low <= CHANCE,
        text=_words("Files alone (format, size, compression; no names)", found.auc) + because,
        auc=found.auc,
    )


def pixels_control(seen: Seen, rng: np.random.Generator) -> Control:
    """Can members be told from non-members by simple statistics of their pixels?"""
    part = seen.evidence.take(seen.evidence.facts.described)
    found = _between_sides(part, part.facts.pixel, rng)
    if found is None:
        return _too_few("pixels")
    return Control(
        name="pixels",
        passed=found.auc.low <= CHANCE,
        text=_words("Statistics of the pixels (brightness, colours, sharpness, rounding)", found.auc),
        auc=found.auc,
    )


def _between_sides(looked: Evidence, values: NDArray[np.floating], rng: np.random.Generator) -> Comparison | None:
    side, groups = looked.table.is_member, looked.table.groups
    try:
        return compare_features(
            values[side].astype(np.float64),
            values[~side].astype(np.float64),
            rng=rng,
            groups=None if groups is None else (groups[side], groups[~side]),
        )
    except ValueError:  # fewer images than folds
        return None


def _words(what: str, auc: Estimate) -> str:
    if auc.low > CHANCE:
        return f"{what} tell known members from non-members without any model ({numbers(auc)})."
    return f"{what} were not seen to tell known members from non-members ({numbers(auc)})."


def _too_few(name: ControlName) -> Control:
    return Control(name=name, passed=None, text="Not run: too few known images for five folds.")


def _most_telling(values: NDArray[np.floating], is_member: NDArray[np.bool_]) -> str | None:
    """Return the name of the column that tells the sides apart best by itself."""
    from scipy.stats import rankdata

    best, name = _TELLING, None
    inside = int(is_member.sum())
    for column, words in zip(values.T, FILE_FACTS, strict=True):
        ranks = rankdata(np.nan_to_num(column, nan=-1.0))
        auc = (ranks[is_member].sum() - inside * (inside + 1) / 2) / (inside * (len(ranks) - inside))
        if abs(auc - 0.5) > best:
            best, name = abs(auc - 0.5), words
    return name
