"""How much likelier a score is for a member than for a non-member, and what follows from it for one image."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onnxmint.stats.estimates import Estimate, FloatArray
from onnxmint.stats.heldout import HeldOut, in_blocks
from onnxmint.stats.ranges import Count, Share

METHOD = (
    "isotonic regression of membership on the score over held-out known images (pool adjacent violators, Ayer et al. "
    "1955; Zadrozny and Elkan 2002), both sides weighing the same, with two more members below all scores and two more "
    "non-members above them: so never beyond what the number of known images can support"
)
_MORE = 2  # beyond all scores of a side; with one the surest fifth is 2 points too sure, with three 2 to 8 too unsure
_GROUPS = 5
_NORMAL = 1.959963984540054  # 97.5% quantile
_HALF = 0.5


def likelihood_ratios(scores: FloatArray, known: HeldOut) -> FloatArray:
    """Return (q,) likelihood ratios: above 1 speaks for membership, below 1 against it.

    The ratio only rises with the score; how, the known images say, so that it holds where its logarithm is no straight
    line too. Where higher scores do not go with membership the ratio is pooled, at worst to 1 everywhere. It stays
    between 1 / (m + 1) and n + 1, as no known image could contradict more: a non-member above all scores is what the
    questioned image itself may be.

    Args:
        scores: (q,) or (q, K) scores; the logarithms of several networks' ratios are averaged.
        known: held-out scores of known images.
    """
    from sklearn.isotonic import IsotonicRegression

    n, m = len(known.nonmember), len(known.member)
    both = np.concatenate([known.member, known.nonmember])
    score = np.concatenate([both, np.full(_MORE, both.min() - 1), np.full(_MORE, both.max() + 1)])
    truth = np.concatenate([np.ones(m), np.zeros(n), np.ones(_MORE), np.zeros(_MORE)])
    weight = np.where(truth == 1, 1 / (m + _MORE), 1 / (n + _MORE))
    fitted = IsotonicRegression(out_of_bounds="clip").fit(score, truth, sample_weight=weight)
    columns = scores.reshape(len(scores), -1)
    found = np.empty(len(columns))
    for part in in_blocks(len(columns)):
        chance = fitted.predict(columns[part].ravel()).reshape(columns[part].shape)
        log_ratio = np.clip(np.log(chance / (1 - chance)), -np.log(m + 1), np.log(n + 1))
        found[part] = np.exp(log_ratio.mean(axis=1))
    return found


def probabilities(ratio: FloatArray, prior: float) -> NDArray[np.float64]:
    """Return (q,) probabilities of membership by Bayes' rule.

    Args:
        ratio: (q,) likelihood ratios.
        prior: probability of membership before the score was seen, 0 to 1.
    """
    found: FloatArray = prior * ratio / (prior * ratio + 1 - prior)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What probabilities said of known images, and what was so; members and non-members as many, so prior 1/2.

    Attributes:
        said: mean probability of membership of each group of images, from the least to the most sure.
        seen: share of members in it, with 95% intervals.
        images: of each group.
    """

    said: tuple[Share, ...]
    seen: tuple[Estimate, ...]
    images: tuple[Count, ...]

    @property
    def too_sure(self) -> bool:
        """Return whether more was said of the surest images than their interval allows."""
        return self.said[-1] > self.seen[-1].high


def calibration(fit: HeldOut, test: HeldOut) -> Calibration | None:
    """Return how probabilities hold on images that the ratio was not made from, None where these are too few.

    Args:
        fit: known images that ratios are made from, such as the calibration part.
        test: others, such as the test part. Networks are left aside.
    """
    if min(len(fit.member), len(fit.nonmember), len(test.member), len(test.nonmember)) < _GROUPS:
        return None
    truth = np.arange(len(test.member) + len(test.nonmember)) < len(test.member)
    said = probabilities(likelihood_ratios(np.concatenate([test.member, test.nonmember]), fit), _HALF)
    edges = np.unique(np.quantile(said, np.arange(1, _GROUPS) / _GROUPS))
    place = np.searchsorted(edges, said, side="right")  # equal ones stay together
    groups = [np.flatnonzero(place == number) for number in np.unique(place)]
    inside, outside = len(test.member), len(test.nonmember)
    return Calibration(
        said=tuple(_even(said[rows], truth[rows], inside, outside) for rows in groups),
        seen=tuple(_share(int(truth[rows].sum()), int((~truth[rows]).sum()), inside, outside) for rows in groups),
        images=tuple(len(rows) for rows in groups),
    )


def _even(said: FloatArray, truth: NDArray[np.bool_], inside: int, outside: int) -> float:
    """Return the mean of probabilities with the two sides weighing the same."""
    return float(np.average(said, weights=np.where(truth, 1 / inside, 1 / outside)))


def _share(members: int, nonmembers: int, inside: int, outside: int) -> Estimate:
    """Return the share of members among images that so many of the two sides are, were the sides as large.

    The interval is that of a ratio of two proportions by its logarithm (Katz et al. 1978), half an image added to each.
    """
    one, other = (members + _HALF) / (inside + 1), (nonmembers + _HALF) / (outside + 1)
    error = ((1 - one) / (one * (inside + 1)) + (1 - other) / (other * (outside + 1))) ** 0.5
    ratio = np.log(one / other) + np.array([0, -1, 1]) * _NORMAL * error
    value, low, high = (1 / (1 + np.exp(-ratio))).tolist()
    return Estimate(value=value, low=low, high=high)
