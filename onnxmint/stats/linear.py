"""A linear classifier of features: multinomial logistic regression, whose outputs are log-odds that mean what they say.

Ridge regression to the classes, closed as it is, was right less often, and its scores, however sharpened, told less of
how sure it can be.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onnxmint.stats.estimates import FloatArray

_PENALTIES = 10.0 ** np.arange(1, 5)  # on the sum over images, for standardised features
_HELD_OUT = 0.25  # share of images on which the penalty is chosen
_MOST_TRIED = 10_000  # images that it is chosen with
_STEPS, _LEAST_GRADIENT = 200, 1e-4  # of an image
_LEAST = 1e-6  # deviation of a feature; a smaller one is rounding


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearHead:
    """Logits of features: x @ weight + bias.

    Attributes:
        weight: (d, K) float64.
        bias: (K,) float64.
        penalty: on the sum of squared weights of standardised features.
        unseen: images on which the penalty was chosen.
        right_unseen: share of them that a fit without them is right on.
    """

    weight: FloatArray
    bias: FloatArray
    penalty: float
    unseen: int
    right_unseen: float

    def logits(self, features: NDArray[np.floating]) -> FloatArray:
        """Return (n, K)."""
        found: FloatArray = features @ self.weight + self.bias
        return found


def fit_head(
    features: NDArray[np.floating], labels: NDArray[np.int64], classes: int, rng: np.random.Generator
) -> LinearHead:
    """Fit a linear layer whose outputs serve as logits; its penalty is chosen on images that were held out.

    Args:
        features: (n, d), finite.
        labels: (n,) classes from 0, of at least two.
        classes: how many there are; one without an image is given half an image's probability.
        rng: draws what is held out.
    """
    drawn = rng.permutation(len(labels))[:_MOST_TRIED]
    held = max(1, round(_HELD_OUT * len(drawn)))
    out, used = drawn[:held], drawn[held:]
    tried = []
    for penalty in _PENALTIES * len(used) / len(labels):
        weight, bias = _fit(features[used], labels[used], classes, penalty)
        said = features[out] @ weight + bias
        right = float((said.argmax(axis=1) == labels[out]).mean())
        tried.append((cross_entropy(said, labels[out]), penalty * len(labels) / len(used), right))
    _, penalty, right = min(tried)
    weight, bias = _fit(features, labels, classes, penalty)
    return LinearHead(weight=weight, bias=bias, penalty=float(penalty), unseen=len(out), right_unseen=right)


def _fit(
    features: NDArray[np.floating], labels: NDArray[np.int64], classes: int, penalty: float
) -> tuple[FloatArray, FloatArray]:
    """Return (d, K) weights and (K,) biases for features as they are."""
    from scipy.optimize import minimize

    mean, deviation = features.mean(axis=0), features.std(axis=0)
    deviation = np.where(deviation > _LEAST * np.abs(mean).max(initial=1), deviation, np.inf)  # tells nothing
    values = ((features - mean) / deviation).astype(np.float32)
    there, truth = np.unique(labels, return_inverse=True)
    shape = (values.shape[1] + 1, len(there))

    def loss(flat: FloatArray) -> tuple[float, FloatArray]:
        weight = flat.reshape(shape)
        said = values @ weight[1:].astype(np.float32) + weight[0]
        share = _softmax(said)
        share[np.arange(len(truth)), truth] -= 1
        slope = np.concatenate([share.sum(axis=0)[None], values.T @ share.astype(np.float32)])
        slope[1:] += penalty * weight[1:]
        total = cross_entropy(said, truth) * len(truth) + penalty / 2 * float((weight[1:] ** 2).sum())
        return total / len(truth), slope.ravel() / len(truth)

    start = np.zeros(shape)
    start[0] = np.log(np.bincount(truth) / len(truth))
    found = minimize(
        loss, start.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": _STEPS, "gtol": _LEAST_GRADIENT}
    ).x.reshape(shape)
    weight, bias = np.zeros((shape[0] - 1, classes)), np.zeros(classes)
    weight[:, there] = found[1:] / deviation[:, None]
    bias[there] = found[0] - mean @ weight[:, there]
    lacking = np.setdiff1d(np.arange(classes), there)
    bias[lacking] = _log_total(features @ weight[:, there] + bias[there]).mean() - np.log(2 * len(labels))
    return weight, bias


def cross_entropy(logits: NDArray[np.floating], labels: NDArray[np.integer]) -> float:
    """Return the mean cross-entropy of (n, K) logits in nats."""
    return float((_log_total(logits) - logits[np.arange(len(labels)), labels]).mean())


def _log_total(logits: NDArray[np.floating]) -> FloatArray:
    """Return (n,) the logarithm of the sum of exponentials."""
    top = logits.max(axis=1, keepdims=True)
    found: FloatArray = top[:, 0] + np.log(np.exp(logits - top).sum(axis=1))
    return found


def _softmax(logits: NDArray[np.floating]) -> FloatArray:
    found: FloatArray = np.exp(logits - _log_total(logits)[:, None])
    return found
