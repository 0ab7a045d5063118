"""Growing the trees of a module with scikit-learn, and taking them out of it as tensors."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from onnxmint.mint.modules.parts import Forest

ROUNDS = 150
_LEAVES = 8
_RATE, _SHARE = 0.05, 0.5  # how much of a tree is added; of the features, how many a question chooses from
_LEFT, _RIGHT = 1.0, -1.0

Truth = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grown:
    """Trees that were stopped by images which they did not learn from.

    Attributes:
        forest: the trees of the best round and before it.
        rounds: that round.
        loss: binary cross-entropy of the images that they did not learn from, at that round.
    """

    forest: Forest
    rounds: int
    loss: float


def grow(features: NDArray[np.float32], is_member: Truth, held: Truth, *, seed: int) -> Grown:
    """Grow trees on some images, as many as are best for the others.

    Args:
        features: (n, F).
        is_member: (n,) truth.
        held: (n,) the images that say when to stop.
        seed: of the features that a question may choose from.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits

    learn, sign = ~held, np.where(is_member[held], 1.0, -1.0)
    if len(np.unique(is_member[learn])) == 1:  # groups can leave one side only, of which nothing is to be learned
        return Grown(forest=forest_of([], 0.0), rounds=0, loss=float(np.log(2)))
    trees = HistGradientBoostingClassifier(
        max_iter=ROUNDS, learning_rate=_RATE, max_leaf_nodes=_LEAVES, max_features=_SHARE, early_stopping=False,
        random_state=seed,
    )  # fmt: skip
    with threadpool_limits(1):  # so few images are divided among threads more slowly than they are sorted
        trees.fit(features[learn], is_member[learn])
        losses = [np.logaddexp(0, -sign * said).mean() for said in trees.staged_decision_function(features[held])]
    rounds = 1 + int(np.argmin(losses))
    return Grown(forest=fitted_forest(trees, rounds), rounds=rounds, loss=float(losses[rounds - 1]))


def fitted_forest(trees: Any, rounds: int) -> Forest:
    """Return the first so many trees of scikit-learn's HistGradientBoostingClassifier for two classes."""
    nodes = [tree.nodes for (tree,) in trees._predictors[:rounds]]  # nothing public gives them out
    return forest_of(nodes, float(np.ravel(trees._baseline_prediction)[0]))


def forest_of(trees: list[Any], base: float) -> Forest:
    """Return trees, each scikit-learn's table of its nodes, as tensors."""
    leaves = max([2, *(int(tree["is_leaf"].sum()) for tree in trees)])
    count = max(1, len(trees))  # a tree of zeros where there is none
    feature, threshold = np.zeros((count, leaves - 1), np.int64), np.zeros((count, leaves - 1), np.float32)
    path, value = np.zeros((count, leaves - 1, leaves), np.float32), np.zeros((count, leaves), np.float32)
    for number, tree in enumerate(trees):
        questions, ends = np.flatnonzero(tree["is_leaf"] == 0), np.flatnonzero(tree["is_leaf"])
        feature[number, : len(questions)] = tree["feature_idx"][questions]
        threshold[number, : len(questions)] = _not_above(tree["num_threshold"][questions])
        path[number, : len(questions), : len(ends)] = _paths(tree)[np.ix_(questions, ends)]
        value[number, : len(ends)] = tree["value"][ends]
    tensors = [torch.from_numpy(part) for part in (feature, threshold, path, value)]
    return Forest(feature=tensors[0], threshold=tensors[1], path=tensors[2], value=tensors[3], base=base)


def _paths(tree: Any) -> NDArray[np.float64]:
    """Return (nodes, nodes): on which side of the first the second lies, 0 where not below it."""
    found = np.zeros((len(tree), len(tree)))
    waiting = [0]
    while waiting:
        above = waiting.pop()
        if tree["is_leaf"][above]:
            continue
        for side, below in ((_LEFT, int(tree["left"][above])), (_RIGHT, int(tree["right"][above]))):
            found[:, below] = found[:, above]
            found[above, below] = side
            waiting.append(below)
    return found


def _not_above(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the largest float32 that are not above some float64: what is up to one is up to the other."""
    near = values.astype(np.float32)
    return np.where(near > values, np.nextafter(near, np.float32(-np.inf)), near)
