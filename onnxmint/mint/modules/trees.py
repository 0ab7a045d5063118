"""`trees`: boosted trees over how the answer changes over copies of an image, as a network of standard operators."""

import torch
from torch import Tensor, nn

from onnxmint.mint.modules.parts import Forest
from onnxmint.mint.modules.views import Module as Views

RAMP = 0.03
"""Deviations of a feature behind a threshold over which an image goes from one side of it to the other.

A step at the threshold would make a jump of the last bit of a log-odds, which differs between processors, runtimes and
sizes of a batch; here that moves a score by as little as it moves a dense network's.
"""


class Module(nn.Module):
    """`trees`: the sum of boosted trees over what `views` reads.

    A question is answered by 0 (left) to 1 (right); a leaf counts by 1 less all answers on its path that lead away from
    it, at least 0. Of an image that is on no ramp one leaf of a tree counts by 1, so that the score is the trees' own.
    """

    def __init__(self, mean: Tensor, deviation: Tensor, forest: Forest, *, ramp: float = RAMP) -> None:
        """Build for F features as `features` makes them, in float32; `mean` and `deviation` are (F,)."""
        super().__init__()
        trees, questions, _ = forest.path.shape
        wide = torch.where(deviation > 0, deviation, torch.ones_like(mean))[forest.feature] * ramp
        self._shape = (-1, trees, questions)
        self.feature: Tensor
        self.threshold: Tensor
        self.steep: Tensor
        self.path: Tensor
        self.rights: Tensor
        self.register_buffer("feature", forest.feature.flatten())
        self.register_buffer("threshold", forest.threshold.flatten())
        self.register_buffer("steep", 1 / wide.flatten())
        self.register_buffer("path", forest.path)
        self.register_buffer("rights", (forest.path < 0).float().sum(dim=1, keepdim=True))
        self.value = nn.Parameter(forest.value[:, None, :], requires_grad=False)
        self.base = forest.base

    @staticmethod
    def features(odds: Tensor) -> Tensor:
        """Return (N, V + 6) of (N, V) log-odds: what `views` reads."""
        return Views.features(odds)

    def forward(self, odds: Tensor) -> Tensor:
        """Return (N,) scores of (N, V) log-odds, the image itself first."""
        return self.judge(self.features(odds))

    def judge(self, features: Tensor) -> Tensor:
        """Return (N,) scores of (N, F) features."""
        asked = features.index_select(1, self.feature)
        right = ((asked - self.threshold) * self.steep).clamp(0, 1).reshape(self._shape)
        against = torch.matmul(right.permute(1, 0, 2), self.path) + self.rights  # (T, N, L)
        return (torch.relu(1 - against) * self.value).sum(dim=(0, 2)) + self.base
