"""Alignment: are the questioned images moved or mirrored copies of something that the model knows better?

A mirrored copy of a member looks like the best non-member to a module that reads views, since its order is turned
around. So before an audit says that there is no evidence, the images are shown moved back by some pixels and mirrored:
if the model is then surer of them, they may be copies of its training images, and the answer stays open.
"""

import numpy as np

from onnxmint.controls.seen import Missing, SeenQuestioned
from onnxmint.results.facts import Control
from onnxmint.stats.estimates import FloatArray

READINGS = tuple(
    (down, right, mirrored) for mirrored in (False, True) for down in range(-2, 3) for right in range(-2, 3)
)
"""How images are shown: moved by so many steps (a thirty-second of the side, at least a pixel), mirrored or not."""
GIVEN = READINGS.index((0, 0, False))
_MIRROR = READINGS.index((0, 0, True))
_LEVEL = 0.005  # for the mirror image, and again for all others together
_FEWEST = 20  # images


def alignment_control(_: Control | None, asked: SeenQuestioned, __: np.random.Generator) -> Control:
    """Say whether the model is surer of the images when they are shown moved or mirrored."""
    if asked.aligned is None:
        text = "Not needed: members were found, or nothing could be."
        return Control(name="alignment", passed=None, text=text)
    if isinstance(asked.aligned, Missing):
        return Control(name="alignment", passed=None, text=f"Not run: {asked.aligned.why}.")
    if len(asked.aligned) < _FEWEST:
        text = f"Could not look: {len(asked.aligned)} images are too few, {_FEWEST} are needed."
        return Control(name="alignment", passed=None, text=text)
    better = surer_reading(asked.aligned)
    if better is None:
        text = (
            f"The model is not surer of {len(asked.aligned):,} questioned images when they are shown moved by up to "
            "two "
            "steps, or mirrored: they were not seen to be displaced copies."
        )
        return Control(name="alignment", passed=True, text=text)
    down, right, mirrored = READINGS[better]
    how = [f"moved by {down} and {right} steps"] if down or right else []
    how += ["mirrored"] if mirrored else []
    text = (
        f"The model is surer of the questioned images when they are shown {' and '.join(how)}: they may be copies of "
        "its "
        "training images, changed since, by which this audit would not know them. Give the images as they were, if "
        "they "
        "can be had."
    )
    return Control(name="alignment", passed=False, text=text)


def surer_reading(odds: FloatArray) -> int | None:
    """Return the reading by which the model is surer of images than as they were given, None when there is none.

    One-sided signed-rank tests (Wilcoxon 1945) of each image against itself; Bonferroni's correction for the readings.

    Args:
        odds: (n, readings) log-odds, in the order of READINGS.
    """
    from scipy.stats import wilcoxon

    found: dict[int, float] = {}
    for number in range(len(READINGS)):
        difference = odds[:, number] - odds[:, GIVEN]
        if number == GIVEN or not difference.any():
            continue
        share = _LEVEL if number == _MIRROR else _LEVEL / (len(READINGS) - 2)
        p_value = float(wilcoxon(difference, alternative="greater").pvalue)
        if p_value <= share:
            found[number] = p_value / share
    return min(found, key=lambda number: found[number], default=None)
