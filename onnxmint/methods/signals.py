"""Closed-form membership scores from what a target says of an image: the baselines every module has to beat.

Each takes what was observed of n images and gives (n,) float64 scores, higher meaning more like a member. What it needs
beyond the answer stands in its `needs`; without it, it raises ValueError.

A target of kind "sigmoid" gives each label its own probability 1 / (1 + exp(-z)), and several may hold for one image.
Only the given label is known to hold; of the others nothing is. So the loss is that of the given label alone, its
log-odds phi are its own logit, the confidence is that in the label it is surest of (which also counts as its answer),
and the entropy is the sum over labels. What compares classes that exclude each other means nothing and is left out.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
_SMALLEST = 1e-45  # below the smallest positive float32: the logarithm of a probability of 0 stays finite


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What is known of n images.

    Attributes:
        answer: (n, classes), the target's answer to the images themselves.
        kind: what the answer is: "logits", "probabilities", "log-probabilities" or "sigmoid" (logits of labels).
        labels: (n,) int64, None when unknown.
        odds: (n, views) log-odds of the label (of the top class without labels) in every view, the image itself first.
        penultimate: (n, width), what the target's last dense layer reads.
    """

    answer: NDArray[np.floating]
    kind: str
    labels: NDArray[np.int64] | None = None
    odds: NDArray[np.floating] | None = None
    penultimate: NDArray[np.floating] | None = None

    def has(self, need: str) -> bool:
        """Say whether there is what a signal needs: "labels", "views", "penultimate", "logits" or "classes"."""
        return {
            "labels": self.labels is not None,
            "views": self.odds is not None and self.odds.shape[1] > 1,
            "penultimate": self.penultimate is not None,
            "logits": self.kind == "logits",
            "classes": self.kind != "sigmoid",
        }[need]


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """A baseline score: `compute(observed)` gives (n,) scores."""

    name: str
    description: str
    source: str
    compute: Callable[[Observed], FloatArray]
    needs: tuple[str, ...] = ()


NEEDS = {
    "labels": "needs labels of all known images",
    "views": "needs more than one view of each image",
    "penultimate": "needs what the target's last dense layer reads, which this graph does not show",
    "logits": "needs logits, which this target's graph does not show",
    "classes": "compares classes that exclude each other; this target's labels do not (it ends in a sigmoid)",
}
"""Why a signal is left out, in words."""


def log_probabilities(answer: NDArray[np.floating], kind: str) -> FloatArray:
    """Return (n, classes) log-probabilities; those of "sigmoid" labels do not add up to 1.

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
    if kind == "sigmoid":
        found: FloatArray = -np.logaddexp(0, -values)
        return found
    raise ValueError(f"kind must be logits, probabilities, log-probabilities or sigmoid, got {kind!r}")


def _log_sum_exp(values: FloatArray) -> FloatArray:
    """Return log(sum(exp(values))) of each row, exact for values of any size."""
    top = values.max(axis=1)
    found: FloatArray = top + np.log(np.exp(values - top[:, np.newaxis]).sum(axis=1))
    return found


def _labels(observed: Observed) -> NDArray[np.int64]:
    if observed.labels is None:
        raise ValueError("this signal needs labels, got None")
    return observed.labels


def _require_classes(observed: Observed) -> None:
    if not observed.has("classes"):
        raise ValueError(f"this signal needs classes that exclude each other, got {observed.kind}")


def _split(log_p: FloatArray, labels: NDArray[np.int64]) -> tuple[FloatArray, FloatArray]:
    """Return (n,) values of the labels and (n, classes - 1) values of the other classes."""
    count, classes = log_p.shape
    of_label = np.arange(classes) == labels[:, np.newaxis]
    return log_p[of_label], log_p[~of_label].reshape(count, classes - 1)


def max_probability(observed: Observed) -> FloatArray:
    """Return the largest log-probability: the order of the largest probability, without rounding up to 1."""
    found: FloatArray = log_probabilities(observed.answer, observed.kind).max(axis=1)
    return found


def negative_entropy(observed: Observed) -> FloatArray:
    """Return minus the entropy of the answer, in nats; of "sigmoid" labels the sum of their entropies."""
    log_p = log_probabilities(observed.answer, observed.kind)
    found: FloatArray = (np.exp(log_p) * log_p).sum(axis=1)
    if observed.kind == "sigmoid":
        log_not = log_probabilities(-observed.answer, observed.kind)
        found = found + (np.exp(log_not) * log_not).sum(axis=1)
    return found


def energy(observed: Observed) -> FloatArray:
    """Return log(sum(exp(logits))), minus the energy; probabilities have lost it."""
    if observed.kind != "logits":
        raise ValueError(f"this signal needs logits, got {observed.kind}")
    return _log_sum_exp(observed.answer.astype(np.float64))


def correct(observed: Observed) -> FloatArray:
    """Return 1 where the top class is the label, else 0."""
    found: FloatArray = (observed.answer.argmax(axis=1) == _labels(observed)).astype(np.float64)
    return found


def negative_loss(observed: Observed) -> FloatArray:
    """Return minus the cross-entropy of the label, in nats."""
    log_p = log_probabilities(observed.answer, observed.kind)
    found: FloatArray = log_p[np.arange(len(log_p)), _labels(observed)]
    return found


def negative_modified_entropy(observed: Observed) -> FloatArray:
    """Return minus the modified entropy, (p_y - 1) log p_y - sum over other classes of p_i log(1 - p_i).

    log(1 - p_i) of the one class that may come close to 1 is the sum of all others, so that it keeps its order.
    """
    _require_classes(observed)
    log_p = log_probabilities(observed.answer, observed.kind)
    labels = _labels(observed)
    if log_p.shape[1] == 1:
        return np.zeros(len(log_p))
    top = log_p.argmax(axis=1)
    rest = _log_sum_exp(_split(log_p, top)[1])
    log_not = np.log1p(-np.minimum(np.exp(log_p), 0.5))  # a class that is not on top has at most 1 / 2
    log_not[np.arange(len(log_p)), top] = rest
    own, others = _split(log_p, labels)
    own_not, others_not = _split(log_not, labels)
    found: FloatArray = np.exp(own_not) * own + (np.exp(others) * others_not).sum(axis=1)
    return found


def phi(observed: Observed) -> FloatArray:
    """Return the log-odds of the label, log p_y - log(1 - p_y).

    From logits this is z_y - log(sum of exp(z) over the other classes): 1 - p_y is never formed, so that confident
    answers keep their order (LiRA, section V.B). With a single class there are no odds: 0. Those of a "sigmoid"
    label are its logit.
    """
    if observed.kind == "sigmoid":
        own: FloatArray = observed.answer.astype(np.float64)[np.arange(len(observed.answer)), _labels(observed)]
        return own
    of_label, others = _split(_unnormalised(observed), _labels(observed))
    return of_label - _log_sum_exp(others) if others.shape[1] else np.zeros(len(others))


def margin(observed: Observed) -> FloatArray:
    """Return how far the label's logit (or log-probability) is above the largest other one. One class has none: 0."""
    _require_classes(observed)
    of_label, others = _split(_unnormalised(observed), _labels(observed))
    found: FloatArray = of_label - others.max(axis=1) if others.shape[1] else np.zeros(len(others))
    return found


def negative_gradient_norm(observed: Observed) -> FloatArray:
    """Return minus the logarithm of the norm of the loss's gradient by weights and biases of the last dense layer.

    For softmax and cross-entropy the gradient is (p - onehot(y)) outer (h, 1), h being what the layer reads: its norm
    is exact without a backward pass.
    """
    if observed.penultimate is None:
        raise ValueError("this signal needs the penultimate activation, got None")
    _require_classes(observed)
    log_p = log_probabilities(observed.answer, observed.kind)
    others = _split(log_p, _labels(observed))[1]
    if not others.shape[1]:
        return np.zeros(len(others))
    not_label = _log_sum_exp(others)  # log(1 - p_y)
    errors = _log_sum_exp(2 * np.concatenate([others, not_label[:, np.newaxis]], axis=1)) / 2
    size = np.log1p(np.square(observed.penultimate.astype(np.float64)).sum(axis=1)) / 2
    found: FloatArray = -(errors + size)
    return found


def view_gap(observed: Observed) -> FloatArray:
    """Return how much surer the target is of the image itself than of its views on average, in log-odds."""
    if observed.odds is None:
        raise ValueError("this signal needs log-odds of several views, got None")
    odds = observed.odds.astype(np.float64)
    found: FloatArray = odds[:, 0] - odds.mean(axis=1)
    return found


def _unnormalised(observed: Observed) -> FloatArray:
    """Return logits as they are, probabilities as logarithms: differences between classes are the same."""
    if observed.kind == "logits":
        return observed.answer.astype(np.float64)
    return log_probabilities(observed.answer, observed.kind)


SIGNALS = (
    Signal(
        name="max_probability",
        description="largest probability",
        source="Salem et al. 2019, arXiv 1806.01246",
        compute=max_probability,
    ),
    Signal(
        name="entropy",
        description="low entropy of the answer",
        source="Salem et al. 2019, arXiv 1806.01246",
        compute=negative_entropy,
    ),
    Signal(
        name="energy",
        description="large sum of exponential logits",
        source="Liu et al. 2020, arXiv 2010.03759 (energy)",
        compute=energy,
        needs=("classes", "logits"),
    ),
    Signal(
        name="correct",
        description="top class is the label",
        source="Yeom et al. 2018, arXiv 1709.01604 (gap attack)",
        compute=correct,
        needs=("labels",),
    ),
    Signal(
        name="loss",
        description="low loss of the label",
        source="Yeom et al. 2018, arXiv 1709.01604",
        compute=negative_loss,
        needs=("labels",),
    ),
    Signal(
        name="modified_entropy",
        description="low modified entropy",
        source="Song and Mittal 2021, arXiv 2003.10595",
        compute=negative_modified_entropy,
        needs=("labels", "classes"),
    ),
    Signal(
        name="phi",
        description="log-odds of the label",
        source="Carlini et al. 2022, arXiv 2112.03570 (LiRA's scaled confidence)",
        compute=phi,
        needs=("labels",),
    ),
    Signal(
        name="margin",
        description="label above the next class",
        source="Carlini et al. 2022, arXiv 2112.03570 (hinge)",
        compute=margin,
        needs=("labels", "classes"),
    ),
    Signal(
        name="gradient_norm",
        description="small gradient of the last layer",
        source="Nasr et al. 2019, arXiv 1812.00910",
        compute=negative_gradient_norm,
        needs=("labels", "classes", "penultimate"),
    ),
    Signal(
        name="view_gap",
        description="log-odds above those of its views",
        source="Jayaraman et al. 2021, arXiv 2005.10881 (Merlin, with shifts instead of noise)",
        compute=view_gap,
        needs=("views",),
    ),
)
