"""`vanilla`: a dense network over pooled activations (Vanilla MINT, arXiv 2402.09225)."""

from torch import Tensor, nn

from onnxmint.mint.modules.parts import Standardise, dense, pool


class Module(nn.Module):
    """`vanilla`: a dense network over activations averaged per channel (Vanilla MINT)."""

    def __init__(self, mean: Tensor, deviation: Tensor, *, dropout: float = 0.3) -> None:
        """Build for F features as `features` makes them; `mean` and `deviation` are (F,)."""
        super().__init__()
        self.standardise = Standardise(mean, deviation)
        self.decide = dense(len(mean), 128, 64, dropout)

    @staticmethod
    def features(activation: Tensor) -> Tensor:
        """Return (N, C) values averaged over positions."""
        return pool(activation)

    def forward(self, activation: Tensor) -> Tensor:
        """Return (N,) scores of (N, C), (N, C, H, W) or (N, T, C) activations."""
        score: Tensor = self.decide(self.standardise(self.features(activation)))
        return score.flatten()
