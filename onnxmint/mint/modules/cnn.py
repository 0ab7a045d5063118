"""`cnn`: two convolutions over an activation map (CNN MINT, arXiv 2601.12929)."""

from torch import Tensor, nn

from onnxmint.mint.modules.parts import Standardise


class Module(nn.Module):
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
