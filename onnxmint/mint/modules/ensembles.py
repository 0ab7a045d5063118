"""Several networks of one module as one."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Ensemble(nn.Module):
    """The mean score of networks that were fitted on different parts of the same evidence."""

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        """Keep the networks."""
        super().__init__()
        self.networks = nn.ModuleList(networks)

    def forward(self, activation: Tensor) -> Tensor:
        """Return (N,) scores."""
        return torch.stack([network(activation) for network in self.networks]).mean(dim=0)


class Beside(nn.Module):
    """The scores of networks side by side: each was fitted without one fold of the evidence."""

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        """Keep the networks, in the order of the folds that they did not learn from."""
        super().__init__()
        self.networks = nn.ModuleList(networks)

    def forward(self, activation: Tensor) -> Tensor:
        """Return (N, K) scores."""
        return torch.stack([network(activation) for network in self.networks], dim=1)
