"""A graph as a PyTorch module: its operators run one after the other, what was learned of it are its parameters."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import onnx_ir as ir
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from onnxmint.errors import ModelError
from onnxmint.graph.flow import image_nodes
from onnxmint.remaking.calls import Call, as_tensor
from onnxmint.remaking.operators import OPERATORS
from onnxmint.remaking.roles import Weight, find_learned, require_known

OWN = ("Constant", "Dropout", "BatchNormalization")
"""Operators that the network computes by itself: their numbers are its own, or they learn otherwise than they judge."""

Values = dict[str, NDArray[np.float32]]
"""What was learned, by the name of the tensor that holds it."""

CLOSE = 1e-4
"""Largest difference of answers by PyTorch and onnxruntime, of the largest answer where that is above 1."""
CLOSE_HALF = 5e-3
"""The same of a graph that holds numbers of half precision, in which onnxruntime may compute."""

_SPREAD = 0.02  # deviation of fresh tables, such as places of tokens
_LONGEST = 120  # letters of a reason
_SLOPE = 0.25  # of fresh PRelu, as PyTorch begins
_MOMENTUM = 0.1  # share of the newest batch in what is kept of the level and spread of a channel


class Network(nn.Module):
    """A graph that can learn.

    Attributes:
        learned: what was learned of the graph, by name.
        halved: it holds numbers of half precision.
        normalisations: of the convolutions that are normalised while training, by the number of their node.
    """

    def __init__(self, graph: ir.Graph, image: str, answer: str, opset: int) -> None:
        """Take a graph with the numbers that it holds.

        Args:
            graph: takes raw pixels; its weights may be initialisers or Constants.
            image: name of its input.
            answer: name of what it is asked for.
            opset: of its standard operators.

        Raises:
            ModelError: an operator is not known, or holds numbers that may have been learned and have no role.
        """
        super().__init__()
        values = ir.convenience.create_value_mapping(graph, include_subgraphs=False)
        self._image, self._answer = image, answer
        nodes, _ = image_nodes(graph, values[image], values[answer])
        self.nodes = tuple(nodes)
        require_known({**OPERATORS, **dict.fromkeys(OWN)}, self.nodes)
        self.learned: dict[str, Weight] = find_learned(graph, values[image], values[answer])
        self._calls = [_call(node, opset) for node in self.nodes]
        self._last = _last_uses(self.nodes, answer)
        self.normalisations = nn.ModuleDict()
        self.halved = False
        self._parameters_of: dict[str, str] = {}
        self._fixed: dict[str, str] = {}
        self._sizes: dict[str, Tensor] = {}
        for number, (name, tensor) in enumerate(_numbers(self.nodes, values)):
            self._hold(number, name, as_tensor(tensor.numpy()))
            self.halved = self.halved or tensor.dtype == ir.DataType.FLOAT16

    def _hold(self, number: int, name: str, value: Tensor) -> None:
        """Keep a tensor of the graph: as a parameter, a buffer, or (whole numbers, of sizes) where it is."""
        weight = self.learned.get(name)
        if weight is None and not value.is_floating_point():
            self._sizes[name] = value
        elif weight is None or weight.role in ("mean", "variance"):
            self.register_buffer(f"fixed{number}", value)
            self._fixed[name] = f"fixed{number}"
        else:
            self.register_parameter(f"learned{number}", nn.Parameter(value))
            self._parameters_of[name] = f"learned{number}"

    def held(self, name: str) -> Tensor:
        """Return a tensor of the graph by its name."""
        place = self._parameters_of.get(name) or self._fixed.get(name)
        found: Tensor = self._sizes[name] if place is None else getattr(self, place)
        return found

    def forward(self, pixels: Tensor) -> Tensor:
        """Return (N, K) answers to (N, H, W, C) uint8 pixels."""
        kept: dict[str, Tensor] = {self._image: pixels}
        for number, (node, call) in enumerate(zip(self.nodes, self._calls, strict=True)):
            if call.kind == "Constant":
                continue
            given = [None if value is None else self._given(value, kept) for value in node.inputs]
            made = self._computed(number, node, call, given)
            kept.update(zip((value.name or "" for value in node.outputs), made, strict=False))
            for name in self._last[number]:
                kept.pop(name, None)
        return kept[self._answer]

    def _given(self, value: ir.Value, kept: Mapping[str, Tensor]) -> Tensor:
        name = value.name or ""
        found = kept.get(name)
        return self.held(name) if found is None else found

    def _computed(self, number: int, node: ir.Node, call: Call, given: list[Tensor | None]) -> tuple[Tensor, ...]:
        """Compute one operator."""
        if call.kind == "Dropout":
            return (self._dropped(call, given),)
        if call.kind == "BatchNormalization":
            return (self._normalised(call, given),)
        try:
            found = OPERATORS[call.kind](call, given)
        except (RuntimeError, IndexError, ValueError, TypeError) as problem:
            raise call.refused(f"(in PyTorch: {str(problem).splitlines()[0][:_LONGEST]})") from None
        key = str(number)
        if key in self.normalisations and isinstance(found, Tensor):
            found = self.normalisations[key](found)
        return (found,) if isinstance(found, Tensor) else found

    def _dropped(self, call: Call, given: list[Tensor | None]) -> Tensor:
        value = given[0]
        ratio = given[1] if len(given) > 1 else None
        share = call.get("ratio", 0.5) if ratio is None else float(ratio)
        if value is None:
            raise call.refused("without an input")
        return functional.dropout(value, share, self.training)

    def _normalised(self, call: Call, given: list[Tensor | None]) -> Tensor:
        value, scale, bias, mean, variance = given[:5]
        if value is None or call.outputs > 1:
            raise call.refused("in training mode")
        found: Tensor = functional.batch_norm(
            value, mean, variance, scale, bias, self.training, _MOMENTUM, call.get("epsilon", 1e-5)
        )
        return found

    def renew(self, seed: int) -> None:
        """Give fresh numbers to all that was learned: He's initialisation, no bias, identity as normalisation."""
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for name, weight in self.learned.items():
                self.held(name).copy_(_fresh(weight, self.held(name), generator))

    def values(self) -> Values:
        """Return what is learned now."""
        return {name: self.held(name).detach().cpu().numpy().copy() for name in self.learned}


def _fresh(weight: Weight, value: Tensor, generator: torch.Generator) -> Tensor:
    if weight.role in ("weight", "table"):
        deviation = math.sqrt(2 / weight.fan_in) if weight.role == "weight" else _SPREAD
        return torch.randn(value.shape, generator=generator) * deviation
    level = {"bias": 0.0, "mean": 0.0, "scale": 1.0, "variance": 1.0, "slope": _SLOPE}[weight.role]
    return torch.full(value.shape, level)


def _call(node: ir.Node, opset: int) -> Call:
    attributes: dict[str, Any] = {}
    for name, attribute in node.attributes.items():
        attributes[name] = attribute.value
    first = node.outputs[0].name if node.outputs else ""
    used = sum(bool(value.name) and bool(value.uses() or value.is_graph_output()) for value in node.outputs)
    count = len(node.outputs) if node.op_type == "Split" else max(1, used)
    return Call(kind=node.op_type, name=node.name or first or "", attributes=attributes, opset=opset, outputs=count)


def _last_uses(nodes: tuple[ir.Node, ...], answer: str) -> list[list[str]]:
    """Return for each node the tensors that nobody reads after it."""
    last = {value.name or "": place for place, node in enumerate(nodes) for value in node.inputs if value is not None}
    last.pop(answer, None)
    found: list[list[str]] = [[] for _ in nodes]
    for name, place in last.items():
        found[place].append(name)
    return found


def _numbers(nodes: tuple[ir.Node, ...], values: Mapping[str, ir.Value]) -> Iterator[tuple[str, ir.TensorProtocol]]:
    """Yield the tensors that nodes read and none of them makes from others."""
    names = dict.fromkeys(value.name or "" for node in nodes for value in node.inputs if value is not None)
    for name in names:
        value = values.get(name)
        tensor = None if value is None else ir.convenience.get_const_tensor(value)
        if tensor is not None:
            yield name, tensor


def require_equal(network: Network, pixels: NDArray[np.uint8], said: NDArray[np.floating], path: object) -> None:
    """Prove a network: with the numbers of the graph it says what onnxruntime says.

    Raises:
        ModelError: it does not.
    """
    network.eval()
    with torch.inference_mode():
        found = network(torch.from_numpy(pixels)).numpy()
    far = (
        float(np.abs(found - said).max() / max(1.0, float(np.abs(said).max()))) if found.shape == said.shape else np.inf
    )
    allowed = CLOSE_HALF if network.halved else CLOSE
    if not far <= allowed:
        raise ModelError(
            f"{path}: made anew in PyTorch, the graph answers otherwise than in onnxruntime (apart by {far:.2g}, "
            f"allowed {allowed:g}): train references by hand, as examples/train_references.py does, or make them with "
            "--features OTHER.onnx"
        )
