"""Limits on a change: decided by the ends of its interval, and what a user may write."""

import pytest

from onnxmint.stats.change_limits import ChangeLimit, change_limits_of
from onnxmint.stats.estimates import Measured


def _rate(low: float, high: float, *, thin: bool = False) -> Measured:
    return Measured(value=(low + high) / 2, low=low, high=high, thin=thin)


@pytest.mark.parametrize(
    ("bound", "found", "decision"),
    [
        (0.02, _rate(-0.01, 0.02), "below"),
        (0.02, _rate(0.021, 0.05), "above"),
        (0.02, _rate(0.0, 0.05), "unsettled"),
        (-0.05, _rate(-0.2, -0.06), "below"),
        (-0.05, _rate(-0.04, 0.0), "above"),
        (0.02, _rate(-0.01, 0.0, thin=True), "unsettled"),
        (0.02, Measured(value=0.5, no_interval="few"), "unsettled"),
    ],
)
def test_the_whole_interval_decides(bound: float, found: Measured, decision: str) -> None:
    assert ChangeLimit(measure="auc", bound=bound).decide(found) == decision


def test_how_many_images_would_settle_it_falls_with_the_square_of_the_reach() -> None:
    limit = ChangeLimit(measure="auc", bound=0.05)
    narrow, wide = limit.times_needed(_rate(-0.1, 0.1)), limit.times_needed(_rate(-0.2, 0.2))
    assert narrow is not None
    assert wide == pytest.approx(4 * narrow)
    assert limit.times_needed(_rate(-0.05, 0.15)) is None  # measured at the limit
    assert limit.times_needed(Measured(value=0.5, no_interval="few")) is None


def test_what_a_user_writes() -> None:
    assert change_limits_of(["AUC = -0.05", "tpr@1%=0.01"]) == [
        ChangeLimit(measure="auc", bound=-0.05),
        ChangeLimit(measure="tpr@1%", bound=0.01),
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["loss=1"], "'loss=1' limits none of auc, tpr@10%, tpr@1%, tpr@0.1%, share"),
        (["auc"], "'auc' has no number after the equals sign"),
        (["auc=nan"], "'auc=nan': a change lies between -1 and 1"),
        (["auc=2"], "'auc=2': a change lies between -1 and 1"),
        (["auc=0", "auc=0.1"], "auc=0, auc=0.1 limits one measure twice"),
    ],
)
def test_what_limits_nothing_is_refused(words: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("+", r"\+")):
        change_limits_of(words)
