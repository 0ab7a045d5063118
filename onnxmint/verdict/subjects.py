"""One verdict a subject: whose images are among those that were trained on, with few false ones among the found.

A subject's p-value is the largest of the tests that must all find members (`verdict/opinions.py`), so that it holds
whichever of the other explanations is true. All subjects are measured by the same known non-members; why the rate of
false ones holds nevertheless stands in `stats/subjects.py`.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from onnxmint.results.audit import SubjectFacts, SubjectsFacts, Verdict
from onnxmint.stats.subjects import RULES, adjusted
from onnxmint.verdict.case import Case
from onnxmint.verdict.units import Units

Rows = NDArray[np.int64]
_NOBODYS = "Each of these images belongs with images of other subjects (near copies, groups), so none was tested."


def judge_subjects(
    case: Case, units: Units, names: Sequence[str | None], *, by: str, first: str | None = None
) -> SubjectsFacts:
    """Ask of every subject's images what was asked of all.

    A unit in which images of several subjects come together, as near copies do, counts for none of them.

    Args:
        case: of all questioned images.
        units: of them.
        names: (n,) subject of each scored image, None where it has none.
        by: how subjects are told apart, in the user's words.
        first: the subject that was asked for, which is listed first.
    """
    every = sorted({name for name in names if name is not None})
    place = {name: number for number, name in enumerate(every)}
    of_image = np.array([-1 if name is None else place[name] for name in names], np.int64)
    owner, shared = _owners(units, of_image)
    counted = np.bincount(of_image[(of_image >= 0) & (owner[units.unit] == of_image)], minlength=len(every))
    verdicts = [case.of(owner == number, images=int(counted[number])).verdict() for number in range(len(every))]
    p_values = [_p_value(verdict, case.question.alpha) for verdict in verdicts]
    tested = [number for number, p in enumerate(p_values) if p is not None]
    q_values = dict(zip(tested, adjusted(np.array([p for p in p_values if p is not None])).tolist(), strict=True))
    rows = [
        _row(
            name,
            verdicts[number],
            images=int(counted[number]),
            units=int((owner == number).sum()),
            p_value=p_values[number],
            q_value=q_values.get(number),
            level=(case.question.alpha, len(tested)),
        )
        for number, name in enumerate(every)
    ]
    return SubjectsFacts(
        by=by,
        rule=RULES["bh"],
        alpha=case.question.alpha,
        found=sum(row.kind == "members-found" for row in rows),
        shared=shared,
        without=int((of_image < 0).sum()),
        first=first,
        rows=tuple(sorted(rows, key=lambda row: (row.name != first, 1.0 if row.p_value is None else row.p_value))),
    )


def _owners(units: Units, of_image: Rows) -> tuple[Rows, int]:
    """Return (u,) the one subject whose images each unit holds, -1 for none or several; how many hold several's.

    Args:
        units: of the scored images.
        of_image: (n,) number of the subject of each, -1 where it has none.
    """
    named = of_image >= 0
    low, high = np.full(len(units.score), len(of_image), np.int64), np.full(len(units.score), -1, np.int64)
    np.minimum.at(low, units.unit[named], of_image[named])
    np.maximum.at(high, units.unit[named], of_image[named])
    return np.where(low == high, high, -1), int((low < high).sum())


def _p_value(verdict: Verdict, alpha: float) -> float | None:
    """Return the largest p-value of the tests that must all find members; 1 where another doubt is left."""
    if verdict.p_value is None:
        return None
    largest = max(verdict.p_value, *(one.p_value for one in verdict.opinions), 0.0)
    doubted = verdict.kind != "members-found" and not verdict.stopped_by
    return 1.0 if doubted and largest <= alpha else largest


def _row(
    name: str,
    verdict: Verdict,
    *,
    images: int,
    units: int,
    p_value: float | None,
    q_value: float | None,
    level: tuple[float, int],
) -> SubjectFacts:
    """Return what is said of a subject; `level` is that of false discoveries, and the number of subjects tested."""
    alpha, tested = level
    alone = verdict.kind == "members-found"
    found = alone and q_value is not None and q_value <= alpha
    text = _NOBODYS if p_value is None else verdict.text
    if alone and not found and p_value is not None and q_value is not None:
        text = (
            f"These images score higher than images that were not trained on (p = {p_value:.4f}), but among {tested:,} "
            f"subjects so small a p-value is no rarity (q = {q_value:.3f}, and at most {alpha:g} was asked for)."
        )
    return SubjectFacts(
        name=name,
        images=images,
        units=units,
        kind="members-found" if found else "inconclusive" if alone else verdict.kind,
        p_value=p_value,
        q_value=q_value,
        at_least=verdict.at_least if found else 0,
        text=text,
    )
