"""The reference: what a model not trained on these images finds about them is difficulty, not membership."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from onnxmint.controls.seen import Difficulty, Missing, Seen, SeenQuestioned
from onnxmint.controls.words import CHANCE, numbers
from onnxmint.evidence.table import EvidenceTable
from onnxmint.results.facts import Control, DifficultyFacts
from onnxmint.stats.estimates import Estimate, FloatArray
from onnxmint.stats.heldout import HeldOut, cross_fitting_inflation, group_means
from onnxmint.stats.two_sample import SHARED, auc_of
from onnxmint.verdict.yardstick import HeldOutScores

_HALVED = SHARED / 2  # of the test of evidence, where two estimates of difficulty make it
LEARNED = "small classifiers learned from the known images"


def reference_control(seen: Seen, _: np.random.Generator) -> Control:
    """Say whether members are easier than non-members for models that were not trained on either."""
    found, target = seen.difficulty, seen.target
    if target is None or not isinstance(found, Difficulty):
        return _not_possible(found.why if isinstance(found, Missing) else "no module was fitted")
    if target.table.alone:
        return _to_be_asked(found, labels=target.table.labels is not None)
    apart = found.other if isinstance(found.other, Difficulty) else None  # a score's own input takes nothing off it
    level = SHARED if apart is None else _HALVED
    easy = auc_of(_units(found.score, found.fold, target.table, np.isfinite(found.score)), level)
    taken = _Taken.off(target, apart or found)
    passed, text = _said(found, easy, level, taken)
    if found.other is not None:
        passed, more = _compared(found.other, target.table, passed=passed)
        text = f"{text} {more}"
    difficulty = DifficultyFacts(
        by=found.words,
        learned=found.learned,
        labels=target.table.labels is not None,
        before=taken.before,
        after=taken.after,
    )
    return Control(name="reference", passed=passed, text=text, auc=easy, difficulty=difficulty)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Taken:
    """The AUC of the audit's score before and after a difficulty is taken off."""

    before: Estimate
    after: Estimate

    @classmethod
    def off(cls, target: HeldOutScores, found: Difficulty) -> "_Taken":
        """Measure both on the images whose difficulty is known."""
        table, score = target.table, target.score
        both = np.isfinite(found.score) & np.isfinite(score)
        before = auc_of(_units(score, table.fold, table, both, target.folds))
        less = _less_difficulty(score, found, table, both)
        return cls(before=before, after=auc_of(_units(less, table.fold, table, both, target.folds)))


def _said(found: Difficulty, easy: Estimate, level: float, taken: _Taken) -> tuple[bool, str]:
    passed, shown = easy.low <= CHANCE, numbers(easy, level)
    of = "difficulty" if found.other is None else "what small classifiers find difficult"
    change = (
        f"the audit's AUC is {taken.before.value:.3f}, and {taken.after.value:.3f} once {of} is taken off"
        if not isinstance(found.other, Missing)
        else f"the audit's AUC is {taken.before.value:.3f}"
    )
    if passed:
        return True, (
            f"Members were not found easier than non-members for models not trained on them ({found.words}; {shown}); "
            f"{change}."
        )
    return False, (
        f"Members are easier than non-members also for models not trained on them ({found.words}; {shown}), so "
        f"part of the difference is difficulty; {change}."
    )


def _compared(other: Difficulty | Missing, table: EvidenceTable, *, passed: bool) -> tuple[bool, str]:
    """Return whether both estimates pass, and what the other one says of a score that reads the first."""
    read = "The score compares with these models, so their answers alone must not tell members apart, and do not"
    read = read if passed else "The score compares with these models, whose answers alone tell members apart"
    if isinstance(other, Missing):
        return passed, f"{read}; another estimate of difficulty was not made, for {other.why}."
    easy = auc_of(_units(other.score, other.fold, table, np.isfinite(other.score)), _HALVED)
    shown = numbers(easy, _HALVED)
    if easy.low <= CHANCE:
        return passed, f"{read}. Nor are members easier for {other.words} ({shown})."
    return False, f"{read}. Members are easier for {other.words} ({shown}), so part of the difference is difficulty."


def _not_possible(why: str) -> Control:
    """Return the control that could not be run."""
    return Control(
        name="reference",
        passed=None,
        text=f"Not run: no --reference was given, and {why}. A difference in difficulty was not excluded.",
    )


def _to_be_asked(found: Difficulty, *, labels: bool) -> Control:
    """Return the control where no members are known, so that only questioned images can be compared."""
    return Control(
        name="reference",
        passed=None,
        text=f"Models not trained on the known non-members ({found.words}) say whether questioned images are easier.",
        difficulty=DifficultyFacts(by=found.words, learned=found.learned, labels=labels, before=None, after=None),
    )


def _less_difficulty(score: FloatArray, found: Difficulty, table: EvidenceTable, rows: NDArray[np.bool_]) -> FloatArray:
    """Return the score less the difficulty, both in deviations of the non-members of each fold."""
    outside = rows & ~table.is_member
    result: FloatArray = _scaled(score, outside, table.fold) - _scaled(found.score, outside, found.fold)
    return result


def _scaled(values: FloatArray, known: NDArray[np.bool_], fold: NDArray[np.integer]) -> FloatArray:
    result = np.full(len(values), np.nan)
    for number in np.unique(fold):
        mine = fold == number
        basis = values[known & mine]
        if len(basis):
            result[mine] = (values[mine] - basis.mean()) / max(float(basis.std()), 1e-12)
    return result


def _units(
    values: FloatArray, fold: NDArray[np.integer], table: EvidenceTable, rows: NDArray[np.bool_], folds: int = 1
) -> HeldOut:
    """Return the values of images, or the means of groups, of both sides; `folds` as of cross-fitted scores."""
    sides = []
    for member in (True, False):
        mine = np.flatnonzero(rows & (table.is_member == member) & np.isfinite(values))
        side, of = values[mine], fold[mine].astype(np.int8)
        if table.groups is not None:
            side, place = group_means(side, table.groups[mine])
            of_group = np.zeros(len(side), np.int8)
            of_group[place] = of
            of = of_group
        sides.append((side, of))
    return HeldOut(
        member=sides[0][0],
        nonmember=sides[1][0],
        member_fold=sides[0][1],
        nonmember_fold=sides[1][1],
        inflation=cross_fitting_inflation(folds),
    )


def question_the_reference(control: Control | None, asked: SeenQuestioned, _: np.random.Generator) -> Control:
    """Return the control after the references were shown the questioned images too."""
    if control is None:
        return _not_possible("the auditor's evidence was not compared")
    if asked.easy is None:
        return control
    if isinstance(asked.easy, Missing):
        why = asked.easy.why
        return replace(control, text=f"{control.text} Questioned images were not shown to them ({why}).")
    of_known = {int(number): odds for number, odds in zip(asked.traces.judged, asked.traces.difficulty, strict=True)}
    known = asked.units.known.nonmembers
    if not of_known:  # the auditor was trained without controls
        return control
    theirs = np.array([of_known.get(number, np.nan) for number in known.number.tolist()])
    mine = _means(asked.easy[asked.units.row], asked.units.place)
    auc = auc_of(HeldOut.of(mine, _means(theirs, known.group)), SHARED)
    if auc.low > CHANCE:
        text = (
            f"Questioned images are easier than known non-members for models not trained on either "
            f"({numbers(auc, SHARED)}), so that they score higher without having been trained on."
        )
        passed: bool | None = False
    else:
        alone = control.difficulty is not None and control.difficulty.before is None
        start = "They were not found to be" if alone else "Nor are questioned images"
        text, passed = f"{start} easier ({numbers(auc, SHARED)}).", True if alone else control.passed
    difficulty = None if control.difficulty is None else replace(control.difficulty, questioned=auc)
    return replace(control, passed=passed, text=f"{control.text} {text}", difficulty=difficulty)


def _means(values: NDArray[np.float64], groups: NDArray[np.integer] | None) -> NDArray[np.float64]:
    """Return the finite values, or their means over groups."""
    kept = np.isfinite(values)
    return values[kept] if groups is None else group_means(values[kept], groups[kept])[0]
