"""Exchangeability: are the questioned images what the auditor's error rates were measured for?"""

import numpy as np
from numpy.typing import NDArray

from onnxmint.controls.seen import Missing, SeenQuestioned
from onnxmint.controls.words import CHANCE, numbers
from onnxmint.results.facts import Control
from onnxmint.stats.two_sample import compare_features, match

Rows = NDArray[np.int64]


def exchangeability_control(_: Control | None, asked: SeenQuestioned, __: np.random.Generator) -> Control:
    """Are the questioned images of the same distribution as the known non-members?

    A classifier sees pixel statistics and features of the twin, which know nothing of membership. Where it tells them
    apart, the control says how many of the known non-members look like the questioned images. It does not go on with
    those alone: a second test on what was matched by the first is too weak to vouch for them (79% of audits of
    non-members that it let pass found members in a simulation).
    """
    if not asked.traces.features.size:
        text = "Not run: the auditor was trained with --no-controls."
        return Control(name="exchangeability", passed=None, text=text)
    if isinstance(asked.features, Missing):
        return Control(name="exchangeability", passed=None, text=f"Not run: {asked.features.why}.")
    rng, known = np.random.default_rng(asked.seed), asked.traces.features.astype(np.float64)
    try:
        found = compare_features(asked.features, known, rng=rng, groups=_groups(asked))
    except ValueError as problem:  # fewer images than folds
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


def _groups(asked: SeenQuestioned) -> tuple[Rows, Rows] | None:
    """Return groups of described questioned and known images, apart from each other; None where there are none."""
    traces, yardstick = asked.traces, asked.yardstick
    mine = asked.questioned.groups(asked.row)
    if mine is None and yardstick.group is None:
        return None
    mine = np.arange(len(asked.row)) if mine is None else mine
    theirs = traces.described.astype(np.int64)
    if yardstick.group is not None:
        group_of = dict(zip(yardstick.number.tolist(), yardstick.group.tolist(), strict=True))
        theirs = np.array([group_of[number] for number in traces.described.tolist()], np.int64)
    return mine, theirs + int(mine.max(initial=0)) + 1
