"""The MINT modules: small networks that tell members from non-members by a target's activations.

Two networks of the Membership Inference Test (arXiv 2402.09225; 2601.12929 for object classification), which leaves
filter counts and regularisation open; ours are stated here. Both take one layer's activations and give one score,
the log-odds that the image was a member, so that higher means more like a member.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


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


class CnnModule(nn.Module):
    """`cnn`: two convolutions over the activation map, averaged, then a dense layer (CNN MINT)."""

    def __init__(self, mean: Tensor, deviation: Tensor, *, filters: int = 64, dropout: float = 0.3) -> None:
        """Build for (C, H, W) activations; `mean` and `deviation` are (C,)."""
        super().__init__()
        self.standardise = Standardise(mean, deviation)
        self.maps = nn.Sequential(
            nn.Conv2d(len(mean), filters, 3, padding=1, bias=False),
            nn.BatchNorm2d(filters),
            nn.ReLU(),
            nn.Conv2d(filters, filters, 3, padding=1, bias=False),
            nn.BatchNorm2d(filters),
            nn.ReLU(),
        )
        self.decide = nn.Sequential(nn.Dropout(dropout), nn.Linear(filters, 64), nn.ReLU(), nn.Linear(64, 1))

    @staticmethod
    def features(activation: Tensor) -> Tensor:
        """Return what is standardised: the maps as they are."""
        return activation

    def forward(self, activation: Tensor) -> Tensor:
        """Return (N,) scores of (N, C, H, W) activations."""
        maps = self.maps(self.standardise(activation))
        score: Tensor = self.decide(maps.mean(dim=(2, 3)))
        return score.flatten()


class VanillaModule(nn.Module):
    """`vanilla`: a dense network over activations averaged per channel (Vanilla MINT)."""

    def __init__(self, mean: Tensor, deviation: Tensor, *, dropout: float = 0.3) -> None:
        """Build for F features as `features` makes them; `mean` and `deviation` are (F,)."""
        super().__init__()
        self.standardise = Standardise(mean, deviation)
        self.decide = _dense(len(mean), 128, 64, dropout)

    @staticmethod
    def features(activation: Tensor) -> Tensor:
        """Return (N, C) values averaged over positions."""
        return pool(activation)

    def forward(self, activation: Tensor) -> Tensor:
        """Return (N,) scores of (N, C), (N, C, H, W) or (N, T, C) activations."""
        score: Tensor = self.decide(self.standardise(self.features(activation)))
        return score.flatten()


class ViewsModule(nn.Module):
    """`views`: a dense network over how confident the target is in shifted and mirrored copies of an image."""

    def __init__(self, mean: Tensor, deviation: Tensor, *, dropout: float = 0.3) -> None:
        """Build for F features as `features` makes them; `mean` and `deviation` are (F,)."""
        super().__init__()
        self.standardise = Standardise(mean, deviation)
        self.decide = _dense(len(mean), 64, 64, dropout)

    @staticmethod
    def features(odds: Tensor) -> Tensor:
        """Return (N, V + 6) of (N, V) log-odds: each view, their summaries, and the image itself against its views."""
        mean = odds.mean(dim=1, keepdim=True)
        spread = (odds - mean).square().mean(dim=1, keepdim=True).sqrt()
        gap = odds[:, :1] - mean
        ends = [odds.amax(dim=1, keepdim=True), odds.amin(dim=1, keepdim=True)]
        return torch.cat([odds, mean, spread, gap, gap / (spread + 0.1), *ends], dim=1)

    def forward(self, odds: Tensor) -> Tensor:
        """Return (N,) scores of (N, V) log-odds, the image itself first."""
        score: Tensor = self.decide(self.standardise(self.features(odds)))
        return score.flatten()


class PhiModule(nn.Module):
    """`phi`: nothing fitted, the log-odds of the image itself (LiRA's scaled confidence, arXiv 2112.03570)."""

    @staticmethod
    def features(odds: Tensor) -> Tensor:
        """Return the log-odds as they are."""
        return odds

    def forward(self, odds: Tensor) -> Tensor:
        """Return (N,) scores of (N, V) log-odds, the image itself first."""
        return odds[:, 0]


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


def _dense(width: int, first: int, second: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(width, first),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(first, second),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(second, 1),
    )


def pool(activation: Tensor) -> Tensor:
    """Average an activation over its positions: (N, C, H, W) and (N, T, C) become (N, C); (N, C) stays."""
    if activation.dim() == 4:  # noqa: PLR2004 - the rank of a batch of maps
        return activation.mean(dim=(2, 3))
    return activation.mean(dim=1) if activation.dim() == 3 else activation  # noqa: PLR2004 - a batch of tokens


MODULES: dict[str, type[CnnModule] | type[VanillaModule] | type[ViewsModule]] = {
    "cnn": CnnModule,
    "vanilla": VanillaModule,
    "views": ViewsModule,
}
"""What is fitted; `phi` needs no fitting."""
