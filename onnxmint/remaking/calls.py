"""One call of an operator: what it is given and how it was exported; and the refusal of what cannot be made anew."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from onnxmint.errors import ModelError

FLOAT = torch.float32
"""Of all numbers that are no whole ones: a network in float16 learns in float32."""

AXES_AS_INPUT = 13
"""Opset from which Squeeze, Unsqueeze, Split and ReduceSum take axes or sizes as an input."""

Given = Sequence[Tensor | None]
"""Inputs of an operator; None for one that is left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """An operator as it stands in a graph.

    Attributes:
        kind: operator.
        name: of its node, or of its output.
        attributes: by name.
        opset: of the graph.
        outputs: how many are used.
    """

    kind: str
    name: str
    attributes: dict[str, Any]
    opset: int
    outputs: int = 1

    def get(self, name: str, default: Any = None) -> Any:
        """Return an attribute."""
        return self.attributes.get(name, default)

    def axes(self, given: Given, place: int, since: int) -> list[int] | None:
        """Return axes: an attribute before the opset `since`, an input from then on; None where there are none."""
        if self.opset < since:
            found = self.get("axes")
            return None if found is None else list(found)
        value = given[place] if place < len(given) else None
        return None if value is None else whole(value)

    def refused(self, why: str) -> ModelError:
        """Return the error for an operator that cannot be made anew as it stands."""
        return refusal(self.kind, self.name, f" {why}")


def refusal(kind: str, name: str, why: str = "") -> ModelError:
    """Return the error for an operator that cannot be made anew.

    Args:
        kind: operator.
        name: of its node.
        why: what about it cannot, with a space before it; empty for all of it.
    """
    return ModelError(
        f"the graph cannot be trained anew: its operator {kind}{why} (node {name!r}) cannot be; train "
        "references by hand, as examples/train_references.py does, or make them with --features OTHER.onnx"
    )


def whole(value: Tensor) -> list[int]:
    """Return whole numbers that a tensor holds."""
    found: list[int] = value.reshape(-1).tolist()
    return [int(number) for number in found]


def needed(given: Given, place: int) -> Tensor:
    """Return an input that has to be there; a valid graph has it.

    Raises:
        ValueError: it is not.
    """
    value = given[place] if place < len(given) else None
    if value is None:
        raise ValueError(f"input {place} is missing")
    return value


def optional(given: Given, place: int) -> Tensor | None:
    """Return an input, None where it is left out."""
    return given[place] if place < len(given) else None


def beside(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Return two tensors on one device: what was computed of sizes goes where the images are."""
    if first.device == second.device or first.dim() == 0 or second.dim() == 0:
        return first, second
    device = second.device if first.device.type == "cpu" else first.device
    return first.to(device), second.to(device)


def as_tensor(values: NDArray[Any]) -> Tensor:
    """Return an array as a tensor: whole numbers as they are, all others in single precision."""
    return torch.from_numpy(np.array(values, np.float32 if values.dtype.kind == "f" else values.dtype))
