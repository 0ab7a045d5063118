"""`views`: how the answer changes over shifted and mirrored copies of an image."""

import torch
from torch import Tensor, nn

from onnxmint.mint.modules.parts import Standardise, dense, mean_of_views


class Module(nn.Module):
    """`views`: a dense network over how confident the target is in shifted and mirrored copies of an image."""

    def __init__(self, mean: Tensor, deviation: Tensor, *, dropout: float = 0.3) -> None:
        """Build for F features as `features` makes them; `mean` and `deviation` are (F,)."""
        super().__init__()
        self.standardise = Standardise(mean, deviation)
        self.decide = dense(len(mean), 64, 64, dropout)

    @staticmethod
    def features(odds: Tensor) -> Tensor:
        """Return (N, V + 6) of (N, V) log-odds: each view, their summaries, and the image itself against its views."""
        mean = mean_of_views(odds)
        spread = mean_of_views((odds - mean).square()).sqrt()
        gap = odds[:, :1] - mean
        ends = [odds.amax(dim=1, keepdim=True), odds.amin(dim=1, keepdim=True)]
        return torch.cat([odds, mean, spread, gap, gap / (spread + 0.1), *ends], dim=1)

    def forward(self, odds: Tensor) -> Tensor:
        """Return (N,) scores of (N, V) log-odds, the image itself first."""
        score: Tensor = self.decide(self.standardise(self.features(odds)))
        return score.flatten()
