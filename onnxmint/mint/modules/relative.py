"""`relative`: how the answer changes over copies of an image, and how it compares with that of references."""

import torch
from torch import Tensor, nn

from onnxmint.mint.modules.parts import Standardise, dense, mean_of_views
from onnxmint.mint.modules.views import Module as Views


class Module(nn.Module):
    """`relative`: a dense network over what `views` reads and how hard the image is for given references.

    What a model that never saw an image says of it is what the target would say, had it not either: the difference is
    what LiRA (arXiv 2112.03570) and RMIA (2312.03262) compare. The references are shown the image itself only: shown
    all views too they gave no more (tools/study).
    """

    def __init__(self, mean: Tensor, deviation: Tensor, *, dropout: float = 0.3) -> None:
        """Build for F features as `features` makes them; `mean` and `deviation` are (F,)."""
        super().__init__()
        self.standardise = Standardise(mean, deviation)
        self.decide = dense(len(mean), 64, 64, dropout)

    @staticmethod
    def features(relative: Tensor) -> Tensor:
        """Return (N, V + 9) of (N, V + 1): what `views` reads, the references', and both differences from it."""
        odds, reference = relative[:, :-1], relative[:, -1:]
        above = [odds[:, :1] - reference, mean_of_views(odds) - reference]
        return torch.cat([Views.features(odds), reference, *above], dim=1)

    def forward(self, relative: Tensor) -> Tensor:
        """Return (N,) scores of (N, V + 1) log-odds: the image itself, its views, and last the references' of it."""
        score: Tensor = self.decide(self.standardise(self.features(relative)))
        return score.flatten()
