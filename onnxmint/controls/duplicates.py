"""Duplicates: did copies among the known images make the evidence contradict itself?"""

import numpy as np

from onnxmint.controls.seen import Seen
from onnxmint.results.facts import Control, CopyFacts


def duplicates_control(seen: Seen, _: np.random.Generator) -> Control:
    """Say what was done about copies; images on both sides fail."""
    found = seen.copies
    said = []
    if found.on_both_sides:
        said.append(f"{found.on_both_sides:,} given both as member and as non-member, left out of both")
    if found.near_copies_of_members:
        said.append(f"{found.near_copies_of_members:,} given as non-member but a near copy of a member, left out")
    if found.left_out:
        said.append(f"{found.left_out:,} a copy or near copy of another on its side, left out")
    if found.grouped:
        said.append(f"{found.grouped:,} a copy or near copy of another, kept together in every split")
    text = "; ".join(said) if said else "none is a copy or near copy of another"
    return Control(
        name="duplicates",
        passed=not found.on_both_sides,
        text=f"Of {found.known:,} known images: {text}.",
        copies=CopyFacts(
            on_both_sides=found.on_both_sides,
            near_copies_of_members=found.near_copies_of_members,
            left_out=found.left_out,
            grouped=found.grouped,
            left_out_images=found.left_out_images,
        ),
    )
