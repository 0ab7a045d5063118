"""The control of labels: does the target agree with those of questioned images as it does with those of known ones?

A label that nothing checks decides a verdict: images labelled by the model itself look like members, members with wrong
labels look like nobody's. Two exact tests see what no membership can explain.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onnxmint.controls.seen import SeenQuestioned
from onnxmint.results.facts import Agreement, Control, LabelFacts
from onnxmint.stats.two_sample import SHARED
from onnxmint.stats.units import representatives
from onnxmint.verdict.yardstick import Yardstick

SEEN = 0.95
"""How surely a control must notice labels of which half are wrong to be called passed."""
_HALF = 0.5
_GRID = np.arange(1, 101) / 100

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """Images with what they are said to be and what the target says.

    Attributes:
        label: (n,) classes.
        predicted: (n,) the target's top classes.
        group: (n,) what belongs together, of which one image counts; None when images stand for themselves.
        digest: (n,) of the pixels, which say which image it is; needed with groups only.
    """

    label: Rows
    predicted: Rows
    group: Rows | None = None
    digest: NDArray[np.uint64] | None = None

    def agreement(self) -> Agreement:
        """Return how many of the images, one a group, the target is right on."""
        if self.group is not None and self.digest is None:
            raise ValueError("need the digests of images in groups")
        right = self.label == self.predicted
        if self.group is not None and self.digest is not None:
            right = right[representatives(self.group, self.digest)]
        return Agreement(right=int(right.sum()), images=len(right))


def compare_labels(questioned: Labelled, members: Labelled, nonmembers: Labelled) -> LabelFacts:
    """Test whether labels of questioned images agree with the target as often as they can.

    Both tests are exact and one-sided (Fisher 1935), at the level SHARED each. Members are agreed with more often than
    non-members, so a set with any share of members lies between the two, whatever the target is.

    Args:
        questioned: the questioned images that were scored.
        members: known ones, of all parts of the evidence.
        nonmembers: known ones, of all parts.
    """
    asked, inside, outside = (side.agreement() for side in (questioned, members, nonmembers))
    return LabelFacts(
        questioned=asked,
        members=inside,
        nonmembers=outside,
        more=_more(asked, inside),
        less=_less(asked, outside),
        wrong_seen_from=_wrong_seen_from(asked.images, outside),
        own_seen=_more(Agreement(right=asked.images, images=asked.images), inside) <= SHARED,
    )


def labels_control(facts: LabelFacts | None) -> Control:
    """Return the control.

    Args:
        facts: of the labels; None when the audit is told none, so that none can mislead it.
    """
    if facts is None:
        text = "No labels are told, the model's own top class stands in their place, so that none can mislead."
        return Control(name="labels", passed=True, text=text)
    return Control(name="labels", passed=_passed(facts), text=_words(facts), labels=facts)


def question_the_labels(_: Control | None, asked: SeenQuestioned, __: np.random.Generator) -> Control:
    """Compare how often the target agrees with the labels of questioned and of known images."""
    labels, known = asked.questioned.labels, asked.yardstick
    if not asked.told or labels is None or known.right is None:
        return labels_control(None)
    questioned = Labelled(
        label=labels[asked.scored],
        predicted=asked.predicted,
        group=asked.questioned.groups(asked.scored),
        digest=asked.questioned.digest(asked.scored),
    )
    sides = [_known(known.take(known.is_member == member)) for member in (True, False)]
    return labels_control(compare_labels(questioned, *sides))


def _known(side: Yardstick) -> Labelled:
    """Return held-out known images by whether the target is right on them."""
    right = np.zeros(0, np.int64) if side.right is None else side.right.astype(np.int64)
    return Labelled(
        label=np.ones(len(right), np.int64),
        predicted=right,
        group=None if side.group is None else side.group.astype(np.int64),
        digest=side.number.astype(np.uint64),
    )


def _passed(facts: LabelFacts) -> bool | None:
    """Return False when one test fails, None when labels of which half are wrong would go unnoticed."""
    if min(facts.more, facts.less) <= SHARED:
        return False
    return True if facts.wrong_seen_from is not None and facts.wrong_seen_from <= _HALF else None


def _rate(found: Agreement) -> str:
    return f"{found.right:,} of {found.images:,} ({found.right / max(found.images, 1):.1%})"


def _words(facts: LabelFacts) -> str:
    said = f"The model agrees with the labels of {_rate(facts.questioned)} questioned images"
    if facts.more <= SHARED:
        return (
            f"{said}, more often than with those of known members, {_rate(facts.members)}; p = {facts.more:.2g}. So do "
            "labels that the model itself has given, and images that were chosen because it is right on them: such "
            "scores cannot be read as membership."
        )
    if facts.less <= SHARED:
        return (
            f"{said}, less often than with those of known non-members, {_rate(facts.nonmembers)}; p = "
            f"{facts.less:.2g}. Membership cannot explain that: labels are wrong or number the classes otherwise, or "
            "the images are harder or were changed, and members among them would go unnoticed."
        )
    members = f"known members {_rate(facts.members)}, " if facts.members.images else ""
    seen = f"{said}, {members}known non-members {_rate(facts.nonmembers)}."
    own = (
        "labels that the model itself had given would have been seen"
        if facts.own_seen
        else "labels that the model itself had given would not have been seen, as it is right on nearly all members"
        if facts.members.images
        else "no members are known, whose labels those that the model itself had given would look like: only the test "
        "without labels tells the two apart"
    )
    if _passed(facts) is None:
        return f"Could not look: {seen} So few images would not even show labels of which half are wrong; {own}."
    return f"{seen} {facts.wrong_seen_from:.0%} of wrong labels or more would have been seen; {own}."


def _more(asked: Agreement, known: Agreement) -> float:
    """Return P(so many right ones or more among the asked), were they and the known ones of one accuracy."""
    from scipy.stats import hypergeom

    if not asked.images or not known.images:
        return 1.0
    both = asked.images + known.images
    return float(hypergeom.sf(asked.right - 1, both, asked.right + known.right, asked.images))


def _less(asked: Agreement, known: Agreement) -> float:
    """Return P(so many right ones or fewer among the asked), were they and the known ones of one accuracy."""
    from scipy.stats import hypergeom

    if not asked.images or not known.images:
        return 1.0
    both = asked.images + known.images
    return float(hypergeom.cdf(asked.right, both, asked.right + known.right, asked.images))


def _wrong_seen_from(asked: int, known: Agreement) -> float | None:
    """Return the smallest share of wrong labels of which 95 of 100 controls would notice; wrong ones never agree."""
    from scipy.stats import binom

    if not asked or not known.images:
        return None
    low, high = -1, asked  # the largest number of right ones that fails the test
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _less(Agreement(right=middle, images=asked), known) <= SHARED else (low, middle)
    chance = binom.cdf(low, asked, (1 - _GRID) * known.right / known.images)
    enough = np.flatnonzero(chance >= SEEN)
    return float(_GRID[enough[0]]) if len(enough) else None
