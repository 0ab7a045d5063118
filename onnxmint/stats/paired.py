"""How a number changes from one model to another on the same images: before, after and the difference, with intervals.

The same images are drawn for both models in every resample, so that what is hard for both cancels out.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onnxmint.stats.estimates import FPRS, FloatArray, Measured
from onnxmint.stats.metrics import auc, tpr_at_fpr

INTERVAL_METHOD = (
    "95% percentile bootstrap, the same images drawn for both models, sets of images resampled apart, whole groups "
    "when there are groups, 1,000 resamples; where a value is 0 or 1 no narrower than the exact binomial limit; none "
    "for rates where fewer than five false alarms are expected, nor for a share where members do not stand out"
)
AUC, SHARE, GAP, ACCURACY = "auc", "share", "gap", "accuracy"
RATES = {f"tpr@{100 * fpr:g}%": fpr for fpr in FPRS}
_TAIL = 0.025  # left out on each side of an interval
_RESAMPLES = 1000
_FEWEST, _THIN = 5, 10  # expected false alarms, see stats/metrics.py
_CHANCE = 0.5
_STANDS_OUT = 0.02  # AUC above 1/2 that members need in each resample, for a share is a ratio by it

Groups = NDArray[np.int64]
Measure = Callable[["Draw", int], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """Scores of one set of images in both models.

    Attributes:
        score: (2, n) float64, before and after; higher means more like a member.
        groups: (n,) int64 that are resampled whole; None when images stand for themselves.
    """

    score: FloatArray
    groups: Groups | None = None

    def __post_init__(self) -> None:
        """Refuse a side without images, and scores that are none."""
        if self.score.ndim != 2 or self.score.shape[0] != 2 or not self.score.shape[1]:  # noqa: PLR2004 - two models
            raise ValueError(f"need (2, n) scores of at least one image, got shape {self.score.shape}")
        if not np.isfinite(self.score).all():
            raise ValueError("need finite scores")

    @property
    def units(self) -> int:
        """Return how many independent draws there were."""
        return self.score.shape[1] if self.groups is None else len(np.unique(self.groups))

    def resamples(self, rng: np.random.Generator, count: int) -> Iterator[FloatArray]:
        """Yield (2, n) scores of images, or whole groups, drawn with replacement, then sorted in each model."""
        if self.groups is None:
            size = self.score.shape[1]
            for _ in range(count):
                yield np.sort(self.score[:, rng.integers(0, size, size)], axis=1)
            return
        order = np.argsort(self.groups, kind="stable")
        parts = np.split(order, np.flatnonzero(np.diff(self.groups[order])) + 1)
        for _ in range(count):
            drawn = [parts[k] for k in rng.integers(0, len(parts), len(parts))]
            yield np.sort(self.score[:, np.concatenate(drawn)], axis=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One number before and after, and the difference, after minus before.

    Attributes:
        measure: "auc", "tpr@1%" and the like, "share" of the set that looks like members, "gap" of the mean score to
            that of held-out images, or "accuracy".
        before, after: in each model.
        difference: after minus before, with the interval of the pairs.
    """

    measure: str
    before: Measured
    after: Measured
    difference: Measured


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """Scores in both models, (2, n) each, as they are or resampled; `members` None where none are given."""

    asked: FloatArray
    outside: FloatArray
    members: FloatArray | None


def changes(
    asked: Side, outside: Side, members: Side | None, rng: np.random.Generator, *, resamples: int = _RESAMPLES
) -> tuple[Change, ...]:
    """Compare how a set of images stands out from held-out images in two models.

    Args:
        asked: the set.
        outside: images that neither model was trained on.
        members: images that both were trained on, by which a share of the asked ones is told; None for no share.
        rng: source of the resamples.
        resamples: how many.
    """
    kinds: dict[str, Measure] = {AUC: _auc, **{name: _rate_at(fpr) for name, fpr in RATES.items()}, GAP: _gap}
    if members is not None:
        kinds[SHARE] = _share
    whole = Draw(asked=asked.score, outside=outside.score, members=None if members is None else members.score)
    values = np.array([[measure(whole, model) for model in (0, 1)] for measure in kinds.values()])
    drawn = np.array(
        [
            [[measure(draw, model) for model in (0, 1)] for measure in kinds.values()]
            for draw in _draws(asked, outside, members, rng, resamples)
        ]
    )
    same = bool(np.array_equal(*asked.score) and np.array_equal(*outside.score))
    units = None if same else min(asked.units, outside.units)
    return tuple(_change(name, values[row], drawn[:, row], units, outside.units) for row, name in enumerate(kinds))


def accuracy_change(right: Side, rng: np.random.Generator, *, resamples: int = _RESAMPLES) -> Change:
    """Compare on how many images two models are right.

    Args:
        right: 1 where a model is right, else 0.
        rng: source of the resamples.
        resamples: how many.
    """
    drawn = np.array([draw.mean(axis=1) for draw in right.resamples(rng, resamples)])
    return _change(ACCURACY, right.score.mean(axis=1), drawn, right.units, right.units)


def _draws(asked: Side, outside: Side, members: Side | None, rng: np.random.Generator, count: int) -> Iterator[Draw]:
    inside = None if members is None else members.resamples(rng, count)
    for one, other in zip(asked.resamples(rng, count), outside.resamples(rng, count), strict=True):
        yield Draw(asked=one, outside=other, members=None if inside is None else next(inside))


def _auc(draw: Draw, model: int) -> float:
    return auc(draw.asked[model], draw.outside[model])


def _rate_at(fpr: float) -> Measure:
    return lambda draw, model: tpr_at_fpr(draw.asked[model], draw.outside[model], fpr)


def _gap(draw: Draw, model: int) -> float:
    return float(draw.asked[model].mean() - draw.outside[model].mean())


def _share(draw: Draw, model: int) -> float:
    """Return how far the set is from held-out images on the way to members; NaN where members do not stand out."""
    if draw.members is None:
        return float("nan")
    effect = auc(draw.members[model], draw.outside[model]) - _CHANCE
    return (auc(draw.asked[model], draw.outside[model]) - _CHANCE) / effect if effect > _STANDS_OUT else float("nan")


def _no_interval(measure: str, drawn: FloatArray, outside: int) -> str | None:
    if measure in RATES and RATES[measure] * outside < _FEWEST:
        return f"fewer than {_FEWEST} false alarms are expected among {outside:,} held-out images"
    if measure == SHARE and np.isnan(drawn).any():
        return "the images that were trained on do not stand out in both models, so nothing is a share of that"
    return None


def _change(measure: str, values: FloatArray, drawn: FloatArray, units: int | None, outside: int) -> Change:
    """Join values, (2,), and their resamples, (r, 2), to one change.

    Args:
        measure: which.
        values: before and after.
        drawn: the same of every resample.
        units: independent draws; None where both models say the same of every image.
        outside: independent held-out images.
    """
    why = _no_interval(measure, drawn, outside)
    if measure == SHARE:
        values = np.clip(np.nan_to_num(values, nan=0.0), 0, 1)
    thin = measure in RATES and RATES[measure] * outside < _THIN
    found = [float(values[0]), float(values[1]), float(values[1] - values[0])]
    if why is not None:
        before, after, difference = (Measured(value=value, no_interval=why, thin=thin) for value in found)
    else:
        columns = (drawn[:, 0], drawn[:, 1], drawn[:, 1] - drawn[:, 0])
        ends = [tuple(np.quantile(column, (_TAIL, 1 - _TAIL)).tolist()) for column in columns]
        wider = ends if measure == GAP or units is None else _bounded(found, ends, _TAIL ** (1 / units))
        before, after, difference = (
            Measured(value=value, low=min(low, value), high=max(high, value), thin=thin)
            for value, (low, high) in zip(found, wider, strict=True)
        )
    return Change(measure=measure, before=before, after=after, difference=difference)


def _bounded(values: list[float], ends: list[tuple[float, float]], limit: float) -> list[tuple[float, float]]:
    """Return intervals of two shares and their difference, wide enough where a share is 0 or 1.

    There it is the same in every resample, which would claim certainty from any number of images.

    Args:
        values: before, after, and the difference.
        ends: of their resamples.
        limit: the smallest share that shows nothing but ones in 2.5% of so many trials.
    """
    reach, (before, after, gap) = 1 - limit, values
    found = [
        (max(0.0, min(low, limit) if value == 1 else low), min(1.0, max(high, reach) if value == 0 else high))
        for value, (low, high) in zip((before, after), ends[:2], strict=True)
    ]
    low, high = ends[2]
    if before == 0 or after == 1:
        low = min(low, gap - reach)
    if before == 1 or after == 0:
        high = max(high, gap + reach)
    return [*found, (max(-1.0, low), min(1.0, high))]
