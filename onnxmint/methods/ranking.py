"""From scores to methods: measured on the test part, compared with the signal that was best on the fit part."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from onnxmint.errors import EvidenceError
from onnxmint.evidence.table import CALIBRATE, FIT, TEST
from onnxmint.methods.measuring import KnownScores, measure
from onnxmint.methods.signals import SIGNALS
from onnxmint.results.audit import Histogram
from onnxmint.results.methods import Method
from onnxmint.stats import metrics
from onnxmint.stats.compare import compare_auc
from onnxmint.stats.estimates import FloatArray

_BINS = 40
_BY_CLASS = "modified_entropy_by_class"
_DRAWN = (0.005, 0.995)  # quantiles between which scores are drawn in their own bins

Ranked = tuple[Method, FloatArray | None]
"""A method with its (n,) scores of the known images, None when it was skipped."""


def signal_methods(held: KnownScores, rng: np.random.Generator) -> Iterator[Ranked]:
    """Yield every signal; the best on the fit part is what all others are compared with."""
    fit_auc = {}
    for signal in SIGNALS:
        if signal.name not in held.skipped and _finite(held, held.signals[signal.name]):
            fit_auc[signal.name] = auc_of_fit(held, held.signals[signal.name])
    entropy, labels = held.signals.get("modified_entropy"), held.table.labels
    by_class = entropy if labels is not None and "modified_entropy" in fit_auc else None
    if by_class is not None:
        fit_auc[_BY_CLASS] = auc_of_fit(held, _by_class_unseen(held, by_class))
    best = max(fit_auc, key=lambda name: fit_auc[name])
    for signal in SIGNALS:
        score, skipped = held.signals[signal.name], held.skipped.get(signal.name)
        if skipped is None and signal.name not in fit_auc:
            skipped = "the target's answer holds NaN or infinity"
        method = Method(
            name=signal.name,
            kind="signal",
            title=signal.description,
            source=signal.source,
            chosen=signal.name == best,
            fit_auc=fit_auc.get(signal.name),
        )
        yield measured(method, score, held, rng, skipped=skipped)
    if by_class is not None:
        method = Method(
            name=_BY_CLASS,
            kind="signal",
            title="low modified entropy, by class",
            source="Song and Mittal 2021, arXiv 2003.10595 (a threshold for each class, from the fit part)",
            chosen=best == _BY_CLASS,
            fit_auc=fit_auc[_BY_CLASS],
        )
        yield measured(method, _by_class(held, by_class), held, rng)


def _by_class_unseen(held: KnownScores, score: FloatArray) -> FloatArray:
    """Return `_by_class` of the fit part, every fold with thresholds that the other folds gave."""
    found = np.full(len(score), np.nan)
    for fold in FIT:
        rows = np.concatenate([held.rows(fold, member=member) for member in (True, False)])
        found[rows] = _by_class(held, score, tuple(other for other in FIT if other != fold))[rows]
    return found


def _by_class(held: KnownScores, score: FloatArray, learned_on: tuple[int, ...] = FIT) -> FloatArray:
    """Return a score less the threshold of its class, found on some folds (all classes' where one is missing)."""
    labels = held.table.labels
    if labels is None:
        raise EvidenceError("thresholds by class need labels")
    member, nonmember = held.rows(*learned_on, member=True), held.rows(*learned_on, member=False)
    common = metrics.best_threshold(score[member], score[nonmember])
    found = score - common
    for label in np.unique(labels):
        inside = [score[rows[labels[rows] == label]] for rows in (member, nonmember)]
        if min(map(len, inside)):
            rows = labels == label
            found[rows] = score[rows] - metrics.best_threshold(*inside)
    return found


def measured(
    method: Method, score: FloatArray | None, held: KnownScores, rng: np.random.Generator, skipped: str | None = None
) -> Ranked:
    """Measure a score on the test part; one that is skipped, or no number somewhere, says why instead."""
    if skipped is not None or score is None:
        return replace(method, skipped=skipped), None
    if not _finite(held, score):
        return replace(method, skipped="gives NaN or infinity"), None
    member, nonmember = (score[held.rows(TEST, member=side)] for side in (True, False))
    return replace(method, performance=measure(score, held, rng), histogram=_histogram(member, nonmember)), score


def _finite(held: KnownScores, score: FloatArray) -> bool:
    """Say whether a score of all images that count is a number."""
    used = np.concatenate([held.rows(part, member=member) for part in (CALIBRATE, TEST) for member in (True, False)])
    return bool(np.isfinite(score[used]).all())


def auc_of_fit(held: KnownScores, score: FloatArray) -> float:
    """Return the AUC on the fit part of a score that did not learn who is a member."""
    return metrics.auc(*(score[held.rows(*FIT, member=member)] for member in (True, False)))


def _histogram(member: FloatArray, nonmember: FloatArray) -> Histogram:
    """Count in common bins; the outermost take the tails."""
    low, high = np.quantile(np.concatenate([member, nonmember]), _DRAWN)
    edges = np.linspace(low, high if high > low else low + 1, _BINS + 1)
    counts = [
        np.histogram(np.clip(side, edges[0], edges[-1]), edges)[0].astype(np.int64) for side in (member, nonmember)
    ]
    return Histogram(edges=edges, member=counts[0], nonmember=counts[1], questioned=None)


def compared(found: list[Ranked], held: KnownScores, rng: np.random.Generator) -> list[Ranked]:
    """Compare every method with the best signal on the test part."""
    rows = held.rows(TEST, member=True), held.rows(TEST, member=False)
    groups = held.table.groups
    by_side = None if groups is None else (groups[rows[0]], groups[rows[1]])
    best = next(score for method, score in found if method.kind == "signal" and method.chosen)
    if best is None:
        raise EvidenceError("no signal can be computed of this target's answers")
    against = best[rows[0]], best[rows[1]]
    result: list[Ranked] = []
    for method, score in found:
        if score is None or score is best:
            result.append((method, score))
            continue
        difference = compare_auc((score[rows[0]], score[rows[1]]), against, groups=by_side, rng=rng)
        result.append((replace(method, difference=difference), score))
    return result
