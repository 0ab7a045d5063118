"""LiRA and RMIA by hand, and on a simulation where the truth is known."""

import numpy as np
import pytest
from scipy.stats import norm

from onnxmint.methods.lira import OFFLINE_A, calibrated, lira_offline, lira_online, rmia
from onnxmint.stats.metrics import auc

PHI = np.array([2.0, 0.5])
REFERENCE = np.array([[1.0, 0.0], [3.0, 1.0], [0.0, -1.0], [-1.0, 0.0]])
TRAINED = np.array([[True, False], [True, False], [False, True], [False, True]])


def test_online_is_a_ratio_of_gaussians() -> None:
    first = norm.logpdf(2, 2, np.sqrt(2)) - norm.logpdf(2, -0.5, np.sqrt(0.5))
    second = norm.logpdf(0.5, -0.5, np.sqrt(0.5)) - norm.logpdf(0.5, 0.5, np.sqrt(0.5))
    assert lira_online(PHI, REFERENCE, TRAINED, fixed_variance=False) == pytest.approx([first, second])


def test_a_fixed_variance_is_pooled_over_images() -> None:
    inside, outside = np.sqrt((2 + 0.5) / 2), np.sqrt((0.5 + 0.5) / 2)
    first = norm.logpdf(2, 2, inside) - norm.logpdf(2, -0.5, outside)
    second = norm.logpdf(0.5, -0.5, inside) - norm.logpdf(0.5, 0.5, outside)
    assert lira_online(PHI, REFERENCE, TRAINED, fixed_variance=True) == pytest.approx([first, second])


def test_offline_counts_deviations_above_models_not_trained_on_it() -> None:
    expected = [(2 + 0.5) / np.sqrt(0.5), 0.0]
    assert lira_offline(PHI, REFERENCE, TRAINED, fixed_variance=False) == pytest.approx(expected)


def test_one_reference_allows_a_fixed_variance_only() -> None:
    nobody = np.zeros((1, 2), bool)
    found = lira_offline(PHI, REFERENCE[:1], nobody, fixed_variance=True)
    assert np.diff(found)[0] == pytest.approx(((0.5 - 0) - (2 - 1)) / REFERENCE[0].std())
    with pytest.raises(ValueError, match="needs 2 reference models not trained on each image, one image has 1"):
        lira_offline(PHI, REFERENCE[:1], nobody, fixed_variance=False)
    with pytest.raises(ValueError, match="needs 1 reference model trained on each image, one image has 0"):
        lira_online(PHI, REFERENCE[:1], nobody, fixed_variance=True)


def test_a_few_images_with_one_reference_of_a_side_have_the_pooled_spread() -> None:
    """Of 21 references that are each trained on a random half, one of 6,000 images has one on a side now and then."""
    rng = np.random.default_rng(0)
    reference, phi = rng.normal(size=(8, 60)), rng.normal(size=60)
    trained = np.arange(8)[:, None] < np.full(60, 4)
    alone = trained.copy()
    alone[1:, 7] = False  # one reference was trained on image 7
    found = lira_online(phi, reference, alone, fixed_variance=False)
    others = np.arange(60) != 7
    np.testing.assert_allclose(found[others], lira_online(phi, reference, trained, fixed_variance=False)[others])
    squares = np.where(alone, np.square(reference - np.where(alone, reference, 0).sum(0) / alone.sum(0)), 0).sum()
    pooled = np.sqrt(squares / (alone.sum() - 60))
    outside = reference[1:, 7]
    expected = norm.logpdf(phi[7], reference[0, 7], pooled) - norm.logpdf(phi[7], outside.mean(), outside.std(ddof=1))
    assert found[7] == pytest.approx(expected)
    alone[1:, :4] = False
    with pytest.raises(ValueError, match="needs 2 reference models trained on each image, one image has 1"):
        lira_online(phi, reference, alone, fixed_variance=False)


def test_rmia_by_hand() -> None:
    p = np.array([0.9, 0.4, 0.5, 0.2])
    reference = np.array([[0.3, 0.4, 0.5, 0.4]])
    nobody = np.zeros((1, 4), bool)
    base = ((1 + OFFLINE_A) * reference[0] + 1 - OFFLINE_A) / 2
    ratio = p / base
    expected = [(ratio[i] / ratio[2:] >= 1.2).mean() for i in range(4)]
    found = rmia(np.log(p), np.log(reference), nobody, np.array([2, 3]), gamma=1.2)
    assert found == pytest.approx(expected)


def test_rmia_takes_the_mean_of_both_kinds_where_there_are_both() -> None:
    p, reference = np.array([0.8, 0.5]), np.array([[0.6, 0.5], [0.2, 0.5]])
    trained = np.array([[True, True], [False, False]])
    ratio = np.array([0.8 / 0.4, 0.5 / 0.5])
    found = rmia(np.log(p), np.log(reference), trained, np.array([1]), gamma=ratio[0] / ratio[1] * 0.999)
    assert found.tolist() == [1, 0]


def test_lists_of_one_side_alone_tell_rmia_nothing() -> None:
    """References that learned from members only: by the formula of each image's own lists these would be members."""
    p, reference = np.full(8, 0.6), np.full((2, 8), 0.5)
    trained = np.zeros((2, 8), bool)
    trained[0, :2], trained[1, 2:4] = True, True
    found = rmia(np.log(p), np.log(reference), trained, np.arange(4, 8), gamma=1.0)
    assert found.tolist() == [found[0]] * 8


def test_calibration_takes_away_what_others_say() -> None:
    assert calibrated(PHI, REFERENCE, TRAINED) == pytest.approx([2.5, 0.0])


def test_references_reveal_what_difficulty_hides() -> None:
    """Members are slightly surer than their difficulty; the spread of difficulty drowns it without references."""
    rng = np.random.default_rng(0)
    count, models = 4000, 8
    hard = rng.normal(0, 3, count)
    is_member = np.arange(count) < count // 2
    trained = rng.random((models, count)) < 0.5
    trained[:2], trained[2:4] = True, False  # at least two of each kind for every image
    reference = hard + trained + rng.normal(0, 0.7, (models, count))
    phi = hard + is_member + rng.normal(0, 0.7, count)

    def value(score: np.ndarray) -> float:
        return auc(score[is_member], score[~is_member])

    plain = value(phi)
    online = value(lira_online(phi, reference, trained, fixed_variance=True))
    offline = value(lira_offline(phi, reference, trained, fixed_variance=True))
    assert plain < 0.62
    assert online > 0.75
    assert offline > 0.75
    assert value(calibrated(phi, reference, trained)) > 0.75
    log_p, log_reference = -np.logaddexp(0, -phi), -np.logaddexp(0, -reference)
    assert value(rmia(log_p, log_reference, trained, np.flatnonzero(~is_member))) > plain
