"""Normalisation after convolutions whose own was folded into them when they were exported: put back, and folded again.

Deep residual networks learn worse without it. A batch normalisation behind a convolution with a bias is a scale and a
shift of its channels when it judges, so that what was learned goes into weight and bias of the exported graph.
"""

from collections import Counter
from collections.abc import Iterator

import numpy as np
import onnx_ir as ir
from torch import nn

from onnxmint.remaking.network import Network, Values

_DEEP = 8  # convolutions, more of which do not learn well without normalisation
_NORMALISING = {"BatchNormalization", "LayerNormalization", "InstanceNormalization", "GroupNormalization"}
_MODULES: dict[int, type[nn.Module]] = {3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}  # by axes


def lost_normalisation(network: Network) -> tuple[int, ...]:
    """Return the numbers of the nodes whose normalisation was folded into them; none of a network that needs none.

    It was where nothing normalises any more, and branches are added or there are many convolutions.
    """
    nodes = network.nodes
    own = any(weight.role == "scale" for weight in network.learned.values())  # written out in simpler operators
    if own or any(node.op_type in _NORMALISING for node in nodes):
        return ()
    found = tuple(_foldable(network))
    branches = any(node.op_type in ("Add", "Sum") and _joins(network, node) for node in nodes)
    return found if branches or len(found) > _DEEP else ()


def _joins(network: Network, node: ir.Node) -> bool:
    """Say whether two tensors that were made of the image are added."""
    return sum(value is not None and value.producer() is not None and value.name not in network.learned
               and ir.convenience.get_const_tensor(value) is None for value in node.inputs) > 1  # fmt: skip


def _foldable(network: Network) -> Iterator[int]:
    """Yield the convolutions whose weight and bias are their own and stand as they are read."""
    uses = Counter(value.name for node in network.nodes for value in node.inputs if value is not None)
    for number, node in enumerate(network.nodes):
        if node.op_type != "Conv" or len(node.inputs) < 3:  # noqa: PLR2004 - image, weight, bias
            continue
        held = [_plain(value) for value in node.inputs[1:3] if value is not None]
        if len(held) == 2 and all(name in network.learned and uses[name] == 1 for name in held):  # noqa: PLR2004
            yield number


def _plain(value: ir.Value) -> str:
    """Return the name of what holds a tensor that at most was cast."""
    node = value.producer()
    while node is not None and node.op_type in ("Cast", "Identity") and node.inputs[0] is not None:
        value = node.inputs[0]
        node = value.producer()
    return value.name or ""


def normalise(network: Network, numbers: tuple[int, ...]) -> None:
    """Put a fresh normalisation behind some convolutions."""
    for number in numbers:
        weight = network.held(_plain(_input(network, number, 1)))
        network.normalisations[str(number)] = _MODULES[weight.dim()](weight.shape[0])


def folded(network: Network) -> Values:
    """Return what is learned now, with normalisations folded into the convolutions before them."""
    values = network.values()
    for number, module in network.normalisations.items():
        state = {name: value.detach().cpu().double().numpy() for name, value in module.state_dict().items()}
        factor = state["weight"] / np.sqrt(state["running_var"] + float(getattr(module, "eps", 0)))
        names = [_plain(_input(network, int(number), place)) for place in (1, 2)]
        weight, bias = (values[name].astype(np.float64) for name in names)
        values[names[0]] = (weight * factor.reshape(-1, *[1] * (weight.ndim - 1))).astype(np.float32)
        values[names[1]] = ((bias - state["running_mean"]) * factor + state["bias"]).astype(np.float32)
    return values


def _input(network: Network, number: int, place: int) -> ir.Value:
    value = network.nodes[number].inputs[place]
    if value is None:
        raise ValueError(f"input {place} of node {number} is missing")
    return value
