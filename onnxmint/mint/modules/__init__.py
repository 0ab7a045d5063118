"""The MINT modules: small networks that tell members from non-members by a target's activations; one file a module.

Those of the Membership Inference Test (arXiv 2402.09225; 2601.12929 for object classification) leave filter counts and
regularisation open; ours are stated here. A module takes what its row in `kinds.MODULES` says and gives one score,
the log-odds that the image was a member, so that higher means more like a member. Its file NAME.py holds a class
`Module` with a static method `features` (what is standardised) and, where it is fitted, a constructor that takes mean
and deviation of the features, (C,) each, and after these the trees where its row says that they are grown.
"""

import importlib
from typing import Protocol

from torch import Tensor, nn

from onnxmint.kinds import module_kind
from onnxmint.mint.modules.parts import Forest


class Kind(Protocol):
    """The class of a module."""

    def __call__(self, *parts: Tensor | Forest) -> nn.Module:
        """Build for features of this mean and deviation, of trees where they were grown; of nothing if not fitted."""

    @staticmethod
    def features(activation: Tensor, /) -> Tensor:
        """Return what is standardised of (N, ...) activations, channels second."""


def network_of(name: str) -> Kind:
    """Return the class of a module.

    Raises:
        UsageError: there is no such module.
    """
    found: Kind = importlib.import_module(f"onnxmint.mint.modules.{module_kind(name).name}").Module
    return found
