"""Which known images say whether members can be told at all, and which measure the questioned ones: never the same."""

import numpy as np

from onnxmint.stats.gate import Gate, gate_of, spent_on_gate
from onnxmint.verdict.yardstick import Yardstick


def gate_and_yardstick(gate: Gate | None, yardstick: Yardstick) -> tuple[Gate | None, Yardstick]:
    """Return the gate, and what questioned images are measured by.

    Where every known image is held out (cross-fitting, a module that learns nothing) some non-members serve the gate
    only: see `spent_on_gate`.

    Args:
        gate: of the part that a module was fitted on; None where there is none.
        yardstick: held-out known images.
    """
    if gate is not None or not yardstick.is_member.any():  # without known members there is nothing to ask
        return gate, yardstick
    unit = yardstick.number if yardstick.group is None else yardstick.group
    outside, spent = np.flatnonzero(~yardstick.is_member), np.zeros_like(yardstick.is_member)
    spent[outside] = spent_on_gate(unit[outside])
    found = gate_of(yardstick.take(yardstick.is_member | spent).groups())
    return found, yardstick.take(~spent)
