"""Closed-form membership scores from what a target says of an image: the baselines every module has to beat.

Each takes the answer (n, classes), its kind and labels (n,), and gives (n,) scores, higher meaning more like a member.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Labels = NDArray[np.int64] | None
_SMALLEST = 1e-45  # below the smallest positive float32: a probability of 0 stays finite


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """A baseline score."""

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
        values = values - values.max(axis=1, keepdims=True)
        return values - np.log(np.exp(values).sum(axis=1, keepdims=True))
    if kind == "probabilities":
        return np.log(np.maximum(values, _SMALLEST))
    if kind == "log-probabilities":
        return values
    raise ValueError(f"kind must be logits, probabilities or log-probabilities, got {kind!r}")


def _of_label(log_p: FloatArray, labels: Labels) -> FloatArray:
    if labels is None:
        raise ValueError("this signal needs labels")
    return log_p[np.arange(len(log_p)), labels]


def max_probability(answer: NDArray[np.floating], kind: str, labels: Labels) -> FloatArray:
    """Return the largest log-probability: the order of the largest probability, without rounding up to 1."""
    return log_probabilities(answer, kind).max(axis=1)


def negative_entropy(answer: NDArray[np.floating], kind: str, labels: Labels) -> FloatArray:
    """Return minus the entropy of the answer, in nats."""
    log_p = log_probabilities(answer, kind)
    return (np.exp(log_p) * log_p).sum(axis=1)


def correct(answer: NDArray[np.floating], kind: str, labels: Labels) -> FloatArray:
    """Return 1 where the top class is the label, else 0."""
    if labels is None:
        raise ValueError("this signal needs labels")
    return (answer.argmax(axis=1) == labels).astype(np.float64)


def negative_loss(answer: NDArray[np.floating], kind: str, labels: Labels) -> FloatArray:
    """Return minus the cross-entropy of the label."""
    return _of_label(log_probabilities(answer, kind), labels)


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
)
