"""A model being edited: names that are free, tensors that are there, places for new nodes."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FLOAT = TensorProto.FLOAT


@dataclass
class Graph:
    """A model being edited, with what is known of its tensors."""

    model: onnx.ModelProto
    rng: random.Random
    shapes: dict[str, tuple[int, list[int | None] | None]] = field(default_factory=dict)  # type, sizes
    count: int = 0

    def __post_init__(self) -> None:
        """Look up types and shapes; standard operators are put in, so their domain must be there."""
        if not {"", "ai.onnx"} & {one.domain for one in self.model.opset_import}:
            self.model.opset_import.append(helper.make_opsetid("", 17))
        self.learn()

    def learn(self) -> None:
        """Infer types and shapes as they are now."""
        for value in (*self.model.graph.value_info, *self.model.graph.input, *self.model.graph.output):
            tensor = value.type.tensor_type
            sizes = [d.dim_value if d.HasField("dim_value") else None for d in tensor.shape.dim]
            self.shapes[value.name] = tensor.elem_type, sizes if tensor.HasField("shape") else None

    def name(self) -> str:
        """Return a name that no tensor has."""
        self.count += 1
        return f"fuzz_{self.count}_{self.rng.randrange(10**6)}"

    def constant(self, value: object, kind: type = np.float32) -> str:
        """Add a weight and return its name."""
        found = self.name()
        self.model.graph.initializer.append(numpy_helper.from_array(np.asarray(value, kind), found))
        return found

    def floats(self) -> list[tuple[int, str]]:
        """Return the float tensors made by nodes of the main graph, with the place of the node."""
        made = [(at, out) for at, node in enumerate(self.model.graph.node) for out in node.output if out]
        known = [(at, out) for at, out in made if self.shapes.get(out, (FLOAT, None))[0] in (FLOAT, 0)]
        return known or made

    def behind(self, nodes: Callable[[str, str], list[onnx.NodeProto]]) -> None:
        """Put nodes behind a tensor, which then bear its name: `nodes(before, after)` makes them."""
        at, tensor = self.rng.choice(self.floats())
        before = self.name()
        node = self.model.graph.node[at]
        node.output[list(node.output).index(tensor)] = before
        self.insert(at + 1, nodes(before, tensor))

    def insert(self, at: int, nodes: list[onnx.NodeProto]) -> None:
        """Put nodes at a place of the main graph."""
        rest = [onnx.NodeProto.FromString(node.SerializeToString()) for node in self.model.graph.node[at:]]
        del self.model.graph.node[at:]
        self.model.graph.node.extend([*nodes, *rest])
