"""Shuffling what classical models learned: their weights are attributes of operators, not tensors of the graph."""

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

_LEAF = "LEAF"
_AS_TENSOR = "_as_tensor"  # what the name of an attribute ends in that holds a tensor instead of a list
_LEARNED = ("coefficients", "support_vectors")  # of linear models and support vector machines
_Order = np.ndarray
_NEWER = {"nodes_splits": None, "leaf_weights": "leaf_targetids"}  # of TreeEnsemble, and within what each is shuffled


def shuffle_attributes(node: ir.Node, rng: np.random.Generator) -> None:
    """Shuffle the learned attributes of an operator of ai.onnx.ml, in place; others stay as they are."""
    if node.op_type in {"TreeEnsembleClassifier", "TreeEnsembleRegressor"}:
        _shuffle_trees(node, rng)
    if node.op_type == "TreeEnsemble":
        _shuffle_newer_trees(node, rng)
    for name in _LEARNED:
        if name in node.attributes:
            numbers = np.array(node.attributes[name].as_floats())
            node.attributes[name] = ir.AttrFloat32s(name, rng.permutation(numbers).tolist())


def _shuffle_trees(node: ir.Node, rng: np.random.Generator) -> None:
    """Shuffle thresholds among the branches, and whole leaves among leaves that speak of the same classes."""
    modes = node.attributes["nodes_modes"].as_strings()
    branches = np.array([number for number, mode in enumerate(modes) if mode != _LEAF], int)
    _permute(node, "nodes_values", branches, rng.permutation(branches))
    kind = "class" if node.op_type == "TreeEnsembleClassifier" else "target"
    name = f"{kind}_weights"
    if not {name, f"{name}{_AS_TENSOR}"} & set(node.attributes):
        return
    for leaves in _leaves_by_classes(node, kind):
        _permute(node, name, leaves.ravel(), rng.permutation(leaves).ravel())


def _shuffle_newer_trees(node: ir.Node, rng: np.random.Generator) -> None:
    """Do the same to the operator that ai.onnx.ml has since opset 5, which holds tensors."""
    for name, within in _NEWER.items():
        weights = node.attributes[name].as_tensor().numpy().copy()
        groups = np.zeros(len(weights)) if within is None else np.array(node.attributes[within].as_ints())
        for group in np.unique(groups):
            places = np.flatnonzero(groups == group)
            weights[places] = weights[rng.permutation(places)]
        node.attributes[name] = ir.AttrTensor(name, ir.tensor(weights, name=name))


def _leaves_by_classes(node: ir.Node, kind: str) -> list[_Order]:
    """Return (leaves, weights of a leaf) places of the weights, one array for each set of classes that leaves have."""
    columns = [node.attributes[f"{kind}_{part}"].as_ints() for part in ("treeids", "nodeids", "ids")]
    leaves: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for place, (tree, leaf, category) in enumerate(zip(*columns, strict=True)):
        leaves.setdefault((tree, leaf), []).append((category, place))
    groups: dict[tuple[int, ...], list[list[int]]] = {}
    for entries in leaves.values():
        entries.sort()
        groups.setdefault(tuple(category for category, _ in entries), []).append([place for _, place in entries])
    return [np.array(places) for places in groups.values()]


def _permute(node: ir.Node, name: str, places: Sequence[int] | _Order, sources: Sequence[int] | _Order) -> None:
    """Reorder some numbers of an attribute: a list of floats, or, since ai.onnx.ml 3, a tensor, perhaps of doubles."""
    held = f"{name}{_AS_TENSOR}"
    if held in node.attributes:
        tensor = node.attributes[held].as_tensor()
        values = tensor.numpy().copy()
        values[places] = values[sources]
        node.attributes[held] = ir.AttrTensor(held, ir.tensor(values, name=tensor.name))
        return
    numbers = np.array(node.attributes[name].as_floats())
    numbers[places] = numbers[sources]
    node.attributes[name] = ir.AttrFloat32s(name, numbers.tolist())
