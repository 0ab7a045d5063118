"""What would help an audit that cannot tell, most first, and what is known of that before it begins."""

from dataclasses import dataclass
from typing import Literal

StepKind = Literal["controls", "preprocessing", "labels", "known", "questioned", "references", "views"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NextStep:
    """One thing that would help.

    Attributes:
        kind: what is to be changed.
        text: what to do, in a sentence or two.
        needed: how many images it takes, of known ones of each kind; None where no number belongs to it.
        there: how many there are of them.
    """

    kind: StepKind
    text: str
    needed: int | None = None
    there: int | None = None
