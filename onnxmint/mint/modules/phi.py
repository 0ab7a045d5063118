"""`phi`: the log-odds of the image itself."""

from torch import Tensor, nn


class Module(nn.Module):
    """`phi`: nothing fitted, the log-odds of the image itself (LiRA's scaled confidence, arXiv 2112.03570)."""

    @staticmethod
    def features(odds: Tensor) -> Tensor:
        """Return the log-odds as they are."""
        return odds

    def forward(self, odds: Tensor) -> Tensor:
        """Return (N,) scores of (N, V) log-odds, the image itself first."""
        return odds[:, 0]
