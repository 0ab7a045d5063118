"""Plausibility: does the target treat the known images as a trained classifier would?"""

import numpy as np

from onnxmint.controls.seen import Seen
from onnxmint.results.facts import Control, EvidenceFacts

_UNSURE = 0.5  # accuracy on its own training images, below which something is wrong
_SWAPPED = 0.02  # by how much non-members may be classified better than members
_TIMES_CHANCE = 2.0


def plausibility_control(seen: Seen, _: np.random.Generator) -> Control:
    """Judge accuracy and confidence on known members and non-members."""
    facts = seen.facts
    members, nonmembers = facts.accuracy_members, facts.accuracy_nonmembers
    numbers = _numbers(facts)
    if is_implausible(facts, seen.classes):
        mend = (
            seen.advice
            or "Check --preprocess (onnxmint check tries the known ones), classes, channels, re-compression."
        )
        return Control(name="plausibility", passed=False, text=f"{numbers}, too little for a trained model. {mend}")
    if members is not None and nonmembers is not None and members < nonmembers - _SWAPPED:
        return Control(
            name="plausibility",
            passed=False,
            text=f"{numbers}; a model is usually better on what it was trained on: check that the two sets were not "
            "swapped.",
        )
    return Control(name="plausibility", passed=True, text=f"{numbers}.")


def is_implausible(facts: EvidenceFacts, classes: int | None) -> bool:
    """Return whether the target does so badly on known images that they cannot be prepared right.

    On its own training images where such are known.
    """
    few = _TIMES_CHANCE / classes if classes else 0.0
    if facts.accuracy_members is not None:
        return facts.accuracy_members < max(_UNSURE, few)
    if not facts.members and facts.accuracy_nonmembers is not None:  # which a trained model may well get wrong
        return facts.accuracy_nonmembers < few
    sure = facts.confidence_members if facts.members else facts.confidence_nonmembers
    return sure is not None and sure < few


def _numbers(facts: EvidenceFacts) -> str:
    said = []
    if facts.accuracy_members is not None and facts.accuracy_nonmembers is not None:
        said.append(
            f"right on {facts.accuracy_members:.1%} of the known members and {facts.accuracy_nonmembers:.1%} of the "
            "non-members"
        )
    elif facts.accuracy_nonmembers is not None:
        said.append(f"right on {facts.accuracy_nonmembers:.1%} of the known non-members")
    if facts.confidence_members is not None and facts.confidence_nonmembers is not None:
        said.append(f"{facts.confidence_members:.1%} and {facts.confidence_nonmembers:.1%} sure on average")
    elif facts.confidence_nonmembers is not None:
        said.append(f"{facts.confidence_nonmembers:.1%} sure on average")
    return f"The model is {', '.join(said)}" if said else "Nothing is known of the model's accuracy and confidence"
