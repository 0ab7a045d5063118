"""What trying preparations found: the numbers of a row, the order of the rows, and what to make of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from onnxmint.controls.settling import LABELS, settling
from onnxmint.methods.signals import log_probabilities
from onnxmint.preprocess.variants import Variant
from onnxmint.results.check import CheckResult, RankedBy, VariantResult
from onnxmint.stats.information import entropy, told
from onnxmint.stats.leads import Lead, lead_of_means, lead_of_rates
from onnxmint.stats.renumbering import (
    IMAGES_PER_CLASS,
    Labels,
    Renumbering,
    accuracy_by_chance,
    best_renumbering,
    label_without_output,
)

NEAR = 0.02  # accuracies this close do not tell two preparations apart
_NEAR_SCORE = 0.1  # the same for scores, which the right preparation need not lead
_GAIN = 0.3  # accuracy that a renumbering must gain to be believed
_ABOVE_NOISE = 0.2  # by how much it must exceed what fitting noise gives
_LOW = 0.5  # accuracy of a trained model on images like its own, below which something else is wrong
_ABOVE_CHANCE = 0.1  # of the way from chance to certainty, below which nothing was recognised
_FEW_CLASSES = 20  # whose renumbering can be written out


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """A row and what it was made of, for ranking."""

    variant: Variant
    result: VariantResult
    index: Labels  # (n,) int64, which images
    labels: Labels | None  # (n,) int64
    predicted: Labels  # (n,) int64, top classes
    told: NDArray[np.float64]  # (n,) what the score is the mean of


def measure(variant: Variant, answer: NDArray[np.floating], kind: str, labels: Labels | None, index: Labels) -> Tried:
    """Return the row of a variant with what it was made of.

    Args:
        variant: the preparation.
        answer: (n, classes), what the target said.
        kind: "logits", "probabilities", "log-probabilities" or "sigmoid".
        labels: (n,) int64, None when unknown.
        index: (n,) int64, which images these are.
    """
    row = VariantResult(name=variant.name, spec=variant.spec, toml=variant.toml, images=len(answer))
    predicted = answer.argmax(axis=1)
    tried = Tried(
        variant=variant, result=row, index=index, labels=labels, predicted=predicted, told=np.zeros(len(answer))
    )
    if not np.isfinite(answer).all():
        return replace(tried, result=replace(row, skipped="the answer holds NaN or infinity"))
    log_p = log_probabilities(answer, kind)
    share = log_p - np.logaddexp.reduce(log_p, axis=1, keepdims=True)  # of each label where they do not add up to 1
    information = told(share)
    found = replace(
        row,
        confidence=float(np.exp(log_p).max(axis=1).mean()),
        entropy=float(entropy(np.exp(share)).mean()),
        score=max(0.0, float(information.mean())),
    )
    if labels is not None:
        right, classes = predicted == labels, answer.shape[1]
        inside = label_without_output(labels, classes) is None
        found = replace(
            found,
            accuracy=float(right.mean()),
            loss=-float(log_p[np.arange(len(labels)), labels].mean()) if inside else None,
            best_permutation_accuracy=max(float(right.mean()), best_renumbering(labels, predicted, classes).accuracy),
        )
    return replace(tried, result=found, told=information)


def with_leads(rows: Sequence[Tried], by: RankedBy, classes: int) -> tuple[VariantResult, ...]:
    """Return the rows, best first, each with how far it is behind the best one on the images that both answer."""
    best = rows[0]
    return tuple(
        row.result
        if row is best or best.result.skipped or row.result.skipped
        else replace(row.result, behind=_lead(best, row, by, classes))
        for row in rows
    )


def _lead(best: Tried, row: Tried, by: RankedBy, classes: int) -> Lead:
    _, first, second = np.intersect1d(best.index, row.index, assume_unique=True, return_indices=True)
    if by == "score":
        return lead_of_means(best.told[first], row.told[second])
    return lead_of_rates(_right(best, by, classes)[first], _right(row, by, classes)[second])


def _right(row: Tried, by: RankedBy, classes: int) -> NDArray[np.bool_]:
    """Return (n,) which images are classified as labelled, after the best renumbering where that is what ranks."""
    labels = np.zeros(0, np.int64) if row.labels is None else row.labels
    if by == "best_permutation_accuracy" and row.result.best_permutation_accuracy != row.result.accuracy:
        output = dict(best_renumbering(labels, row.predicted, classes).pairs)
        labels = np.array([output.get(label, -1) for label in labels.tolist()], np.int64)
    right: NDArray[np.bool_] = row.predicted == labels
    return right


def ranked(tried: Sequence[Tried], classes: int, rng: np.random.Generator) -> tuple[list[Tried], RankedBy]:
    """Return the rows best first and by what: accuracy, that of renumbered labels where it explains far more, or score.

    Accuracies within two points of the highest are ordered by loss, which tells near preparations apart with fewer
    images; where the loss says nothing, by score.
    """
    by = _measure_of(tried, classes, rng)
    highest = max((getattr(row.result, by) or 0.0 for row in tried), default=0.0)

    def worth(row: Tried) -> tuple[float, float, float]:
        value, loss, score = getattr(row.result, by), row.result.loss, row.result.score
        if value is None or score is None:
            return -1.0, 0.0, 0.0
        if by != "accuracy" or loss is None:
            return value, score, 0.0
        return (highest, -loss, value) if value >= highest - NEAR else (value, -loss, value)

    return sorted(tried, key=worth, reverse=True), by


def _measure_of(tried: Sequence[Tried], classes: int, rng: np.random.Generator) -> RankedBy:
    known = [row for row in tried if row.result.accuracy is not None]
    if not known:
        return "accuracy" if tried[0].labels is not None else "score"
    best = max(known, key=lambda row: row.result.best_permutation_accuracy or 0.0)
    plain = max(row.result.accuracy or 0.0 for row in known)
    renumbered = best.result.best_permutation_accuracy or 0.0
    if best.labels is None or renumbered - plain <= _GAIN:
        return "accuracy"
    by_chance = accuracy_by_chance(best.labels, best.predicted, classes, rng)
    return "best_permutation_accuracy" if renumbered > by_chance + _ABOVE_NOISE else "accuracy"


def advised(found: CheckResult) -> CheckResult:
    """Return a check with what to make of it filled in: whether anything fits, what else may, and sentences."""
    fits = _fits(found)
    found = replace(found, fits=fits, order=found.order if fits else None)
    found = replace(found, rivals=_rivals(found))
    return replace(found, advice=_advice(found))


def _fits(found: CheckResult) -> bool:
    if found.best.skipped is not None:
        return False
    sure = found.ranked_by == "score" or found.renumbering is not None
    return sure or _of(found.best, found) >= _chance(found.classes)


def _rivals(found: CheckResult) -> tuple[str, ...]:
    if not found.fits:
        return ()
    near = _NEAR_SCORE if found.ranked_by == "score" else NEAR
    return tuple(
        row.name for row in found.variants if row.behind and (not row.behind.settled or row.behind.value <= near)
    )


def _advice(found: CheckResult) -> str:
    best = found.best
    if best.skipped is not None:
        return f"No preparation gave an answer: {best.skipped}."
    if found.ranked_by == "score":
        words = [_by_score(found)]
    elif found.renumbering is not None:
        words = [_renumbered(found, found.renumbering, best), _fit(found)]
    elif not found.fits:
        words = [_none_fits(found)]
    else:
        words = [_fit(found), _low(best, found)]
    words.append(_declared(found))
    if found.raw:
        ways = "ways to resize" + ", and to lay out rows," * any(
            row.spec.layout == "flat-chw" for row in found.variants
        )
        words.append(f"The model takes raw uint8 pixels and scales them itself: only {ways} can differ.")
    return " ".join(word for word in words if word)


def _of(row: VariantResult, found: CheckResult) -> float:
    """Return the number that ranks; rows without any come last and are never compared."""
    value: float | None = getattr(row, found.ranked_by)
    return 0.0 if value is None else value


def _chance(classes: int) -> float:
    """Return the accuracy up to which nothing was recognised."""
    return 1 / classes + _ABOVE_CHANCE * (1 - 1 / classes)


def _fit(found: CheckResult) -> str:
    best = found.best
    right = f"right on {_of(best, found):.1%} of {best.images:,} images"
    start = f"{best.name} fits best: {right}"
    if len(found.variants) == 1:
        return f"{start}; nothing else could be tried."
    second = found.variants[1]
    name, ahead = second.name, _of(best, found) - _of(second, found)
    if found.noise:
        return f"None is best beyond noise: {best.name} is {right}. {settling(found)}"
    if found.rivals:
        return f"{start}. {settling(found)}"
    return f"{start}, {100 * ahead:.1f} points ahead of {name}."


def _low(best: VariantResult, found: CheckResult) -> str:
    if _of(best, found) >= _LOW:
        return ""
    return (
        "That is little for a trained model: the images may be re-compressed or differently cropped, or the model has "
        "a preparation of its own."
    )


def _none_fits(found: CheckResult) -> str:
    best = found.best
    text = (
        f"None of the known preparations fits (the best, {best.name}, is right on {_of(best, found):.1%}, "
        f"chance is {1 / found.classes:.1%}): the class numbering, re-compressed or differently cropped images, or a "
        "preparation of its own."
    )
    if found.outside is not None:
        text += f" Label {found.outside} has no output: the model has 0 to {found.classes - 1}."
    if not found.enough:
        text += f" To test the numbering too: onnxmint check --sample {IMAGES_PER_CLASS * found.classes}."
    return text


def _renumbered(found: CheckResult, numbers: Renumbering, best: VariantResult) -> str:
    right = f"numbered differently from the model's outputs: {numbers.accuracy:.1%} are right instead of"
    text = f"The labels are {right} {best.accuracy or 0.0:.1%} with"
    if numbers.shift is not None:
        text += f" {abs(numbers.shift)} {'added to' if numbers.shift > 0 else 'taken from'} every label."
    elif len(numbers.pairs) > _FEW_CLASSES:
        text += " another class order; --json lists it as renumbering (label, output)."
    else:
        pairs = ", ".join(f"{label} is {output}" for label, output in numbers.pairs)
        text += f" this class order (label is output): {pairs}."
    if found.order is None:
        return f"{text} It is not known of every class: try more images, with a larger --sample."
    return f"{text} onnxmint check --write-classes FILE writes that order, for --classes."


def _by_score(found: CheckResult) -> str:
    best = found.best
    return (
        f"Without labels, {best.name} gives the most telling answers (score {_of(best, found):.2f}, "
        f"{best.confidence or 0.0:.1%} sure on average). {settling(found) if found.rivals else LABELS}"
    )


def _declared(found: CheckResult) -> str:
    row, best = found.declared_row, found.best
    if row is None or row.skipped is not None:
        return "" if row is None else f"The declared {row.name} gave no answer: {row.skipped}."
    name = f"The declared {row.name}"
    value, behind = _of(row, found), _of(best, found) - _of(row, found)
    told_apart = row is not best and row.name not in found.rivals
    if found.ranked_by == "score":
        return f"{name} is {'doubtful' if told_apart else 'not contradicted'} (score {value:.2f})."
    if told_apart and found.fits:
        return f"{name} is right on {value:.1%} only, {100 * behind:.1f} points fewer: probably wrong."
    if _of(best, found) < _chance(found.classes):
        return ""
    plausible = "plausible" if behind <= NEAR else "not contradicted: these images do not tell it from what fits best"
    return f"{name} is {plausible}."
