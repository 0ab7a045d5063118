"""The controls that need the questioned images: are they what the auditor's error rates were measured for?"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from onnxmint.controls.copies import group_copies
from onnxmint.controls.placebo import Features, twin_of
from onnxmint.controls.reference import easier, questioned_difficulty
from onnxmint.errors import OnnxmintError, UsageError
from onnxmint.evidence import groups_of, labels_of
from onnxmint.images.entries import ImageEntry, ImageSource
from onnxmint.images.facts import ImageFacts, look_at
from onnxmint.preparing import Prepared
from onnxmint.progress import Stage
from onnxmint.references import Reference
from onnxmint.results import Control, Skipped
from onnxmint.stats.estimates import Estimate
from onnxmint.stats.heldout import group_means
from onnxmint.stats.two_sample import Comparison, compare_features, match
from onnxmint.yardstick import Traces, Yardstick

_LOOKED_INTO = 2000  # questioned images that a classifier compares with the known non-members
_FEWEST_MATCHED = 100  # known non-members, below which a matched yardstick says too little
_CHANCE = 0.5

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Questioned:
    """Questioned images as they were looked at.

    Attributes:
        source: where they are.
        entries: all of them.
        facts: of those that can be decoded.
        described: rows of `facts` whose pixels were described.
        known: copies of known images, which are not judged.
    """

    source: ImageSource
    entries: Sequence[ImageEntry]
    facts: ImageFacts
    described: Rows
    known: tuple[Skipped, ...]
    known_index: frozenset[int]

    def groups(self, index: Rows, given: Rows | None) -> Rows | None:
        """Return groups of some images, near copies joined; None when each stands for itself.

        Args:
            index: (n,) positions in the source, ascending.
            given: (n,) groups that the user declared.
        """
        rows = np.searchsorted(self.facts.index, index)
        return group_copies(self.facts.take(rows), given)


def look_at_questioned(source: ImageSource, traces: Traces, *, rng: np.random.Generator, stage: Stage) -> Questioned:
    """Look at the questioned images without a model, and find the ones that are known already."""
    entries = source.entries()
    index = np.array([entry.index for entry in entries], np.int64)
    drawn = set(rng.permutation(index)[:_LOOKED_INTO].tolist())
    facts = look_at(source, wanted=set(index.tolist()), stage=stage, name="questioned, looked at", pixel_facts=drawn)
    member = set(traces.digest[traces.is_member].tolist())
    nonmember = set(traces.digest[~traces.is_member].tolist())
    path = {entry.index: entry.path for entry in entries}
    known, numbers = [], []
    for position, digest in zip(facts.index.tolist(), facts.digest.tolist(), strict=True):
        if digest in member or digest in nonmember:
            side = "member" if digest in member else "non-member"
            known.append(Skipped(path=path[position], reason=f"is a known {side} of the evidence: nothing to test"))
            numbers.append(position)
    return Questioned(
        source=source,
        entries=entries,
        facts=facts,
        described=np.flatnonzero(np.isfinite(facts.pixel[:, 0]) & ~np.isin(facts.index, numbers)),
        known=tuple(known),
        known_index=frozenset(numbers),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchangeability:
    """Whether error rates measured on known non-members hold for questioned images.

    Attributes:
        control: what was found.
        matched: numbers of the only known non-members that they may be measured by; None for all.
    """

    control: Control
    matched: NDArray[np.int32] | None


def exchangeability_control(
    asked: Questioned,
    prepared: Prepared,
    traces: Traces,
    yardstick: Yardstick,
    *,
    seed: int,
    batch_size: int,
    stage: Stage,
) -> Exchangeability:
    """Are the questioned images of the same distribution as the known non-members?

    A classifier sees pixel statistics and features of the twin, which know nothing of membership. Where it tells them
    apart, known non-members are matched to the questioned images by its score, and the question is put again.
    """
    if not traces.features.size:
        text = "Not run: the auditor was trained with --no-controls."
        return Exchangeability(control=Control(name="exchangeability", passed=None, text=text), matched=None)
    rng, known = np.random.default_rng(seed), traces.features.astype(np.float64)
    try:
        index, values = _described(asked, prepared, seed=seed, batch_size=batch_size, stage=stage)
        groups = _groups(asked, index, traces, yardstick)
        found = compare_features(values, known, rng=rng, groups=groups)
    except (ValueError, OnnxmintError) as problem:
        return Exchangeability(
            control=Control(name="exchangeability", passed=None, text=f"Not run: {problem}."), matched=None
        )
    if found.auc.low <= _CHANCE:
        text = f"Questioned images cannot be told from known non-members without the model ({_numbers(found.auc)})."
        if found.auc.high < _CHANCE:
            text += (
                " They are even less apart than chance allows, as when they share groups or near copies with the known "
                "images: such questioned images are no independent ones."
            )
        control = Control(name="exchangeability", passed=True, text=text, auc=found.auc)
        return Exchangeability(control=control, matched=None)
    return _matched(found, values, known, groups, traces, rng)


def _groups(asked: Questioned, index: Rows, traces: Traces, yardstick: Yardstick) -> tuple[Rows, Rows] | None:
    """Return groups of described questioned and known images, apart from each other; None where there are none."""
    entry_of = {entry.index: entry for entry in asked.entries}
    mine = asked.groups(index, groups_of([entry_of[number] for number in index.tolist()]))
    if mine is None and yardstick.group is None:
        return None
    mine = np.arange(len(index)) if mine is None else mine
    theirs = traces.described.astype(np.int64)
    if yardstick.group is not None:
        group_of = dict(zip(yardstick.number.tolist(), yardstick.group.tolist(), strict=True))
        theirs = np.array([group_of[number] for number in traces.described.tolist()], np.int64)
    return mine, theirs + int(mine.max(initial=0)) + 1


def _matched(
    found: Comparison,
    values: NDArray[np.float64],
    known: NDArray[np.float64],
    groups: tuple[Rows, Rows] | None,
    traces: Traces,
    rng: np.random.Generator,
) -> Exchangeability:
    """Look for known non-members that look like the questioned images, and ask of those again."""
    before = f"Questioned images can be told from known non-members without the model ({_numbers(found.auc)})"
    count = len(found.first)
    rows = found.second[match(found.score[:count], found.score[count:], rng)]
    of_rows = None if groups is None else (groups[0], groups[1][rows])
    again = compare_features(values, known[rows], rng=rng, groups=of_rows) if len(rows) >= _FEWEST_MATCHED else None
    if again is not None and again.auc.low <= _CHANCE:
        text = (
            f"{before}; the {len(rows):,} of {len(known):,} that look most like them cannot ({_numbers(again.auc)}), "
            "and only these are used."
        )
        facts = {"matched": len(rows), "before": found.auc.to_dict()}
        control = Control(name="exchangeability", passed=True, text=text, auc=again.auc, facts=facts)
        return Exchangeability(control=control, matched=traces.described[rows])
    why = (
        f"only {len(rows):,} of {len(known):,} look like them"
        if again is None
        else f"nor do the {len(rows):,} that look most like them pass ({_numbers(again.auc)})"
    )
    text = f"{before}, so that error rates measured on those do not hold for these; {why}."
    return Exchangeability(
        control=Control(name="exchangeability", passed=False, text=text, auc=found.auc, facts={"matched": len(rows)}),
        matched=None,
    )


def _numbers(auc: Estimate) -> str:
    return f"AUC {auc.value:.3f}, 98% interval {auc.low:.3f} to {auc.high:.3f}"


def _described(
    asked: Questioned, prepared: Prepared, *, seed: int, batch_size: int, stage: Stage
) -> tuple[Rows, NDArray[np.float64]]:
    """Return the described images' positions in the source, and their pixel statistics and twin features."""
    graph = Features.of(twin_of(prepared, seed))
    reader, output = graph.open(batch_size)
    wanted = asked.facts.index[asked.described]
    features: dict[int, NDArray[np.float64]] = {}
    for batch in reader.read(asked.source, wanted=set(wanted.tolist()), stage=stage, name="questioned, by the twin"):
        values = graph.describe(batch.outputs[output])
        features.update(zip(batch.index.tolist(), values, strict=True))
    rows = [row for row in asked.described.tolist() if int(asked.facts.index[row]) in features]
    if not rows:
        raise ValueError("no questioned image could be read")
    seen = np.stack([features[int(asked.facts.index[row])] for row in rows])
    return asked.facts.index[rows], np.concatenate([asked.facts.pixel[rows].astype(np.float64), seen], axis=1)


def question_the_reference(
    control: Control,
    references: Sequence[Reference],
    asked: Questioned,
    traces: Traces,
    *,
    batch_size: int,
    stage: Stage,
) -> Control:
    """Return the reference control after the references were shown the questioned images too.

    Raises:
        UsageError: the auditor was trained without these references.
    """
    if not traces.difficulty.size:
        raise UsageError(
            "--reference was given, but the auditor was trained without: train it with the same --reference"
        )
    labels = labels_of(asked.entries) if control.facts.get("labels") else None
    if labels is None and control.facts.get("labels"):
        text = f"{control.text} Questioned images without labels could not be shown to it."
        return replace(control, text=text)
    told = (
        None
        if labels is None
        else {entry.index: int(label) for entry, label in zip(asked.entries, labels.tolist(), strict=True)}
    )
    wanted = [index for index in asked.facts.index.tolist() if index not in asked.known_index]
    found = questioned_difficulty(references, asked.source, told, wanted, batch_size, stage)
    index = np.array(sorted(found), np.int64)
    values = np.array([found[number] for number in index.tolist()])
    entry_of = {entry.index: entry for entry in asked.entries}
    groups = asked.groups(index, groups_of([entry_of[number] for number in index.tolist()]))
    auc = easier(values if groups is None else group_means(values, groups)[0], traces.difficulty[:, 0].astype(float))
    numbers = f"AUC {auc.value:.3f}, 98% interval {auc.low:.3f} to {auc.high:.3f}"
    if auc.low > _CHANCE:
        text = (
            f"Questioned images are easier than known non-members for models not trained on either ({numbers}), so "
            "that they score higher without having been trained on."
        )
        passed: bool | None = False
    else:
        text, passed = f"Nor are questioned images easier ({numbers}).", control.passed
    return replace(
        control, passed=passed, text=f"{control.text} {text}", facts={**control.facts, "questioned": auc.to_dict()}
    )
