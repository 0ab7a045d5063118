"""Changes from one model to another on the same images: values, pairs, ends, groups, and intervals that cover."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onnxmint.stats.estimates import Measured
from onnxmint.stats.metrics import auc, tpr_at_fpr
from onnxmint.stats.paired import AUC, Change, Side, accuracy_change, changes

FEW = 60  # resamples where only values matter


def _scores(count: int, shift: float, *, seed: int = 0, common: float = 0.8) -> np.ndarray:
    """Return (2, n) correlated normal scores, those of the second model moved less."""
    rng = np.random.default_rng(seed)
    both = np.sqrt(common) * rng.normal(size=count)
    return both + np.sqrt(1 - common) * rng.normal(size=(2, count)) + shift * np.array([[1.0], [0.5]])


def _of(found: tuple[Change, ...], measure: str) -> Change:
    return next(one for one in found if one.measure == measure)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 999))
def test_values_are_those_of_each_model_alone_and_the_difference_is_theirs(seed: int) -> None:
    asked, outside = _scores(30, 0.7, seed=seed), _scores(40, 0, seed=seed + 1000)
    found = changes(Side(score=asked), Side(score=outside), None, np.random.default_rng(0), resamples=2)
    one, ten = _of(found, AUC), _of(found, "tpr@10%")
    assert [one.before.value, one.after.value] == [auc(asked[model], outside[model]) for model in (0, 1)]
    assert [ten.before.value, ten.after.value] == [tpr_at_fpr(asked[model], outside[model], 0.1) for model in (0, 1)]
    for change in found:
        assert change.difference.value == pytest.approx(change.after.value - change.before.value)


def test_changing_the_models_places_changes_the_sign_only() -> None:
    asked, outside = _scores(80, 0.7), _scores(90, 0, seed=1)
    forth, back = (
        changes(Side(score=asked[order]), Side(score=outside[order]), None, np.random.default_rng(0), resamples=FEW)
        for order in ([0, 1], [1, 0])
    )
    for one, other in zip(forth, back, strict=True):
        assert one.before == other.after
        assert one.difference.value == -other.difference.value
        if one.difference.low is not None and other.difference.high is not None:
            assert one.difference.low == pytest.approx(-other.difference.high)


def test_one_model_twice_changes_nothing() -> None:
    asked, outside = (np.tile(_scores(50, shift, seed=seed)[:1], (2, 1)) for shift, seed in ((0.5, 0), (0, 1)))
    for one in changes(Side(score=asked), Side(score=outside), None, np.random.default_rng(0), resamples=FEW):
        assert one.difference.value == 0
        assert one.difference.low in (0, None)


def test_pairs_say_more_than_two_intervals() -> None:
    """What is hard for both models cancels out."""
    asked, outside = _scores(200, 0.7, common=0.95), _scores(200, 0, seed=1, common=0.95)
    one = _of(changes(Side(score=asked), Side(score=outside), None, np.random.default_rng(0), resamples=200), AUC)
    widths = [_width(part) for part in (one.before, one.after, one.difference)]
    assert widths[2] < 0.6 * min(widths[:2])


def _width(one: Measured) -> float:
    assert one.low is not None
    assert one.high is not None
    return one.high - one.low


def test_all_right_in_a_few_images_is_not_certain() -> None:
    right = np.ones((2, 20))
    one = accuracy_change(Side(score=right), np.random.default_rng(0), resamples=FEW)
    exact = 1 - 0.025 ** (1 / 20)
    assert (one.before.low, one.before.high) == (pytest.approx(1 - exact), 1)
    assert (one.difference.low, one.difference.high) == (pytest.approx(-exact), pytest.approx(exact))


def test_ten_copies_of_each_image_in_one_group_say_no_more() -> None:
    asked, outside = _scores(60, 0.7), _scores(60, 0, seed=1)
    groups = np.repeat(np.arange(60), 10)
    rng = np.random.default_rng
    alone = _of(changes(Side(score=asked), Side(score=outside), None, rng(0), resamples=300), AUC)
    copied = [Side(score=np.repeat(side, 10, axis=1), groups=groups) for side in (asked, outside)]
    grouped = _of(changes(copied[0], copied[1], None, rng(0), resamples=300), AUC)
    assert grouped.before.value == alone.before.value
    assert _width(grouped.difference) == pytest.approx(_width(alone.difference), rel=0.25)


def test_a_share_needs_members_that_stand_out() -> None:
    asked, outside = _scores(100, 0.5), _scores(300, 0, seed=1)
    strong, weak = (
        changes(Side(score=asked), Side(score=outside), Side(score=members), np.random.default_rng(0), resamples=FEW)
        for members in (_scores(300, 2, seed=2), _scores(300, 0, seed=2))
    )
    assert 0.1 < _of(strong, "share").before.value < 0.7
    assert _of(strong, "share").difference.low is not None
    assert "do not stand out" in str(_of(weak, "share").difference.no_interval)


def test_rates_of_few_false_alarms_have_no_interval_and_say_so() -> None:
    asked, outside = Side(score=_scores(50, 1)), Side(score=_scores(700, 0, seed=1))
    found = changes(asked, outside, None, np.random.default_rng(0), resamples=FEW)
    assert _of(found, "tpr@1%").difference.thin
    assert _of(found, "tpr@1%").difference.low is not None
    assert "fewer than 5 false alarms" in str(_of(found, "tpr@0.1%").before.no_interval)
    assert not _of(found, "tpr@10%").difference.thin


@pytest.mark.parametrize("score", [np.zeros((2, 0)), np.zeros((3, 4)), np.full((2, 3), np.nan)])
def test_scores_that_are_none_are_refused(score: np.ndarray) -> None:
    with pytest.raises(ValueError, match="need"):
        Side(score=score)


@pytest.mark.slow
def test_the_interval_of_the_pairs_covers_the_change() -> None:
    """100 comparisons of 60 images; `tools/study/comparing/coverage.py` has a thousand of several sizes."""
    truth = [_auc_of(0.7), _auc_of(0.35)]
    covered = 0
    for number in range(100):
        asked, outside = (_scores(60, shift, seed=2 * number + side) for side, shift in enumerate((0.7, 0.0)))
        found = changes(Side(score=asked), Side(score=outside), None, np.random.default_rng(number), resamples=100)
        one = _of(found, AUC).difference
        assert one.low is not None
        assert one.high is not None
        covered += one.low <= truth[1] - truth[0] <= one.high
    assert covered >= 88  # at 95% fewer come in 1 of 500


def _auc_of(shift: float) -> float:
    from scipy.stats import norm

    return float(norm.cdf(shift / np.sqrt(2)))
