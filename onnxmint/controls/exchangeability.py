"""The controls that need the questioned images: are they what the auditor's error rates were measured for?"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from onnxmint.controls.placebo import Features, twin_of
from onnxmint.controls.reference import questioned_difficulty
from onnxmint.controls.words import CHANCE, numbers
from onnxmint.engine.session import usable_cores
from onnxmint.engine.target import Prepared
from onnxmint.errors import OnnxmintError
from onnxmint.evidence.copies import group_copies
from onnxmint.evidence.table import groups_of, labels_of
from onnxmint.images.entries import ImageEntry, ImageSource
from onnxmint.images.facts import ImageFacts, look_at
from onnxmint.methods.references import Reference
from onnxmint.progress import Stage
from onnxmint.results.facts import Control, Skipped
from onnxmint.stats.heldout import HeldOut, group_means
from onnxmint.stats.two_sample import auc_of, compare_features, match
from onnxmint.verdict.units import Units
from onnxmint.verdict.yardstick import Traces, Yardstick

_LOOKED_INTO = 2000  # questioned images that a classifier compares with the known non-members

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
    facts = look_at(
        source,
        wanted=set(index.tolist()),
        stage=stage,
        name="questioned, looked at",
        threads=usable_cores(),
        pixel_facts=drawn,
    )
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
        described=facts.described[~np.isin(facts.index[facts.described], numbers)],
        known=tuple(known),
        known_index=frozenset(numbers),
    )


def exchangeability_control(
    asked: Questioned,
    prepared: Prepared,
    traces: Traces,
    yardstick: Yardstick,
    *,
    seed: int,
    batch_size: int | None,
    stage: Stage,
) -> Control:
    """Are the questioned images of the same distribution as the known non-members?

    A classifier sees pixel statistics and features of the twin, which know nothing of membership. Where it tells them
    apart, the control says how many of the known non-members look like the questioned images. It does not go on with
    those alone: a second test on what was matched by the first is too weak to vouch for them (79% of audits of
    non-members that it let pass found members in a simulation).
    """
    if not traces.features.size:
        text = "Not run: the auditor was trained with --no-controls."
        return Control(name="exchangeability", passed=None, text=text)
    rng, known = np.random.default_rng(seed), traces.features.astype(np.float64)
    try:
        index, values = _described(asked, prepared, seed=seed, batch_size=batch_size, stage=stage)
        found = compare_features(values, known, rng=rng, groups=_groups(asked, index, traces, yardstick))
    except (ValueError, OnnxmintError) as problem:
        return Control(name="exchangeability", passed=None, text=f"Not run: {problem}.")
    auc = found.auc
    if auc.low <= CHANCE:
        text = f"Questioned images were not told from known non-members without the model ({numbers(auc)})."
        if auc.high < CHANCE:
            text += (
                " They are even less apart than chance allows, as when they share groups or near copies with the known "
                "images: such questioned images are no independent ones."
            )
        return Control(name="exchangeability", passed=True, text=text, auc=auc)
    count = len(found.first)
    alike = found.second[match(found.score[:count], found.score[count:], rng)]
    text = (
        f"Questioned images can be told from known non-members without the model ({numbers(auc)}), so that error rates "
        f"measured on those do not hold for these; {len(alike):,} of the {len(known):,} known ones that were compared "
        "look like them: an auditor of more such non-members would do."
    )
    return Control(name="exchangeability", passed=False, text=text, auc=auc, alike=len(alike))


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


def _described(
    asked: Questioned, prepared: Prepared, *, seed: int, batch_size: int | None, stage: Stage
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
    return asked.facts.index[rows], np.concatenate(
        [asked.facts.take(np.array(rows)).pixel.astype(np.float64), seen], axis=1
    )


def question_the_reference(
    control: Control,
    references: Sequence[Reference],
    asked: Questioned,
    units: Units,
    traces: Traces,
    *,
    batch_size: int | None,
    stage: Stage,
) -> Control:
    """Return the reference control after the references were shown the questioned images too.

    Args:
        control: of the evidence.
        references: the models that it was made with; without any, the control says that they saw no questioned image.
        asked: the questioned images.
        units: what is counted of them, and the known images that they are measured by.
        traces: the references' log-odds of known non-members.
        batch_size: images in one run.
        stage: told of the progress.
    """
    found = control.difficulty
    with_labels = found is not None and found.labels
    labels = labels_of(asked.entries) if with_labels else None
    if found is None or not references or (labels is None and with_labels):
        why = "--reference" if not references else "labels"
        return replace(control, text=f"{control.text} Questioned images were not shown to them ({why}).")
    told = (
        None
        if labels is None
        else {entry.index: int(label) for entry, label in zip(asked.entries, labels.tolist(), strict=True)}
    )
    wanted = [asked.entries[row].index for row in units.row.tolist()]
    of_index = questioned_difficulty(references, asked.source, told, wanted, batch_size, stage)
    value = np.array([of_index.get(index, np.nan) for index in wanted])
    of_known = {int(number): odds for number, odds in zip(traces.judged, traces.difficulty, strict=True)}
    known = units.known.nonmembers
    theirs = np.array([of_known.get(number, np.nan) for number in known.number.tolist()])
    auc = auc_of(HeldOut.of(_means(value, units.place), _means(theirs, known.group)))
    if auc.low > CHANCE:
        text = (
            f"Questioned images are easier than known non-members for models not trained on either "
            f"({numbers(auc)}), so that they score higher without having been trained on."
        )
        passed: bool | None = False
    else:
        text, passed = f"Nor are questioned images easier ({numbers(auc)}).", control.passed
    difficulty = replace(found, questioned=auc)
    return replace(control, passed=passed, text=f"{control.text} {text}", difficulty=difficulty)


def _means(values: NDArray[np.float64], groups: NDArray[np.integer] | None) -> NDArray[np.float64]:
    """Return the finite values, or their means over groups."""
    kept = np.isfinite(values)
    return values[kept] if groups is None else group_means(values[kept], groups[kept])[0]
