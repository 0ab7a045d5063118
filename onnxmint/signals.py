"""Closed-form membership scores from what a target says of an image: the baselines every module has to beat.

Each takes the answer (n, classes), its kind and labels (n,) int64, and gives (n,) float64 scores, higher meaning more
like a member. Those that need labels raise ValueError without.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Labels = NDArray[np.int64] | None
_SMALLEST = 1e-45  # below the smallest positive float32: the logarithm of a probability of 0 stays finite


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """A baseline score: `compute(answer, kind, labels)` gives (n,) scores."""

    name: str
    description: str
    source: str
    needs_labels: bool
    compute: Callable[[NDArray[np.floating], str, Labels], FloatArray]


def log_probabilities(answer: NDArray[np.floating], kind: str) -> FloatArray:
    """Return (n, classes) log-probabilities of logits, probabilities or log-probabilities.

    Raises:
        ValueError: unknown kind.
    """
    values = answer.astype(np.float64)
    if kind == "logits":
        return values - _log_sum_exp(values)[:, np.newaxis]
    if kind == "probabilities":
        return np.log(np.maximum(values, _SMALLEST))
    if kind == "log-probabilities":
        return np.maximum(values, np.log(_SMALLEST))
    raise ValueError(f"kind must be logits, probabilities or log-probabilities, got {kind!r}")


def _log_sum_exp(values: FloatArray) -> FloatArray:
    """Return log(sum(exp(values))) of each row, exact for values of any size."""
    top = values.max(axis=1)
    found: FloatArray = top + np.log(np.exp(values - top[:, np.newaxis]).sum(axis=1))
    return found


def _required(labels: Labels) -> NDArray[np.int64]:
    if labels is None:
        raise ValueError("this signal needs labels, got None")
    return labels


def max_probability(answer: NDArray[np.floating], kind: str, labels: Labels) -> FloatArray:
    """Return the largest log-probability: the order of the largest probability, without rounding up to 1."""
    found: FloatArray = log_probabilities(answer, kind).max(axis=1)
    return found


def negative_entropy(answer: NDArray[np.floating], kind: str, labels: Labels) -> FloatArray:
    """Return minus the entropy of the answer, in nats."""
    log_p = log_probabilities(answer, kind)
    found: FloatArray = (np.exp(log_p) * log_p).sum(axis=1)
    return found


def correct(answer: NDArray[np.floating], kind: str, labels: Labels) -> FloatArray:
    """Return 1 where the top class is the label, else 0."""
    found: FloatArray = (answer.argmax(axis=1) == _required(labels)).astype(np.float64)
    return found


def negative_loss(answer: NDArray[np.floating], kind: str, labels: Labels) -> FloatArray:
    """Return minus the cross-entropy of the label, in nats."""
    log_p = log_probabilities(answer, kind)
    found: FloatArray = log_p[np.arange(len(log_p)), _required(labels)]
    return found


def phi(answer: NDArray[np.floating], kind: str, labels: Labels) -> FloatArray:
    """Return the log-odds of the label, log p_y - log(1 - p_y).

    From logits this is z_y - log(sum of exp(z) over the other classes): 1 - p_y is never formed, so that confident
    answers keep their order (LiRA, section V.B). With a single class there are no odds: 0.
    """
    log_p = answer.astype(np.float64) if kind == "logits" else log_probabilities(answer, kind)
    count, classes = log_p.shape
    if classes == 1:
        return np.zeros(count)
    of_label = np.zeros(log_p.shape, np.bool_)
    of_label[np.arange(count), _required(labels)] = True
    return log_p[of_label] - _log_sum_exp(log_p[~of_label].reshape(count, classes - 1))


SIGNALS = (
    Signal(
        name="max_probability",
        description="largest probability",
        source="Salem et al. 2019, arXiv 1806.01246",
        needs_labels=False,
        compute=max_probability,
    ),
    Signal(
        name="entropy",
        description="low entropy of the answer",
        source="Salem et al. 2019, arXiv 1806.01246",
        needs_labels=False,
        compute=negative_entropy,
    ),
    Signal(
        name="correct",
        description="top class is the label",
        source="Yeom et al. 2018, arXiv 1709.01604 (gap attack)",
        needs_labels=True,
        compute=correct,
    ),
    Signal(
        name="loss",
        description="low loss of the label",
        source="Yeom et al. 2018, arXiv 1709.01604",
        needs_labels=True,
        compute=negative_loss,
    ),
    Signal(
        name="phi",
        description="log-odds of the label",
        source="Carlini et al. 2022, arXiv 2112.03570 (LiRA's scaled confidence)",
        needs_labels=True,
        compute=phi,
    ),
)
