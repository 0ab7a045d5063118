"""What several modules are made of."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True, kw_only=True)
class Forest:
    """T trees of up to K questions and L = K + 1 leaves each, the missing ones filled up with zeros.

    Attributes:
        feature: (T, K) int64, the feature that a question asks about.
        threshold: (T, K) float32; up to it an image goes to the left.
        path: (T, K, L) float32, 1 where a leaf lies to the left of a question, -1 to the right, 0 where not below it.
        value: (T, L) float32, what an image in the leaf gets.
        base: what every image gets.
    """

    feature: Tensor
    threshold: Tensor
    path: Tensor
    value: Tensor
    base: float


class Standardise(nn.Module):
    """Subtracts a mean and divides by a deviation, one per channel, both learned from the fit part beforehand."""

    def __init__(self, mean: Tensor, deviation: Tensor) -> None:
        """Keep (C,) float32 statistics; a channel that never varies is left unscaled."""
        super().__init__()
        self.mean: Tensor
        self.deviation: Tensor
        self.register_buffer("mean", mean)
        self.register_buffer("deviation", torch.where(deviation > 0, deviation, torch.ones_like(deviation)))

    def forward(self, activation: Tensor) -> Tensor:
        """Standardise (N, C) or (N, C, H, W)."""
        shape = (1, -1, *([1] * (activation.dim() - 2)))
        return (activation - self.mean.view(shape)) / self.deviation.view(shape)


def dense(width: int, first: int, second: int, dropout: float) -> nn.Sequential:
    """Return a network of two hidden layers that gives one number."""
    return nn.Sequential(
        nn.Linear(width, first),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(first, second),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(second, 1),
    )


def mean_of_views(odds: Tensor) -> Tensor:
    """Return (N, 1) means of (N, V): a product, as what averages rows rounds them by where in memory each begins.

    So an image has the same score to the last bit wherever it lies in a batch.
    """
    views = int(odds.shape[1])
    # Numbers, not a shape to be filled: below opset 9 there is no operator that fills one.
    return odds @ torch.tensor([[1 / views]] * views, dtype=odds.dtype, device=odds.device)


def pool(activation: Tensor) -> Tensor:
    """Average an activation over its positions: (N, C, H, W) and (N, T, C) become (N, C); (N, C) stays."""
    if activation.dim() == 4:  # noqa: PLR2004 - the rank of a batch of maps
        return activation.mean(dim=(2, 3))
    return activation.mean(dim=1) if activation.dim() == 3 else activation  # noqa: PLR2004 - a batch of tokens
