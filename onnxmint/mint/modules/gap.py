"""`gap`: how far the target is surer of the image itself than of its views."""

from torch import Tensor, nn

from onnxmint.mint.modules.parts import mean_of_views

_LEAST = 0.1  # log-odds that are added to the views' deviation, so that views which all agree do not count for most


class Module(nn.Module):
    """`gap`: nothing fitted, the image's log-odds above the mean over its views, in deviations of these.

    As Merlin (arXiv 2005.10881), with shifts and mirroring for noise. In deviations, for an easy image's log-odds
    change more from view to view than a hard one's, and a score that is fixed in advance must not know easy from hard.
    """

    @staticmethod
    def features(odds: Tensor) -> Tensor:
        """Return the log-odds as they are."""
        return odds

    def forward(self, odds: Tensor) -> Tensor:
        """Return (N,) scores of (N, V) log-odds, the image itself first."""
        above = odds - mean_of_views(odds)
        return above[:, 0] / (mean_of_views(above.square())[:, 0].sqrt() + _LEAST)
