"""The rule of the controls: differences are found, and clean sets are flagged as rarely as promised."""

import numpy as np
import pytest
from scipy.stats import norm

from onnxmint.stats.heldout import HeldOut
from onnxmint.stats.two_sample import LEVEL, auc_of, compare_features


def test_a_difference_is_found_and_the_scores_order_it() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.normal(0, 1, (300, 5)), rng.normal(0, 1, (200, 5))
    first[:, 3] += 1
    found = compare_features(first, second, rng=rng)
    assert found.auc.low > 0.5
    assert 0.6 < found.auc.value < float(norm.cdf(1 / np.sqrt(2)))  # the best possible
    assert found.score[:300].mean() > found.score[300:].mean()


@pytest.mark.slow
def test_clean_sets_are_rarely_flagged() -> None:
    """Out-of-fold scores of noise spread one and a half times as wide as independent ones; measured 0.013."""
    rng = np.random.default_rng(1)
    flagged = [
        compare_features(rng.normal(size=(60, 6)), rng.normal(size=(60, 6)), rng=rng).auc.low > 0.5 for _ in range(60)
    ]
    assert np.mean(flagged) <= 0.05


def test_near_copies_are_one_vote() -> None:
    rng = np.random.default_rng(2)
    units = [np.repeat(rng.normal(size=(12, 4)), 30, axis=0) for _ in range(2)]
    groups = (np.repeat(np.arange(12), 30), np.repeat(np.arange(12) + 12, 30))
    assert compare_features(*units, rng=rng, groups=groups).auc.low <= 0.5


def test_what_never_varies_tells_nothing() -> None:
    rng = np.random.default_rng(3)
    found = compare_features(np.full((50, 2), np.nan), np.full((50, 2), np.nan), rng=rng)
    assert found.auc.value == 0.5


def test_too_few_are_refused() -> None:
    with pytest.raises(ValueError, match="needs 5 independent images of a side, one has 3"):
        compare_features(np.zeros((3, 2)), np.zeros((50, 2)), rng=np.random.default_rng(0))


def test_the_interval_covers() -> None:
    rng, truth = np.random.default_rng(4), float(norm.cdf(0.5 / np.sqrt(2)))
    found = [auc_of(HeldOut.of(rng.normal(0.5, 1, 150), rng.normal(0, 1, 100))) for _ in range(1000)]
    assert np.mean([one.low <= truth <= one.high for one in found]) == pytest.approx(1 - 2 * LEVEL, abs=0.015)
