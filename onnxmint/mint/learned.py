"""The difficulty of known images, learned from the images themselves where no reference was given."""

import numpy as np
from numpy.typing import NDArray

from onnxmint.evidence.table import EvidenceTable
from onnxmint.mint.difficulty import EPOCHS, FOLDS, cross_fitted_log_odds
from onnxmint.progress import Stage
from onnxmint.stats.partition import divide

_FEWEST = 400  # known images that small classifiers can learn from
_PER_CLASS = 10

Rows = NDArray[np.int64]


def why_not_learned(table: EvidenceTable, predicted: Rows) -> str | None:
    """Return why difficulty cannot be learned from some images, None when it can."""
    labels = predicted if table.labels is None else table.labels
    classes = len(np.unique(labels))
    needed = max(_FEWEST, _PER_CLASS * FOLDS * classes)
    if len(labels) >= needed:
        return None
    return f"{len(labels):,} known images of {classes} classes are too few to learn difficulty from ({needed:,} do)"


def learned_ease(
    images: NDArray[np.uint8], table: EvidenceTable, predicted: Rows, *, seed: int, stage: Stage
) -> tuple[NDArray[np.float64], NDArray[np.int8]]:
    """Learn how easy images are.

    Args:
        images: (k, C, h, w) uint8, small.
        table: which images they are.
        predicted: (k,) the target's top classes, used where there are no labels.
        seed: of the classifiers.
        stage: told of the progress.

    Returns:
        (k,) log-odds by classifiers that did not learn from the image, and (k,) which classifier.
    """
    labels = predicted if table.labels is None else table.labels
    fold = divide(table.is_member, table.labels, table.groups, np.random.default_rng(seed), shares=[1 / FOLDS] * FOLDS)
    with stage("learning what is difficult", EPOCHS * FOLDS) as advance:
        return cross_fitted_log_odds(images, labels, fold, seed=seed, advance=advance), fold
