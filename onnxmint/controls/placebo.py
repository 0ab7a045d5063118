"""The placebo twin: what the same pipeline finds in a target that knows nothing."""

import numpy as np

from onnxmint.controls.seen import Missing, Seen, Twin
from onnxmint.controls.words import CHANCE, numbers
from onnxmint.results.facts import Control
from onnxmint.stats.compare import Difference, compare_auc
from onnxmint.stats.two_sample import auc_of
from onnxmint.verdict.yardstick import HeldOutScores


def placebo_control(seen: Seen, _: np.random.Generator) -> Control:
    """Compare the module on the target with the same module on the twin, fitted with the same division."""
    target, twin = seen.target, seen.twin
    if target is None or twin is None:
        return Control(name="placebo", passed=None, text="Not run: no module was fitted.")
    if isinstance(twin, Missing):
        text = f"Not run: the twin with shuffled weights fails: {twin.why}."
        return Control(name="placebo", passed=None, text=text)
    if _says_the_same(target, twin):
        text = "Not run: shuffling the model's weights changes nothing that it says; onnxmint does not know them."
        return Control(name="placebo", passed=None, text=text)
    auc = auc_of(twin.yardstick.groups())
    difference = _difference(target, twin, seen.seed)
    gain = f"{difference.value:+.3f} ({difference.low:+.3f} to {difference.high:+.3f})"
    passed = auc.low <= CHANCE
    text = (
        f"A twin of the model with shuffled weights, which knows nothing, was not seen to tell members apart "
        f"({numbers(auc)}); the model itself has an AUC of {gain} against it."
        if passed
        else f"A twin of the model with shuffled weights, which knows nothing, also tells members from non-members "
        f"({numbers(auc)}; the model's AUC is {gain} against it): the evidence differs in more than membership."
    )
    return Control(name="placebo", passed=passed, text=text, auc=auc, target_minus_placebo=difference)


def _says_the_same(target: HeldOutScores, twin: Twin) -> bool:
    """Say whether the twin is as sure as the model itself of every image: then it is no twin."""
    mine, its = target.surest[twin.row], twin.scored.surest
    both = np.isfinite(mine) & np.isfinite(its)
    return bool(both.any()) and np.array_equal(mine[both], its[both])


def _difference(target: HeldOutScores, twin: Twin, seed: int) -> Difference:
    """Return target minus twin in AUC, on the held-out images that both were scored on."""
    mine, its, table = target.score[twin.row], twin.scored.score, twin.scored.table
    both = np.isfinite(mine) & np.isfinite(its)
    sides = [both & (table.is_member == member) for member in (True, False)]
    groups = None if table.groups is None else (table.groups[sides[0]], table.groups[sides[1]])
    return compare_auc(
        (mine[sides[0]], mine[sides[1]]),
        (its[sides[0]], its[sides[1]]),
        groups=groups,
        rng=np.random.default_rng(seed),
    )
