"""The linear layer on features: its logits mean what they say."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from onnxmint.stats.linear import cross_entropy, fit_head


def _drawn(count: int, classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return features of classes whose true log-odds are known: normal around one centre each."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, count)
    centres = np.random.default_rng(9).normal(size=(classes, 6))
    return (centres[labels] + rng.normal(size=(count, 6))).astype(np.float32), labels


def test_logits_are_as_good_as_those_of_the_truth() -> None:
    features, labels = _drawn(4000, 3)
    head = fit_head(features, labels, 3, np.random.default_rng(0))
    others, theirs = _drawn(4000, 3, seed=1)
    centres = np.random.default_rng(9).normal(size=(3, 6))
    truth = others @ centres.T - (centres**2).sum(axis=1) / 2
    assert cross_entropy(head.logits(others), theirs) < cross_entropy(truth, theirs) + 0.01
    assert abs(head.right_unseen - float((truth.argmax(axis=1) == theirs).mean())) < 0.03
    assert head.unseen == 1000


def test_it_is_scikit_learns_logistic_regression_with_the_same_penalty() -> None:
    features, labels = _drawn(300, 3)
    head = fit_head(features, labels, 3, np.random.default_rng(0))
    scaled = (features - features.mean(axis=0)) / features.std(axis=0)
    twin = LogisticRegression(C=1 / head.penalty, tol=1e-6, max_iter=1000).fit(scaled, labels)
    said = head.logits(features)
    shares = np.exp(said - said.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    assert np.abs(shares - twin.predict_proba(scaled)).max() < 0.01


def test_a_class_without_an_image_is_hardly_ever_meant() -> None:
    features, labels = _drawn(200, 3)
    said = fit_head(features, labels, 5, np.random.default_rng(0)).logits(features)
    shares = np.exp(said - said.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    assert np.isfinite(said).all()
    assert shares[:, 3:].mean() < 0.02
    assert (shares[:, 3:] > 0).all()


@pytest.mark.parametrize("shift", [0.0, 1e4])
def test_features_that_say_nothing_and_levels_far_away_do_no_harm(shift: float) -> None:
    features, labels = _drawn(400, 2)
    dull = np.concatenate([features + shift, np.full((400, 2), 7, np.float32)], axis=1)
    head = fit_head(dull.astype(np.float32), labels, 2, np.random.default_rng(0))
    assert np.abs(head.weight[6:]).max() == 0
    assert head.right_unseen > 0.8
